"""The controller of EventStores: has the database polled, and plans the migration."""

import time
from dataclasses import replace

from chekov_operator.api.event_store import parse_store
from chekov_operator.children.job_outcome import uids_to_explain
from chekov_operator.controllers.controller import Planned
from chekov_operator.controllers.eventstore.observed import ObservedStore, jobs_in, policies_in
from chekov_operator.controllers.eventstore.plan import plan_store
from chekov_operator.controllers.plan import Plan
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.events import warnings_about
from chekov_operator.kube.kinds import SECRET, STORE, Key, Kind
from chekov_operator.kube.objects import Children, Object, nested
from chekov_operator.kube.referenced_objects import ReferencedObjects
from chekov_operator.settings import Settings
from chekov_operator.stores.databases import Databases


class EventStoreController:
    def __init__(
        self,
        client: Client,
        cache: Cache,
        databases: Databases,
        referenced: ReferencedObjects,
        settings: Settings,
    ) -> None:
        self._client = client
        self._cache = cache
        self._databases = databases
        self._referenced = referenced
        self._settings = settings

    @property
    def kind(self) -> Kind:
        return STORE

    async def plan(self, key: Key, body: Object) -> Planned:
        store = parse_store(body)
        # From now on a change of a Secret is reported.
        for secret in store.secrets:
            await self._referenced.get(key, SECRET, secret.name)
        self._referenced.retain(key, [(SECRET.name, secret.name) for secret in store.secrets])
        children = self._cache.children(key)
        reading = self._databases.reading(store)
        jobs, pods, now = jobs_in(children), self._cache.pods(key), time.time()
        observed = ObservedStore(
            reading=reading,
            known_events=int(nested(body, "status", "position") or 0),
            jobs=jobs,
            policies=policies_in(children),
            pods=pods,
            warnings=await warnings_about(
                self._client, key.namespace, uids_to_explain(jobs.values(), pods, now)
            ),
            needed=self._databases.needed(key),
            now=now,
        )

        def replan(children: Children) -> Plan:
            after = replace(observed, jobs=jobs_in(children), policies=policies_in(children))
            return plan_store(store, after, self._settings)

        plan = plan_store(store, observed, self._settings)
        if plan.read_store_soon:
            self._databases.hurry(key)
        return Planned(plan, children, replan)

    def forget(self, key: Key) -> None:
        self._databases.forget(key)
        self._referenced.forget(key)
