"""The controller of Replays: begins each once in the store, and reports how far it is."""

import logging
import time
from dataclasses import replace

from chekov.errors import DefinitionError, StoreError
from chekov.store.port import GenerationRefused, RewindRefused
from chekov_operator.api.event_store import Store, parse_store
from chekov_operator.api.fault import Fault
from chekov_operator.api.replay import Replay, Retry, parse_replay
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.api.subscription import Subscription, parse_subscription
from chekov_operator.controllers.controller import Planned, childless
from chekov_operator.controllers.replay.observed import ObservedReplay, rows_and_generations
from chekov_operator.controllers.replay.plan import (
    awaited,
    has_begun,
    is_finished,
    plan_replay,
    refusal,
)
from chekov_operator.controllers.replay.work import NothingParked, carry_out
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import BUNDLE, REPLAY, STORE, SUBSCRIPTION, Key, Kind
from chekov_operator.kube.objects import Object, condition_of, nested
from chekov_operator.stores.databases import Databases, NoDsn
from chekov_operator.stores.poller import Reading

_REFUSALS = (NothingParked, RewindRefused, GenerationRefused, DefinitionError)
_AWAY = (StoreError, NoDsn, InvalidSpec)

_log = logging.getLogger(__name__)


class ReplayController:
    def __init__(self, client: Client, cache: Cache, databases: Databases) -> None:
        self._client = client
        self._cache = cache
        self._databases = databases
        # What has begun, or is about to, is in no status yet.
        self._begun: dict[Key, Key] = {}

    @property
    def kind(self) -> Kind:
        return REPLAY

    async def plan(self, key: Key, body: Object) -> Planned:
        replay = parse_replay(body)
        observed = self._observe(key, replay, body)
        if not is_finished(observed.status) and not replay.meta.paused:
            observed = await self._advance(key, replay, observed)
        plan = plan_replay(replay, observed)
        for kind, name in plan.delete:
            await self._client.delete(kind, key.namespace, name, uid=replay.meta.uid)
        if plan.read_store_soon and observed.target is not None:
            self._databases.hurry(_store_key(key, observed.target))
        return childless(replace(plan, delete=()))

    def forget(self, key: Key) -> None:
        for target in [target for target, begun in self._begun.items() if begun == key]:
            del self._begun[target]

    def _observe(self, key: Key, replay: Replay, body: Object) -> ObservedReplay:
        status: Object = nested(body, "status") or {}
        found = self._cache.get(SUBSCRIPTION, key.namespace, replay.subscription)
        observed = ObservedReplay(others=self._others(key, replay), status=status, now=time.time())
        if found is None:
            return observed
        target = parse_subscription(found)
        reading = self._databases.last_reading(_store_key(key, target))
        rows, generations = rows_and_generations(reading, target)
        fault = self._store_fault(key, target, reading)
        return replace(
            observed,
            target=target,
            bundle_fault=self._bundle_fault(key, target),
            rows=rows,
            generations=generations,
            unreachable=fault,
            is_read=reading is not None or fault is not None,
        )

    async def _advance(self, key: Key, replay: Replay, observed: ObservedReplay) -> ObservedReplay:
        """Do what the store needs to be asked for, or told, and add what it answers."""
        if observed.unreachable is not None or not observed.is_read:
            # The poller alone waits for a database that does not answer.
            return observed
        target, begun = observed.target, has_begun(observed.status)
        may_begin = (refusal(replay, observed) or awaited(replay, observed)) is None
        is_to_begin = not begun and may_begin
        if target is None or not (is_to_begin or isinstance(replay.work, Retry)):
            return observed
        if is_to_begin:
            self._begun[_target_key(key, replay)] = key
        try:
            observed = await self._changed(key, replay, target, observed, is_to_begin=is_to_begin)
        finally:
            if is_to_begin and observed.done is None:
                self.forget(key)
        return observed

    async def _changed(
        self,
        key: Key,
        replay: Replay,
        target: Subscription,
        observed: ObservedReplay,
        *,
        is_to_begin: bool,
    ) -> ObservedReplay:
        try:
            async with self._databases.opened(self._store(key, target)) as store:
                if is_to_begin:
                    done = await carry_out(store, replay, target)
                    _log.info("a replay has begun", extra={"key": str(key)})
                    observed = replace(observed, done=done)
                if isinstance(replay.work, Retry):
                    left = await store.subscriptions.still_parked(
                        target.domain, target.handler, replay.meta.uid
                    )
                    observed = replace(observed, still_parked=dict(left))
        except _REFUSALS as error:
            return replace(observed, refused=Fault(_reason(error), str(error)))
        except _AWAY as error:
            return replace(observed, unreachable=Fault("StoreUnreachable", str(error)))
        return observed

    def _others(self, key: Key, replay: Replay) -> list[str]:
        """The Replays of the same subscription that are under way."""
        begun = self._begun.get(_target_key(key, replay))
        return [
            name
            for body in self._cache.all(REPLAY, key.namespace)
            if nested(body, "spec", "subscriptionRef", "name") == replay.subscription
            and (name := str(body["metadata"]["name"])) != key.name
            and _is_under_way(
                nested(body, "status"), begun=begun is not None and begun.name == name
            )
        ]

    def _bundle_fault(self, key: Key, target: Subscription) -> str:
        ready = condition_of(self._cache.get(BUNDLE, key.namespace, target.bundle), "Ready")
        if ready.get("status") == "True":
            return ""
        why = ready.get("message") or "the operator has not looked at it yet"
        return f"the DomainBundle {target.bundle!r} is not ready: {why}"

    def _store_fault(self, key: Key, target: Subscription, reading: Reading | None) -> Fault | None:
        """Why the store cannot be read, if so."""
        if self._cache.find(_store_key(key, target)) is None:
            message = f"there is no EventStore {target.store!r} in the namespace {key.namespace!r}"
            return Fault("StoreUnreachable", message)
        return reading.progress_fault if reading else None

    def _store(self, key: Key, target: Subscription) -> Store:
        return parse_store(self._cache.get(STORE, key.namespace, target.store) or {})


def _store_key(key: Key, target: Subscription) -> Key:
    return Key(STORE.name, key.namespace, target.store)


def _target_key(key: Key, replay: Replay) -> Key:
    return Key(SUBSCRIPTION.name, key.namespace, replay.subscription)


def _is_under_way(status: Object | None, *, begun: bool) -> bool:
    return nested(status, "phase") == "Running" or (begun and not is_finished(status or {}))


def _reason(error: Exception) -> str:
    if isinstance(error, NothingParked):
        return "NothingParked"
    return "BeyondTheEnd" if isinstance(error, DefinitionError) else "Refused"
