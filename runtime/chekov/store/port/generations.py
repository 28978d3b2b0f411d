"""Generations: the builds of a projection's tables, of which one per version serves queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from chekov.errors import StoreError
from chekov.store.port.subscription_key import SubscriptionKey

_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Generation:
    """One build of the tables of a version of a projection.

    Attributes:
        key: of its subscription.
        schema_name: the database schema that holds its tables.
        state: queries are answered by the one of its version that is `serving`; one may be
            `building` beside it; a `retired` one has served, and its tables will be dropped.
        position: everything up to here is in its tables.
        target: once it is there, a building one serves.
        age: seconds since it was begun, by the store's clock.
        in_use: whether a process holds a claim on it.
        start: the position after which it begins.
        replay: the replay for which it was begun, if that has a name.
    """

    key: SubscriptionKey
    schema_name: str
    state: Literal["building", "serving", "retired"]
    position: int
    target: int
    age: float
    in_use: bool
    start: int = 0
    replay: str = ""

    @property
    def ratio(self) -> float:
        """How much of it is built, from 0 to 1."""
        if self.state != "building":
            return 1.0
        return min(self._built / self._whole, 1.0) if self._whole else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until it is built, at the pace so far; `None` before it has moved."""
        if self.state != "building":
            return 0.0
        if not self._built:
            return None
        return max(self._whole - self._built, 0) * self.age / self._built

    @property
    def _built(self) -> int:
        return max(self.position - self.start, 0)

    @property
    def _whole(self) -> int:
        return max(self.target - self.start, 0)

    def __str__(self) -> str:
        """Such as `building balances 2: 41 %, about 3 min left`."""
        percent = min(int(self.ratio * 100), 99)
        return f"building {self.key.name} {self.key.version}: {percent} %{self._left()}"

    def _left(self) -> str:
        seconds = self.seconds_left
        if seconds is None:
            return ""
        if seconds < _MINUTE:
            return f", about {max(round(seconds), 1)} s left"
        return f", about {round(seconds / _MINUTE)} min left"


class ProjectionBuilding(StoreError):
    """The tables of a projection are being built, and none serves queries yet. Ask again later.

    Attributes:
        generation: how far it is; `None` when nothing builds it, since no process has run it.
    """

    def __init__(self, name: str, generation: Generation | None) -> None:
        self.generation = generation
        super().__init__(f"projection {name} cannot answer yet: {generation or 'not begun'}")


class GenerationRefused(StoreError):
    """A generation cannot be begun, cancelled or dropped as things are; nothing has changed."""


class Generations(Protocol):
    """Begins, lists and drops generations; they change to serving with their checkpoints."""

    async def begin(self, key: SubscriptionKey, tables: str, *, start: int = 0) -> None:
        """Begin the first generation of a version of a projection, unless it has one.

        Its checkpoint begins at `start`, and so do those of the generations after it. It serves at
        once when nothing is stored after `start`, and otherwise when its checkpoint reaches the end
        that the log has now: in the transaction that moves the checkpoint there.

        Raises:
            DefinitionError: the database refuses the SQL `tables`, or it differs from what the
                generations of this version were made with.
        """
        ...

    async def rebuild(
        self,
        domain: str,
        name: str,
        version: int | None = None,
        *,
        start: int | None = None,
        beside: bool = True,
        replay: str = "",
    ) -> SubscriptionKey:
        """Begin another generation, which takes over from the one that serves when it is built.

        Args:
            domain: of the projection.
            name: of the projection.
            version: of the projection; the highest that serves by default.
            start: where its checkpoint begins, by default as that of the one that serves did.
            beside: whether that one serves meanwhile; else it is retired at once, and queries are
                refused until the other one is built.
            replay: names the request; one that was carried out is not carried out again.

        Raises:
            GenerationRefused: none serves, or another one is being built.
        """
        ...

    async def cancel(self, domain: str, name: str, version: int | None = None) -> SubscriptionKey:
        """Drop the generation that is being built beside the one that serves.

        Raises:
            GenerationRefused: there is none.
        """
        ...

    async def drop(self, key: SubscriptionKey) -> None:
        """Drop a generation with its tables and its checkpoint.

        Raises:
            GenerationRefused: there is none, or a process holds a claim on it.
        """
        ...

    async def drop_retired(self, domain: str, *, after: float) -> None:
        """Drop the generations that were retired `after` seconds ago."""
        ...

    async def list(self, domain: str) -> Sequence[Generation]:
        """Every generation of a domain's projections, by name, version and number."""
        ...
