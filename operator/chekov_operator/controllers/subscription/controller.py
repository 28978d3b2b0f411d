"""The controller of Subscriptions: pauses and resumes in the store, and reports the progress."""

import logging
from dataclasses import replace

from chekov.errors import StoreError
from chekov_operator.api.event_store import Store, parse_store
from chekov_operator.api.fault import Fault
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.api.subscription import Subscription, parse_subscription
from chekov_operator.controllers.controller import Planned, childless
from chekov_operator.controllers.plan import Plan
from chekov_operator.controllers.progress_limiter import ProgressLimiter
from chekov_operator.controllers.subscription.observed import (
    Change,
    ObservedSubscription,
    observed_in,
)
from chekov_operator.controllers.subscription.plan import plan_subscription, wanted_change
from chekov_operator.controllers.subscription.progress import is_mere_progress
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.kinds import STORE, SUBSCRIPTION, Key, Kind
from chekov_operator.kube.objects import Object, nested
from chekov_operator.stores.databases import Databases, NoDsn

_log = logging.getLogger(__name__)


class SubscriptionController:
    """Carries out what the spec asks for in the store, which all pods follow."""

    def __init__(
        self, cache: Cache, databases: Databases, limiter: ProgressLimiter | None = None
    ) -> None:
        self._cache = cache
        self._databases = databases
        self._limiter = limiter or ProgressLimiter()

    @property
    def kind(self) -> Kind:
        return SUBSCRIPTION

    async def plan(self, key: Key, body: Object) -> Planned:
        wanted = parse_subscription(body)
        status: Object = nested(body, "status") or {}
        reading = self._databases.last_reading(Key(STORE.name, key.namespace, wanted.store))
        observed = observed_in(reading, wanted, status)
        change = wanted_change(wanted, observed)
        if change is not None:
            observed = await self._carry_out(change, key, wanted, observed)
        plan = plan_subscription(wanted, observed)
        if is_mere_progress(status, plan) and (wait := self._limiter.wait(key)):
            plan = Plan(keep_status=True, requeue_after=wait)
        return childless(plan)

    def forget(self, key: Key) -> None:
        self._limiter.forget(key)

    async def _carry_out(
        self, change: Change, key: Key, wanted: Subscription, observed: ObservedSubscription
    ) -> ObservedSubscription:
        """Change the store; what was observed holds until the store has been read again."""
        try:
            async with self._databases.opened(self._store(key, wanted)) as store:
                if change == "pause":
                    await store.subscriptions.pause(wanted.domain, wanted.handler, by=wanted.actor)
                else:
                    await store.subscriptions.resume(wanted.domain, wanted.handler)
        except (StoreError, NoDsn, InvalidSpec) as error:
            return replace(observed, fault=Fault("StoreUnreachable", str(error)))
        _log.info("a subscription was changed", extra={"key": str(key), "change": change})
        return replace(observed, carried_out=change)

    def _store(self, key: Key, wanted: Subscription) -> Store:
        return parse_store(self._cache.get(STORE, key.namespace, wanted.store) or {})
