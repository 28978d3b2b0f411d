"""Reading one's own writes: waiting until handlers, wherever they run, have passed a position."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final

from chekov.engine.subscriptions.subscription import Subscription, current_subscription
from chekov.errors import ConsistencyTimeout, StoreUnavailable
from chekov.store.port import SubscriptionKey, Subscriptions

_LOOK_SECONDS: Final = 0.025


class Consistency:
    """Waits by what this process runs itself, and by the store's checkpoints for the rest.

    A handler that waits is not waited for.
    """

    def __init__(
        self,
        store: Subscriptions,
        keys: Collection[SubscriptionKey],
        subscriptions: Mapping[SubscriptionKey, Subscription],
    ) -> None:
        self._store = store
        self._keys = {key.name: key for key in keys}
        self._subscriptions = subscriptions
        self._look: asyncio.Future[None] | None = None
        self._checkpoints: Mapping[SubscriptionKey, int] = {}
        self._waiting = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def check(self, names: Collection[str] | None) -> None:
        """Refuse what could never be waited for.

        Raises:
            KeyError: the domain has no subscription of a name.
        """
        for name in names or ():
            if name not in self._keys:
                raise KeyError(f"there is no subscription {name!r}")

    async def wait(self, position: int, names: Collection[str] | None, timeout: float) -> None:
        """Return when every named subscription, by default each one, is at `position` or above.

        Raises:
            ConsistencyTimeout: `timeout` seconds passed before.
            KeyError: the domain has no subscription of a name.
        """
        self.check(names)
        behind = dict.fromkeys(self._keys if names is None else names)
        own = current_subscription.get()
        if own is not None and own == self._keys.get(own.name):
            behind.pop(own.name, None)
        self._waiting += 1
        self._idle.clear()
        try:
            async with asyncio.timeout(timeout):
                for name in tuple(behind):
                    await self._one(self._keys[name], position)
                    del behind[name]
        except TimeoutError:
            raise ConsistencyTimeout(position, tuple(behind)) from None
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._idle.set()

    async def drain(self) -> None:
        """Return when nobody waits any more."""
        await self._idle.wait()

    async def _one(self, key: SubscriptionKey, position: int) -> None:
        here = self._subscriptions.get(key)
        while not (here is not None and await here.reached(position)):
            with suppress(StoreUnavailable):
                await self._refresh()
            if self._checkpoints.get(key, 0) >= position:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _refresh(self) -> None:
        """Look into the store; one look serves everyone who asks while it is under way."""
        if self._look is not None:
            await asyncio.wait([self._look])
            return
        self._look = asyncio.get_running_loop().create_future()
        try:
            rows = await self._store.list(next(iter(self._keys.values())).domain)
            self._checkpoints = {row.key: row.position for row in rows}
        finally:
            self._look.cancel()
            self._look = None


def subscription_names(consistency: str | Collection[str]) -> Collection[str] | None:
    """Whom a dispatch waits for: nobody is an empty collection, `None` is everyone."""
    if consistency == "eventual":
        return ()
    return None if consistency == "strong" else consistency
