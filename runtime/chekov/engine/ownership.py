"""Which subscriptions this process runs: one statement renews what it has and takes the free."""

import asyncio
import logging
from collections.abc import Mapping

from chekov.engine.subscription import Subscription
from chekov.errors import StoreUnavailable
from chekov.store.port import SubscriptionKey, SubscriptionStore

_log = logging.getLogger(__name__)


class Ownership:
    """Claims subscriptions for one process, and gives them up.

    A claim is worth `lease` seconds. It is renewed three times in that time; a process that could
    not renew for a whole lease stops delivering by itself, before another one may start.
    """

    def __init__(
        self,
        store: SubscriptionStore,
        subscriptions: Mapping[SubscriptionKey, Subscription],
        *,
        owner: str,
        lease: float,
    ) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._owner = owner
        self._lease = lease
        self._renewed = 0.0

    async def run(self) -> None:
        """Renew and claim until cancelled."""
        clock = asyncio.get_running_loop().time
        seen = 0
        while True:
            started = clock()
            try:
                await self._claim()
                self._renewed = started
            except StoreUnavailable as error:
                _log.warning("claims were not renewed", extra={"error": str(error)})
                if clock() - self._renewed > self._lease:
                    self._lose_all()
            seen = await self._store.freed(seen, self._lease / 3)

    async def release(self) -> None:
        """Give up everything, so that others need not wait for the lease."""
        await self._store.release(self._owner, self._subscriptions.keys())
        self._lose_all()

    async def _claim(self) -> None:
        claims = await self._store.claim(self._owner, self._subscriptions.keys(), lease=self._lease)
        held = {claim.key: claim for claim in claims}
        for key, subscription in self._subscriptions.items():
            if key in held:
                subscription.take(held[key])
            elif subscription.claim is not None:
                subscription.lose()

    def _lose_all(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.lose()
