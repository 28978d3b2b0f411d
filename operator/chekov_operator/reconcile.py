"""One pass over one object: look, plan, apply, tell."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from chekov_operator.api import InvalidSpec, parse_bundle, parse_meta, parse_store
from chekov_operator.apply import Applier
from chekov_operator.client import ApiError, ApiUnavailable, Client
from chekov_operator.conditions import Condition, false, rendered, true
from chekov_operator.metrics import Metrics
from chekov_operator.observe import Observer
from chekov_operator.plan import Plan
from chekov_operator.plan_bundle import plan_bundle
from chekov_operator.plan_store import plan_store
from chekov_operator.queue import Queue
from chekov_operator.recorder import Recorder
from chekov_operator.resources import BUNDLE, JOB, STORE, Key, Kind, Object
from chekov_operator.settings import Settings

_log = logging.getLogger(__name__)


class Reconciler:
    """Makes one object as its spec says, and its status as it is."""

    def __init__(
        self, client: Client, queue: Queue, metrics: Metrics, recorder: Recorder, settings: Settings
    ) -> None:
        self._client = client
        self._queue = queue
        self._metrics = metrics
        self._recorder = recorder
        self._settings = settings
        self._observer = Observer(client)
        self._applier = Applier(client)

    async def __call__(self, key: Key) -> None:
        """Reconcile `key`; a failure is logged, counted, and tried again later."""
        started = time.perf_counter()
        try:
            again = await self._reconcile(key)
        except (ApiError, ApiUnavailable) as error:
            self._failed(key, error)
        except Exception as error:
            _log.exception("reconciling failed", extra={"key": str(key)})
            self._failed(key, error)
        else:
            self._queue.succeeded(key)
            self._metrics.reconciles.labels(key.kind, "done").inc()
            if again is not None:
                self._queue.add_later(key, again)
        finally:
            self._metrics.seconds.labels(key.kind).observe(time.perf_counter() - started)

    def _failed(self, key: Key, error: Exception) -> None:
        pause = self._queue.failed(key)
        self._metrics.reconciles.labels(key.kind, "failed").inc()
        about = {"key": str(key), "error": str(error), "again_in": round(pause, 1)}
        _log.warning("reconciling failed", extra=about)

    async def _reconcile(self, key: Key) -> float | None:
        kind = STORE if key.kind == STORE.name else BUNDLE
        body = await self._client.get(kind, key.namespace, key.name)
        if body is None or parse_meta(body).deleting:
            self._queue.forget(key)
            return None
        body = {"apiVersion": kind.api, "kind": kind.name, **body}
        try:
            plan, live = await self._planned(kind, body)
        except InvalidSpec as error:
            plan, live = _invalid(error), {}
        written = await self._applier.apply(plan.apply, live)
        await self._applier.delete(key.namespace, plan.delete)
        if written or plan.delete:
            deleted = [f"{child.name}/{name}" for child, name in plan.delete]
            _log.info("changed", extra={"key": str(key), "applied": written, "deleted": deleted})
        await self._tell(kind, body, plan)
        return plan.again

    async def _planned(
        self, kind: Kind, body: Object
    ) -> tuple[Plan, Mapping[tuple[str, str], Object]]:
        if kind is STORE:
            store = parse_store(body)
            around = await self._observer.store(store)
            live = {(JOB.name, name): job for name, job in around.jobs.items()}
            return plan_store(store, around, self._settings), live
        bundle = parse_bundle(body)
        seen = await self._observer.bundle(bundle)
        return plan_bundle(bundle, seen, self._settings), seen.children

    async def _tell(self, kind: Kind, body: Object, plan: Plan) -> None:
        before: Mapping[str, Any] = body.get("status") or {}
        old: Sequence[Mapping[str, str]] = before.get("conditions") or ()
        meta = parse_meta(body)
        conditions = rendered(plan.conditions, old, meta.generation)
        status = {
            **plan.status,
            "observedGeneration": meta.generation,
            "conditions": conditions,
        }
        if status == before:
            return
        await self._client.apply_status(
            kind,
            {
                "apiVersion": kind.api,
                "kind": kind.name,
                "metadata": {"name": meta.name, "namespace": meta.namespace},
                "status": status,
            },
        )
        await self._record(body, plan.conditions, old)

    async def _record(
        self, body: Object, now: Sequence[Condition], before: Sequence[Mapping[str, str]]
    ) -> None:
        """Tell of readiness when its status or reason changes, and of nothing else."""
        was = {item["type"]: (item["status"], item["reason"]) for item in before}
        for item in now:
            if item.type == "Ready" and was.get("Ready") != (item.status, item.reason):
                troubled = any(other.type == "Degraded" and other.status == "True" for other in now)
                kind = "Warning" if item.status != "True" and troubled else "Normal"
                await self._recorder.record(body, kind, item.reason, item.message or item.reason)


def _invalid(error: InvalidSpec) -> Plan:
    return Plan(
        conditions=[
            false("Ready", "InvalidSpec", str(error)),
            true("Degraded", "InvalidSpec", str(error)),
        ]
    )
