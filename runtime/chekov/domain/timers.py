"""Timers of process managers, and what is to happen at a later time."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, cast

from chekov.domain.messages import Command, Message
from chekov.errors import DefinitionError

_RESERVED: Final = frozenset({"after", "at", "cancel"})

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Postgres takes the first and the last time of Python for infinite, from which nothing counts."""


@dataclass(frozen=True, slots=True)
class TimerDefinition:
    """What the class statement of a timer says.

    Attributes:
        name: under which it is stored.
    """

    name: str


class Timer(Message):
    """Something that a process manager is reminded of: `yield Late().after(timedelta(hours=1))`.

    An instance of a process manager has at most one pending timer of a type: a second replaces it,
    `yield Late.cancel()` ends it, and it goes with the instance. Its fields come back with it; none
    can be called `after`, `at` or `cancel`.

    Class keywords:
        name: under which it is stored; the class name when left out.
    """

    __chekov__: ClassVar[TimerDefinition] = TimerDefinition("")

    def __init_subclass__(cls, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__chekov__ = TimerDefinition(cls.__name__ if name is None else name)
        taken = _RESERVED.intersection(item.name for item in fields(cast("Any", cls)))
        if taken:
            raise DefinitionError(
                cls.__qualname__,
                [f"a field cannot be called {name!r}: rename it" for name in sorted(taken)],
            )

    def after(self, delay: timedelta) -> "Schedule":
        """It expires `delay` after the input that it answers was stored."""
        return Schedule(self, after=delay)

    def at(self, time: datetime) -> "Schedule":
        """It expires at `time`, which has a zone."""
        return Schedule(self, at=time)

    @classmethod
    def cancel(cls) -> "Schedule":
        """The pending timer of this type does not expire."""
        return Schedule(cls)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A timer or a command for a later time, as a process manager yields it.

    Attributes:
        subject: what is due; the type of a timer to cancel it.
        after: how long after the input that it answers was stored.
        at: when, with a zone.

    Raises:
        ValueError: the subject is something else, not one of `after` and `at` is given, or it is no
            usable time.
    """

    subject: "Command[Any] | Timer | type[Timer]"
    after: timedelta | None = None
    at: datetime | None = None

    def __post_init__(self) -> None:
        """Check the subject and the time."""
        _check_subject(self.subject)
        given = (self.after is not None) + (self.at is not None)
        if self.cancels:
            if given:
                raise ValueError("a timer type cannot be scheduled: give a timer, as `Late()`")
        elif given != 1:
            raise ValueError(f"give one of after= and at=, not {'both' if given else 'neither'}")
        _check_time(self.after, self.at)

    @property
    def cancels(self) -> bool:
        """Whether it ends a pending timer."""
        return isinstance(self.subject, type)

    def due(self, since: datetime) -> datetime:
        """When it is due, for an input that was stored at `since`: from 1970 to 9999."""
        try:
            due = self.at if self.at is not None else since + (self.after or timedelta(0))
        except OverflowError:
            return _LAST
        return min(max(due, _FIRST), _LAST)


def _check_subject(subject: object) -> None:
    """Accept what can be scheduled; a type could be any, where no annotation is checked."""
    if not (
        issubclass(subject, Timer)
        if isinstance(subject, type)
        else isinstance(subject, Command | Timer)
    ):
        raise ValueError(
            f"{subject!r:.80} cannot be scheduled: give a command or a timer, or the type of a "
            "timer to cancel it"
        )


def _check_time(after: object, at: object) -> None:
    if after is not None and not isinstance(after, timedelta):
        raise ValueError(f"after={after!r:.80} is no timedelta")
    if at is not None and not isinstance(at, datetime):
        raise ValueError(f"at={at!r:.80} is no datetime")
    if after is not None and after < timedelta(0):
        raise ValueError(f"after={after} is negative: give 0 or more")
    if at is not None and at.tzinfo is None:
        raise ValueError(f"at={at} has no zone: give a time with one, such as UTC")
