"""Times that come again, as cron writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

Missed: TypeAlias = Literal["once", "skip", "all"]
"""What happens to runs that were due while no process ran: one makes up for all of them, none is
made up, or each is."""

_LATE: Final = timedelta(minutes=1)
"""From then on a run is missed: it was due while no process ran."""

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Recurrence:
    """When something is due again and again.

    A time that a change to summer time skips is due as soon as that is over, and one that a change
    back brings twice is due once; with `*` for the hour or the minute, only what passes counts.

    Attributes:
        cron: minute, hour, day of the month, month and day of the week, as in crontab(5); also
            `L`, the last day of a month, `LW`, its last working day, and `MON#1`, its first Monday.
        timezone: whose clock this is, by its IANA name.
        missed: what happens to runs that were due more than a minute ago.

    Raises:
        ValueError: one of them is wrong, or no time matches.
    """

    cron: str
    timezone: str = "UTC"
    missed: Missed = "once"

    def __post_init__(self) -> None:
        """Check it, with the time of a first run."""
        if self.missed not in get_args(Missed):
            raise ValueError(f"missed={self.missed!r:.80} is not 'once', 'skip' or 'all'")
        _zone(self.timezone)
        if len(self.cron) > _LONGEST or len(self.cron.split()) != 5:
            raise ValueError(
                f"cron={self.cron!r:.80} is not five fields, such as '0 0 1 * *': minute, hour, "
                "day of the month, month, day of the week"
            )
        try:
            self.after(_EPOCH)
        except (CronSimError, ValueError, AssertionError, StopIteration) as error:
            fault = str(error) or "no day matches it"
            raise ValueError(f"cron={self.cron!r:.80} cannot be used: {fault}") from None

    def after(self, time: datetime) -> datetime:
        """The first due time later than `time`, in UTC."""
        times = CronSim(self.cron, time.astimezone(_zone(self.timezone)))
        due = next(times).astimezone(UTC)
        # What the clock shows twice is read as the first, which may have passed.
        while due <= time:
            due = next(times).astimezone(UTC)
        return due

    def runs(
        self, due: datetime, now: datetime, limit: int = 100
    ) -> tuple[Sequence[datetime], datetime]:
        """The due times that are to run, and the next due time after them.

        Args:
            due: the first due time that was not looked at, `now` or before.
            now: what time it is.
            limit: return at most so many; the next due time may have passed, then.
        """
        if self.missed == "once":
            return [due], self.after(now)
        if self.missed == "skip":
            due = max(due, self.after(now - _LATE))
        found: list[datetime] = []
        while due <= now and len(found) < limit:
            found.append(due)
            due = self.after(due)
        return found, due


def _zone(name: str) -> ZoneInfo:
    try:
        zone = ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        zone = None
    if zone is None or name == "localtime":  # which is another zone on each machine
        raise ValueError(
            f"timezone={name!r:.80} is unknown: give an IANA name, such as 'Europe/Berlin'"
        )
    return zone
