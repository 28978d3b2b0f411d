"""The role `nodes` in memory."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chekov.store.port import Node
from chekov.watermark import Watermark


@dataclass(slots=True)
class _Row:
    domain: str
    offers: frozenset[str]
    session: int
    heard: datetime
    present: bool = True


class MemoryNodes:
    """One row per node; its session is the call of `attend`.

    Args:
        clock: tells when a node was heard of.
        changed: rises when a node joins or leaves.
    """

    def __init__(self, clock: Callable[[], datetime], changed: Watermark) -> None:
        self._now = clock
        self._changed = changed
        self._rows: dict[str, _Row] = {}
        self._sessions = 0

    async def join(self, node: str, domain: str, offers: Collection[str], *, lease: float) -> None:
        """Be one of the nodes of a domain."""
        self._join(node, domain, offers)

    async def attend(
        self,
        node: str,
        domain: str,
        offers: Collection[str],
        *,
        lease: float,
        well: Callable[[], bool],
    ) -> None:
        """Be one of the nodes of a domain until cancelled."""
        row = self._join(node, domain, offers)
        try:
            while True:
                await asyncio.sleep(lease / 3)
                if well():
                    row.heard = self._now()
        finally:
            row.present = False

    def _join(self, node: str, domain: str, offers: Collection[str]) -> _Row:
        self._sessions += 1
        row = self._rows[node] = _Row(domain, frozenset(offers), self._sessions, self._now())
        self._changed.bump()
        return row

    async def leave(self, node: str) -> None:
        """Be a node no longer."""
        if self._rows.pop(node, None) is not None:
            self._changed.bump()

    def heard_since(self, domain: str, time: datetime) -> Sequence[str]:
        """The nodes of a domain that were heard of since a time."""
        return [id_ for id_, row in self._rows.items() if row.domain == domain and row.heard > time]

    async def list(self, domain: str | None, *, lease: float) -> Sequence[Node]:
        """The nodes of a domain, or of all domains, in the order in which they joined."""
        since = self._now() - timedelta(seconds=lease)
        return [
            Node(node, row.offers, str(row.session), row.heard > since, not row.present, row.domain)
            for node, row in self._rows.items()
            if domain is None or row.domain == domain
        ]
