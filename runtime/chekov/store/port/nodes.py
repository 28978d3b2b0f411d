"""The role of a store that knows which processes run the subscriptions of a domain."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Node:
    """A process that runs subscriptions, as the store last heard of it."""

    id: str
    """The owner that its claims name."""
    offers: frozenset[str]
    """What it can run; see `Nodes.attend`."""
    session: str | None
    """Identifies the database session that the process holds; `None` if it holds none."""
    fresh: bool
    """Whether it was heard of within its lease, by the store's clock."""
    vanished: bool
    """Whether that session has ended, on a server that was not restarted since.

    A process that is killed ends its session at once. One that lost its connection does so too, and
    has another soon: so its session must be missing twice, half a second apart.
    """
    domain: str = ""
    """Whose subscriptions it runs."""


class Nodes(Protocol):
    """Keeps a row for each process, and notices when it is gone."""

    async def join(self, node: str, domain: str, offers: Collection[str], *, lease: float) -> None:
        """Be one of the nodes of a domain, as others see it once this returns, and wake them.

        It is heard of now, and then by `attend`.

        Raises:
            StoreUnavailable: the database is away.
        """
        ...

    async def attend(
        self,
        node: str,
        domain: str,
        offers: Collection[str],
        *,
        lease: float,
        well: Callable[[], bool],
    ) -> None:
        """Be one of the nodes of a domain until cancelled; the row stays until `leave`.

        It joins, if it has not. It holds a session while the store can tell when that ends, and is
        heard of three times in `lease` seconds. Whoever waits for subscriptions is woken when it
        joins.

        Args:
            node: the owner that the claims of this process name.
            domain: whose subscriptions it runs.
            offers: what it can run, in words of the caller.
            lease: seconds after which a process that is not heard of counts no more.
            well: whether the process does its work; while it does not, it is not heard of, so that
                others take over.
        """
        ...

    async def leave(self, node: str) -> None:
        """Be a node no longer, and wake the processes that wait for subscriptions."""
        ...

    async def list(self, domain: str | None, *, lease: float) -> Sequence[Node]:
        """The nodes of a domain, or of all domains, in the order in which they joined.

        Raises:
            StoreUnavailable: the database is away.
        """
        ...
