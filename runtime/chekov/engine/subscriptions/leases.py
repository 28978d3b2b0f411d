"""Which subscriptions this process runs: one statement renews its claims and takes free ones."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final

from chekov.engine.subscriptions.subscription import Subscription
from chekov.errors import StoreError
from chekov.store.port import Store, SubscriptionKey

_LEARN_EVERY: Final = 10
"""Rounds after which the rows are read although this process owns everything."""

_SKIPPED_SECONDS: Final = 0.1
"""After which a claim is renewed that the store passed over."""

_RELEASE_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class LeaseKeeper:
    """Claims subscriptions for one process, and gives them up.

    A claim holds for `lease` seconds, counted from before the store was asked, and is renewed three
    times in that time. A subscription whose claim could not be renewed stops by itself before
    another process may start it.

    Attributes:
        trouble: why claims were not renewed the last time; empty when they were.
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
        self.trouble = ""
        self._rounds = 0
        self._released = False

    async def run(self) -> None:
        """Renew and claim until cancelled."""
        seen = 0
        while True:
            pause = self._lease / 3
            try:
                # A later answer is useless: the lease may have run out meanwhile.
                async with asyncio.timeout(self._lease):
                    if not await self._claim():
                        pause = min(pause, _SKIPPED_SECONDS)
                    await asyncio.gather(*(item.save() for item in self._subscriptions.values()))
                self.trouble = ""
            except (StoreError, TimeoutError) as error:
                # Commands need no claims, so no error of the database may end the process.
                text = self.trouble = str(error) or f"no answer within {self._lease:g} s"
                _log.warning(
                    "claims were not renewed",
                    extra={"domain": self._domain, "owner": self._owner, "error": text},
                )
            seen = await self._store.wait("subscriptions", seen, pause)

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

    async def _claim(self) -> bool:
        """Claim once; return whether every claim that is held was renewed."""
        asked_at = asyncio.get_running_loop().time()
        keys = tuple(self._subscriptions)
        claims = await self._store.subscriptions.claim(self._owner, keys, lease=self._lease)
        # A generation may have ended, or begun, meanwhile.
        held = {claim.key: claim for claim in claims if claim.key in self._subscriptions}
        owned = {key for key, item in self._subscriptions.items() if item.owned}
        for key, claim in held.items():
            self._subscriptions[key].take(claim, asked_at=asked_at, lease=self._lease)
        self._rounds += 1
        if held.keys() == owned == set(keys) and self._rounds % _LEARN_EVERY:
            return True
        return await self._learn(owned - held.keys())

    async def _learn(self, missing: Collection[SubscriptionKey]) -> bool:
        """Read the rows, and give up what is `missing` among the claims, unless it is held still.

        The store passes over a row that is being written, also by its owner, who is saving a
        checkpoint. Return whether there was no such row.
        """
        skipped = False
        rows = {row.key: row for row in await self._store.subscriptions.list(self._domain)}
        for key, subscription in self._subscriptions.items():
            row = rows.get(key)
            if key in missing:
                if row is not None and subscription.holds(row):
                    skipped = True
                else:
                    subscription.lose()
            if row is not None:
                subscription.learn(row)
        # The floor under notifications, should their connection not come about.
        self._store.tail.heard(await self._store.head())
        return not skipped
