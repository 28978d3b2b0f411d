"""A node whose way to the database fails its handlers rests, so that others run them."""

import asyncio
from collections.abc import Collection
from typing import Final

from chekov.engine.subscriptions.subscription import Subscription
from chekov.errors import StoreError
from chekov.store.port import ReadModels

_PROBE_SECONDS: Final = 5.0


class Rest:
    """Begins when a subscription has failed for a lease because of the database.

    Claims may be renewed all the while: over other connections than those that handlers use. It
    ends after a lease, as soon as the database answers on one of theirs.

    Attributes:
        reason: why the node rests; empty when it does not.

    Args:
        read_models: lend the connections; `None` if handlers have none.
        lease: seconds.
    """

    def __init__(self, read_models: ReadModels | None, lease: float) -> None:
        self._read_models = read_models
        self._lease = lease
        self._began = 0.0
        self.reason = ""

    async def look(self, subscriptions: Collection[Subscription], *, alone: bool) -> None:
        """Begin or end a rest; a node that is alone goes on, since nobody else does its work."""
        now = asyncio.get_running_loop().time()
        if alone:
            self.reason = ""
        elif not self.reason:
            reasons = (item.trouble_since(now - self._lease) for item in subscriptions)
            self.reason = next(filter(None, reasons), "")
            self._began = now
        elif now - self._began >= self._lease and await self._answers():
            self.reason = ""

    async def _answers(self) -> bool:
        if self._read_models is None:
            return True
        try:
            async with (
                asyncio.timeout(_PROBE_SECONDS),
                self._read_models.read_connection() as connection,
            ):
                await connection.fetchval("select 1")
        except (StoreError, TimeoutError):
            return False
        return True
