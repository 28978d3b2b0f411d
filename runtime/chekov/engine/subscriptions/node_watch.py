"""Which nodes live: those that are heard of, without those whose session has ended."""

from collections.abc import Callable, Collection, Sequence
from time import monotonic
from typing import Final

from chekov.engine.subscriptions.shares import Member
from chekov.store.port import Node, Nodes

LOOK_SECONDS: Final = 0.5
"""How far two looks are apart: a node that lost its connection has another one sooner."""

_ENOUGH: Final = 0.9
"""Of that time; timers are not exact."""


class NodeWatch:
    """What one node knows of the nodes of its domain.

    Attributes:
        own: this node.
        vanished: the nodes whose session was missing in two looks.
        living: the members to share with, itself among them.

    Args:
        nodes: of the store.
        domain: whose nodes.
        own: this node.
        lease: seconds after which a node that is not heard of counts no more.
        clock: the time in seconds, to tell how far two looks are apart.
    """

    def __init__(
        self,
        nodes: Nodes,
        domain: str,
        own: Member,
        *,
        lease: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._nodes = nodes
        self._domain = domain
        self.own = own
        self._lease = lease
        self._missed: dict[tuple[str, str | None], float] = {}
        self._now = clock
        self.vanished: Collection[str] = []
        self.living: Sequence[Member] = [own]

    @property
    def alone(self) -> bool:
        """Whether there is nobody to share with."""
        return len(self.living) == 1

    async def look(self) -> bool:
        """Look once; return whether something is different from the last time.

        Raises:
            StoreError: the store does not answer.
        """
        before = self.living, self.vanished
        found = await self._nodes.list(self._domain, lease=self._lease)
        now = self._now()
        self._missed = {
            (node.id, node.session): self._missed.get((node.id, node.session), now)
            for node in found
            if node.vanished and node.id != self.own.id
        }
        self.vanished = sorted(
            node for (node, _), at in self._missed.items() if now - at >= LOOK_SECONDS * _ENOUGH
        )
        self.living = self._members(found)
        return before != (self.living, self.vanished)

    def _members(self, found: Sequence[Node]) -> Sequence[Member]:
        members = [
            Member(node.id, node.offers)
            for node in found
            if node.id == self.own.id or (node.fresh and node.id not in self.vanished)
        ]
        # Before its own row is written, it comes last, as it will then.
        return members if self.own in members else [*members, self.own]
