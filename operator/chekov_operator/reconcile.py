"""One pass over one object: look, plan, apply, tell."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

from opentelemetry.trace import Tracer

from chekov.errors import ChekovError
from chekov_operator import tracing
from chekov_operator.api import InvalidSpec, parse_bundle, parse_meta, parse_store
from chekov_operator.apply import Applier, ChildRefused, NameTaken
from chekov_operator.client import ApiError, Client
from chekov_operator.conditions import Condition, false, rendered, true
from chekov_operator.metrics import Metrics
from chekov_operator.observe import Observer, jobs_in
from chekov_operator.observed import RETRY_SECONDS
from chekov_operator.plan import Plan
from chekov_operator.plan_bundle import plan_bundle
from chekov_operator.plan_store import plan_store
from chekov_operator.queue import Queue
from chekov_operator.recorder import Recorder
from chekov_operator.resources import BUNDLE, STORE, Key, Kind, Object, condition, dig, objects
from chekov_operator.settings import Settings
from chekov_operator.world import World

_GONE: Final = (404, 409)
_KEPT_WHEN_INVALID: Final = ("revision", "completedRevision")

_log = logging.getLogger(__name__)

Children: TypeAlias = Mapping[tuple[str, str], Object]
"""By kind and name."""


class _Planned(NamedTuple):
    """A plan, the children that it was made from, and how to make it from others."""

    plan: Plan
    live: Children
    again: Callable[[Children], Plan]


class Reconciler:
    """Makes one object as its spec says, and its status as it is."""

    def __init__(
        self,
        client: Client,
        world: World,
        queue: Queue,
        metrics: Metrics,
        observer: Observer,
        settings: Settings,
        tracer: Tracer = tracing.NO_TRACER,
    ) -> None:
        self._client = client
        self._world = world
        self._queue = queue
        self._metrics = metrics
        self._recorder = Recorder(client, settings.name)
        self._settings = settings
        self._tracer = tracer
        self._observer = observer
        self._applier = Applier(client, world)

    async def __call__(self, key: Key) -> None:
        """Reconcile `key`; a failure is logged, counted, and tried again later."""
        started = time.perf_counter()
        with tracing.reconciling(self._tracer, key) as span:
            try:
                again = await self._reconcile(key)
            except ChekovError as error:
                tracing.failed(span, error)
                self._failed(key, error)
            except Exception as error:  # noqa: BLE001 one object must not stop the others
                tracing.failed(span, error)
                _log.exception("a fault of the operator's own", extra={"key": str(key)})
                self._failed(key, error)
            else:
                self._queue.succeeded(key)
                self._metrics.reconciles.labels(key.kind, "done").inc()
                if again is not None:
                    self._queue.add_later(key, again)
        self._metrics.seconds.labels(key.kind).observe(time.perf_counter() - started)

    def _failed(self, key: Key, error: Exception) -> None:
        pause = self._queue.failed(key)
        self._metrics.reconciles.labels(key.kind, "failed").inc()
        about = {"key": str(key), "error": str(error), "again_in": round(pause, 1)}
        _log.warning("reconciling failed", extra=about)

    async def _reconcile(self, key: Key) -> float | None:
        kind = STORE if key.kind == STORE.name else BUNDLE
        body = self._world.get(kind, key.namespace, key.name)
        if body is None or parse_meta(body).deleting:
            self._queue.forget(key)
            self._observer.forget(key)
            self._metrics.gone(key)
            return None
        try:
            planned = await self._planned(key, kind, body)
        except InvalidSpec as error:
            plan = _invalid(error, body)
        else:
            plan = await self._carried_out(key, planned)
        await self._tell(kind, body, plan)
        self._metrics.told(key, {item.type: item.status for item in plan.conditions}.get("Ready"))
        return plan.again or RETRY_SECONDS

    async def _planned(self, key: Key, kind: Kind, body: Object) -> "_Planned":
        if kind is STORE:
            store = parse_store(body)
            around = await self._observer.store(store)
            live = self._world.children(key)

            def replanned(children: Children) -> Plan:
                now = replace(around, jobs=jobs_in(children))
                return plan_store(store, now, self._settings)

            return _Planned(plan_store(store, around, self._settings), live, replanned)
        bundle = parse_bundle(body)
        seen = await self._observer.bundle(bundle, body)

        def replanned_bundle(children: Children) -> Plan:
            return plan_bundle(bundle, replace(seen, children=children), self._settings)

        return _Planned(plan_bundle(bundle, seen, self._settings), seen.children, replanned_bundle)

    async def _carried_out(self, key: Key, planned: "_Planned") -> Plan:
        """Do what is planned. What only the user can put right is told instead of raised.

        Returns:
            The plan whose status is true of what is there now: a Deployment that was just changed
            is not rolled out, whatever was true of it before.
        """
        plan = planned.plan
        await self._applier.delete(key.namespace, plan.delete)
        try:
            written = await self._applier.apply(plan.apply, planned.live)
        except (NameTaken, ChildRefused) as trouble:
            return _in_trouble(plan, trouble)
        if written or plan.delete:
            deleted = [f"{child.name}/{name}" for child, name in plan.delete]
            _log.info("changed", extra={"key": str(key), "applied": written, "deleted": deleted})
        return planned.again(self._world.children(key)) if written else plan

    async def _tell(self, kind: Kind, body: Object, plan: Plan) -> None:
        meta = parse_meta(body)
        old = objects(body, "status", "conditions")
        status = _status(body, plan, meta.generation, old)
        if status == dig(body, "status"):
            return
        told: Object = {
            "apiVersion": kind.api,
            "kind": kind.name,
            # With the uid, a status never reaches another object that took the name.
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "status": status,
        }
        try:
            after = await self._client.apply_status(kind, told)
        except ApiError as error:
            if error.status in _GONE:
                return
            raise
        self._world.put(kind, after)
        await self._record(body, plan.conditions)

    async def _record(self, body: Object, now: Sequence[Condition]) -> None:
        """Tell of readiness when its status or reason changes, and of nothing else."""
        was = condition(body, "Ready")
        for item in now:
            changed = (was.get("status"), was.get("reason")) != (item.status, item.reason)
            if item.type == "Ready" and changed:
                kind = "Warning" if _in_need(item, now) else "Normal"
                await self._recorder.record(body, kind, item.reason, item.message or item.reason)


def _in_need(ready: Condition, told: Sequence[Condition]) -> bool:
    """Whether somebody should look. A store says nothing but that, unless it is under way."""
    degraded = {item.status for item in told if item.type == "Degraded"}
    troubled = "True" in degraded or not (degraded or ready.reason == "Migrating")
    return ready.status != "True" and troubled


def _status(body: Object, plan: Plan, generation: int, old: Sequence[Object]) -> Object:
    if not plan.keep:
        conditions = rendered(plan.conditions, old, generation)
        return {**plan.status, "observedGeneration": generation, "conditions": conditions}
    said = {item.type for item in plan.conditions}
    others = [item for item in old if item["type"] not in said]
    conditions = sorted(
        [*others, *rendered(plan.conditions, old, generation)], key=lambda item: item["type"]
    )
    return {**(dig(body, "status") or {}), "conditions": conditions}


def _invalid(error: InvalidSpec, body: Object) -> Plan:
    # What runs goes on, and must be found again when the spec is valid.
    kept = {
        name: value
        for name in _KEPT_WHEN_INVALID
        if (value := dig(body, "status", name)) is not None
    }
    return Plan(
        status=kept,
        conditions=[
            false("Ready", "InvalidSpec", str(error)),
            true("Degraded", "InvalidSpec", str(error)),
        ],
    )


def _in_trouble(plan: Plan, trouble: ChekovError) -> Plan:
    reason, message = type(trouble).__name__, str(trouble)
    told = {item.type: item for item in plan.conditions}
    told["Ready"] = false("Ready", reason, message)
    told["Degraded"] = true("Degraded", reason, message)
    status = {**plan.status, "phase": "Degraded"} if "phase" in plan.status else plan.status
    return replace(plan, status=status, conditions=list(told.values()), again=RETRY_SECONDS)
