"""How the content of events becomes bytes."""

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Serializer(Protocol):
    """Writes the content of events as bytes, and reads it again in the type it is of.

    What it writes must not begin with `{`, unless it is JSON: whatever does is read as JSON, so
    that a domain which changes its serializer still reads what it stored before.
    """

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    def encode(self, value: object, /) -> bytes:
        """A dataclass as bytes, at least one; where events have personal fields, also a `dict`."""
        ...

    def decoder(self, type_: type[T], /) -> Callable[[bytes], T]:
        """What reads such bytes as `type_`: an event type, or `dict[str, Any]`.

        It is asked for once for each type, when the domain is put to use. It raises when the type
        cannot be read, and so does its answer when the bytes do not fit.
        """
        ...
