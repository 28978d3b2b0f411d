"""The protocol of serializers, which turn the content of events into bytes."""

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Serializer(Protocol):
    """Encodes the content of events as bytes, and decodes it into its type.

    The bytes must not begin with `{`, unless they are JSON: content that does is read as JSON, so
    that a domain which changes its serializer can still read what it stored before.
    """

    @property
    def name(self) -> str:
        """Its name in error messages."""
        ...

    def encode(self, value: object, /) -> bytes:
        """A dataclass as bytes, at least one; where events have personal fields, also a `dict`."""
        ...

    def decoder(self, type_: type[T], /) -> Callable[[bytes], T]:
        """Return a function that decodes such bytes as `type_`: an event type or `dict[str, Any]`.

        It is called once for each type, at the start. It raises when it cannot decode the type, and
        the returned function raises when the bytes do not fit.
        """
        ...
