"""Reading one's own writes: waiting until handlers, wherever they run, have passed a position."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from chekov.engine.subscription import Subscription
from chekov.errors import ConsistencyTimeout
from chekov.store.port import SubscriptionStore

_LOOK_SECONDS = 0.025


class Consistency:
    """Waits by what this process runs itself, and by the store's checkpoints for the rest."""

    def __init__(
        self, domain: str, store: SubscriptionStore, subscriptions: Mapping[str, Subscription]
    ) -> None:
        self._domain = domain
        self._store = store
        self._subscriptions = subscriptions
        self._look: asyncio.Future[Mapping[str, int]] | None = None

    async def wait(self, position: int, names: Collection[str] | None, timeout: float) -> None:
        """Return when every named subscription, by default each one, is at `position` or above.

        Raises:
            ConsistencyTimeout: `timeout` seconds passed before.
            KeyError: the domain has no subscription of a name.
        """
        waiting = {name: self._subscriptions[name] for name in names or self._subscriptions}
        try:
            async with asyncio.timeout(timeout):
                for name in tuple(waiting):
                    await self._one(waiting[name], position)
                    del waiting[name]
        except TimeoutError:
            raise ConsistencyTimeout(position, tuple(waiting)) from None

    async def _one(self, subscription: Subscription, position: int) -> None:
        while subscription.position < position:
            if subscription.claim is not None:
                try:
                    async with asyncio.timeout(_LOOK_SECONDS * 8):
                        await subscription.moved(position)
                except TimeoutError:
                    continue  # it may have been lost meanwhile
                return
            if (await self._checkpoints()).get(subscription.key.name, 0) >= position:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _checkpoints(self) -> Mapping[str, int]:
        """One look at the store serves everyone who asks while it is under way."""
        if self._look is None:
            self._look = asyncio.get_running_loop().create_future()
            try:
                rows = await self._store.subscriptions(self._domain)
            except BaseException:
                look, self._look = self._look, None
                look.cancel()
                raise
            look, self._look = self._look, None
            versions = {item.key.name: item.key.version for item in self._subscriptions.values()}
            found = {
                row.key.name: row.position
                for row in rows
                if versions.get(row.key.name) == row.key.version
            }
            look.set_result(found)
            return found
        try:
            return await asyncio.shield(self._look)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return {}


def subscription_names(consistency: str | Sequence[str]) -> Sequence[str] | None:
    """Whom a dispatch waits for: nobody is an empty collection, `None` is everyone."""
    if consistency == "eventual":
        return ()
    return None if consistency == "strong" else tuple(consistency)
