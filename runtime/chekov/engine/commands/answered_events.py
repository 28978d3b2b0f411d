"""The events of an answer."""

from collections.abc import Callable, Iterator, Sequence
from typing import cast, overload

from chekov.domain.messages import Event
from chekov.store.port import NewEvent


class AnsweredEvents(Sequence[Event]):
    """Copies of the events that a command stored, made when somebody looks at the first of them.

    They share nothing with the state. Most senders look at none, and decoding costs a command with
    one list 0.4 µs.

    Args:
        stored: the events as they were stored.
        decode: makes an event of a stored name and its content.
    """

    __slots__ = ("_copies", "_decode", "_stored")

    def __init__(self, stored: Sequence[NewEvent], decode: Callable[[str, bytes], Event]) -> None:
        self._stored = stored
        self._decode = decode
        self._copies: tuple[Event, ...] | None = None

    @property
    def copies(self) -> tuple[Event, ...]:
        """The events, the same ones each time."""
        if self._copies is None:
            self._copies = tuple(self._decode(item.type, item.data) for item in self._stored)
        return self._copies

    def __len__(self) -> int:
        return len(self._stored)

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        return self.copies[index]

    def __iter__(self) -> Iterator[Event]:
        return iter(self.copies)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AnsweredEvents | tuple):
            return NotImplemented
        return self.copies == tuple(cast("Sequence[object]", other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.copies)
