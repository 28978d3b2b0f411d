"""The controller of EventStores: has the database polled, and plans the migration."""

import time
from dataclasses import replace

from chekov_operator.api.event_store import parse_store
from chekov_operator.controllers.controller import Planned
from chekov_operator.controllers.eventstore.observed import ObservedStore, jobs_in
from chekov_operator.controllers.eventstore.plan import plan_store
from chekov_operator.controllers.plan import Plan
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.kinds import SECRET, STORE, Key, Kind
from chekov_operator.kube.objects import Children, Object
from chekov_operator.kube.referenced_objects import ReferencedObjects
from chekov_operator.settings import Settings
from chekov_operator.stores.databases import Databases


class EventStoreController:
    def __init__(
        self,
        cache: Cache,
        databases: Databases,
        referenced: ReferencedObjects,
        settings: Settings,
    ) -> None:
        self._cache = cache
        self._databases = databases
        self._referenced = referenced
        self._settings = settings

    @property
    def kind(self) -> Kind:
        return STORE

    async def plan(self, key: Key, body: Object) -> Planned:
        store = parse_store(body)
        # From now on a change of the Secret is reported.
        await self._referenced.get(key, SECRET, store.secret.name)
        children = self._cache.children(key)
        reading = self._databases.reading(store)
        observed = ObservedStore(
            reading=reading,
            jobs=jobs_in(children),
            pods=self._cache.pods(key),
            now=time.time(),
        )

        def replan(children: Children) -> Plan:
            return plan_store(store, replace(observed, jobs=jobs_in(children)), self._settings)

        plan = plan_store(store, observed, self._settings)
        if plan.read_store_soon:
            self._databases.hurry(key)
        return Planned(plan, children, replan)

    def forget(self, key: Key) -> None:
        self._databases.forget(key)
        self._referenced.forget(key)
