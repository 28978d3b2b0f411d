"""Content that is sealed as a whole, and can be told from content that is not."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chekov.store.sealing.cipher import Cipher  # which needs a library that is optional

_SEALED: Final = b"\0"
"""How sealed content begins, and no other: all else is JSON or MessagePack."""


def sealed(cipher: "Cipher", data: bytes, bound_to: bytes) -> bytes:
    """Seal content; opening it needs the same `bound_to`."""
    return _SEALED + cipher.seal(data, bound_to)


def opened(cipher: "Cipher", data: bytes, bound_to: bytes) -> bytes:
    """The content; as it is when it was stored before the domain had personal fields."""
    return cipher.open(data[1:], bound_to) if is_sealed(data) else data


def is_sealed(data: bytes) -> bool:
    """Whether content is sealed as a whole."""
    return data.startswith(_SEALED)
