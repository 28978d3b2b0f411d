"""Which subscriptions this process runs: one statement renews its claims and takes free ones."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from chekov.engine.subscriptions.subscription import Subscription
from chekov.errors import StoreError, StoreUnavailable
from chekov.store.port import Store, SubscriptionKey

_LEARN_EVERY: Final = 10
"""Rounds after which the rows are read although this process owns everything."""

_RELEASE_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class LeaseKeeper:
    """Claims subscriptions for one process, and gives them up.

    A claim holds for `lease` seconds, counted from before the store was asked, and is renewed three
    times in that time. A subscription whose claim could not be renewed stops by itself before
    another process may start it.
    """

    def __init__(
        self,
        store: Store,
        subscriptions: Mapping[SubscriptionKey, Subscription],
        *,
        domain: str,
        owner: str,
        lease: float,
    ) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._domain = domain
        self._owner = owner
        self._lease = lease
        self._rounds = 0
        self._released = False

    async def run(self) -> None:
        """Renew and claim until cancelled."""
        seen = 0
        while True:
            try:
                # A later answer is useless: the lease may have run out meanwhile.
                async with asyncio.timeout(self._lease):
                    await self._claim()
                    for subscription in self._subscriptions.values():
                        await subscription.save()
            except (StoreUnavailable, TimeoutError) as error:
                _log.warning("claims were not renewed", extra={"error": str(error)})
            seen = await self._store.subscriptions.freed(seen, self._lease / 3)

    async def release(self) -> None:
        """Give up everything, so that others need not wait; to be called when `run` has ended."""
        if self._released or not self._subscriptions:
            return
        with suppress(StoreError, TimeoutError):  # then the leases run out
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._store.subscriptions.release(self._owner, self._subscriptions.keys())
            self._released = True
        for subscription in self._subscriptions.values():
            subscription.lose()

    async def _claim(self) -> None:
        asked_at = asyncio.get_running_loop().time()
        keys = self._subscriptions.keys()
        claims = await self._store.subscriptions.claim(self._owner, keys, lease=self._lease)
        held = {claim.key: claim for claim in claims}
        owned = {key for key, item in self._subscriptions.items() if item.owned}
        for key, subscription in self._subscriptions.items():
            if key in held:
                subscription.take(held[key], asked_at=asked_at, lease=self._lease)
            else:
                subscription.lose()
        self._rounds += 1
        if held.keys() != owned or held.keys() != self._subscriptions.keys() or self._due():
            await self._learn()

    def _due(self) -> bool:
        return self._rounds % _LEARN_EVERY == 0

    async def _learn(self) -> None:
        for row in await self._store.subscriptions.list(self._domain):
            if row.key in self._subscriptions:
                self._subscriptions[row.key].learn(row)
