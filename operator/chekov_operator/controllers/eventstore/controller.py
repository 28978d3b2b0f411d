"""The controller of EventStores: reads the DSN and the database, and plans the migration."""

import time
from dataclasses import replace

from chekov_operator.api.event_store import Store, parse_store
from chekov_operator.api.fault import Fault
from chekov_operator.controllers.controller import Children, Planned
from chekov_operator.controllers.eventstore.observed import ObservedStore, jobs_in
from chekov_operator.controllers.eventstore.plan import plan_store
from chekov_operator.controllers.plan import Plan
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.kinds import STORE, Key, Kind
from chekov_operator.kube.objects import Object
from chekov_operator.settings import Settings
from chekov_operator.stores.databases import Databases
from chekov_operator.stores.dsn import addresses_of, shown


class EventStoreController:
    def __init__(self, cache: Cache, databases: Databases, settings: Settings) -> None:
        self._cache = cache
        self._databases = databases
        self._settings = settings

    @property
    def kind(self) -> Kind:
        return STORE

    async def plan(self, key: Key, body: Object) -> Planned:
        store = parse_store(body)
        children = self._cache.children(key)
        observed = replace(
            await self._read_database(store),
            jobs=jobs_in(children),
            pods=self._cache.pods(key),
            now=time.time(),
        )

        def replan(children: Children) -> Plan:
            return plan_store(store, replace(observed, jobs=jobs_in(children)), self._settings)

        return Planned(plan_store(store, observed, self._settings), children, replan)

    def forget(self, key: Key) -> None:
        self._databases.forget(key)

    async def _read_database(self, store: Store) -> ObservedStore:
        dsn = await self._databases.dsn(store.meta.namespace, store.secret)
        if isinstance(dsn, Fault):
            return ObservedStore(dsn_fault=dsn)
        host = shown(addresses_of(dsn))
        state = await self._databases.status(store, dsn)
        if isinstance(state, Fault):
            return ObservedStore(unreachable=state, host=host)
        return ObservedStore(state=state, host=host)
