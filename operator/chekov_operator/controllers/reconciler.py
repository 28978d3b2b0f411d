"""Reconciling one object: observe, plan, apply, write the status."""

import logging
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from opentelemetry.trace import Tracer

from chekov.errors import ChekovError
from chekov_operator import tracing
from chekov_operator.api.conditions import false, true
from chekov_operator.api.fault import RETRY_SECONDS
from chekov_operator.api.spec import InvalidSpec, parse_meta
from chekov_operator.controllers.controller import Controller, Planned
from chekov_operator.controllers.plan import Plan
from chekov_operator.controllers.status_writer import StatusWriter
from chekov_operator.kube.apply import Applier, ChildRefused, FieldContested, NameTaken
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import Key
from chekov_operator.kube.objects import Object, nested, nested_list
from chekov_operator.kube.work_queue import WorkQueue
from chekov_operator.metrics import Metrics

_SHORTEST_PAUSE: Final = 0.5
_OF_THE_SPEC: Final = ("conditions", "observedGeneration")

_log = logging.getLogger(__name__)


class Reconciler:
    """Makes each object as its spec says, and its status as the object is."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        queue: WorkQueue,
        metrics: Metrics,
        controllers: Iterable[Controller],
        *,
        instance: str,
        tracer: Tracer = tracing.NO_TRACER,
    ) -> None:
        self._client = client
        self._cache = cache
        self._queue = queue
        self._metrics = metrics
        self._controllers = {controller.kind.name: controller for controller in controllers}
        self._tracer = tracer
        self._applier = Applier(client, cache)
        self._status_writer = StatusWriter(client, cache, instance)
        # Those whose status the last pass left out.
        self._unsaid = set[Key]()

    async def __call__(self, key: Key) -> None:
        """Reconcile `key`. A failure is logged, counted, and retried later."""
        started = time.perf_counter()
        with tracing.reconciling(self._tracer, key) as span:
            try:
                requeue_after = await self._reconcile(key)
            except ChekovError as error:
                tracing.set_error(span, error)
                self._retry(key, error)
            except Exception as error:  # noqa: BLE001 one object must not stop the others
                tracing.set_error(span, error)
                _log.exception("unexpected error", extra={"key": str(key)})
                self._retry(key, error)
            else:
                self._queue.reset_backoff(key)
                self._metrics.reconciles.labels(key.kind, "done").inc()
                if requeue_after is not None:
                    self._queue.add_after(key, requeue_after)
        self._metrics.seconds.labels(key.kind).observe(time.perf_counter() - started)

    def _retry(self, key: Key, error: Exception) -> None:
        pause = self._queue.retry(key)
        self._metrics.reconciles.labels(key.kind, "failed").inc()
        details = {"key": str(key), "error": str(error), "retry_in": round(pause, 1)}
        _log.warning("reconciling failed", extra=details)

    async def _reconcile(self, key: Key) -> float | None:
        """Reconcile `key`; return the seconds after which to do that again."""
        controller = self._controllers[key.kind]
        body = self._cache.find(key)
        if body is None or parse_meta(body).deleting:
            self._queue.forget(key)
            controller.forget(key)
            self._applier.forget(key)
            self._metrics.forget(key)
            self._unsaid.discard(key)
            return None
        try:
            planned = await controller.plan(key, body)
        except InvalidSpec as error:
            plan = _invalid(error, body)
        except ChekovError:
            raise
        except Exception as error:
            # Whatever is odd about an object, its status says that it is not taken care of.
            await self._status_writer.write(controller.kind, body, _failed(error, body))
            raise
        else:
            carried_out = await self._carry_out(key, body, planned)
            if carried_out is None:
                self._unsaid.add(key)
                return _pause(planned.plan)
            plan = carried_out
            await self._status_writer.write_children(key.namespace, plan)
        after = await self._status_writer.write(controller.kind, body, plan)
        self._unsaid.discard(key)
        self._metrics.set_conditions(key, _conditions_in(after))
        return _pause(plan)

    async def _carry_out(self, key: Key, body: Object, planned: Planned) -> Plan | None:
        """Apply and delete children; a refusal that the user has to resolve becomes a condition.

        Returns:
            The plan whose status is to be written. If something was applied, it is made from the
            children after that: a Deployment that was just changed is not rolled out yet. `None`
            if the status may wait for the next pass, which watches cause when they deliver what was
            applied.
        """
        plan = planned.plan
        await self._applier.delete(key.namespace, plan.delete, planned.children)
        try:
            applied = await self._applier.apply(key, plan.apply, planned.children)
            if plan.is_partial:
                children = self._cache.children(key)
                applied += await self._applier.apply(key, planned.replan(children).apply, children)
        except (NameTaken, ChildRefused) as error:
            return _refused(plan, error)
        except FieldContested as error:
            return _contested(planned.again(self._cache.children(key)), error)
        if plan.scale_to is not None:
            await self._scale(key, plan.scale_to)
        if applied or plan.delete:
            deleted = [f"{kind.name}/{name}" for kind, name in plan.delete]
            _log.info("changed", extra={"key": str(key), "applied": applied, "deleted": deleted})
        if not applied:
            return plan
        # Once only: where something undoes what is applied, no pass has nothing left to apply.
        is_first = key not in self._unsaid
        if plan.is_interim and is_first and not self._status_writer.has_news(body, plan):
            return None
        return planned.again(self._cache.children(key))

    async def _scale(self, key: Key, replicas: int) -> None:
        kind = self._controllers[key.kind].kind
        change = {"spec": {"replicas": replicas}}
        await self._client.merge(kind, key.namespace, key.name, change, subresource="scale")
        _log.info("scaled", extra={"key": str(key), "replicas": replicas})


def _pause(plan: Plan) -> float:
    # Passes of many objects that began together should not stay together.
    return plan.requeue_after or RETRY_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311


def _conditions_in(body: Object) -> Mapping[str, tuple[str, str]]:
    return {
        item["type"]: (item["status"], item["reason"])
        for item in nested_list(body, "status", "conditions")
    }


def _invalid(error: InvalidSpec, body: Object) -> Plan:
    return _unplanned(body, "InvalidSpec", str(error))


def _failed(error: Exception, body: Object) -> Plan:
    message = (
        f"the operator failed with {type(error).__name__} and tries again later; its log says where"
    )
    return _unplanned(body, "OperatorFailed", message)


def _unplanned(body: Object, reason: str, message: str) -> Plan:
    # What was observed last is still as true as it was; the conditions are about the spec.
    before: Object = nested(body, "status") or {}
    kept = {name: value for name, value in before.items() if name not in _OF_THE_SPEC}
    return Plan(
        status=kept,
        conditions=[false("Ready", reason, message), true("Degraded", reason, message)],
    )


def _contested(plan: Plan, error: FieldContested) -> Plan:
    conditions = {item.type: item for item in plan.conditions}
    if "Degraded" not in conditions or conditions["Degraded"].status != "True":
        conditions["Degraded"] = true("Degraded", "FieldContested", str(error))
    pauses = [error.retry_after, *([plan.requeue_after] if plan.requeue_after else [])]
    return replace(
        plan, conditions=list(conditions.values()), requeue_after=max(_SHORTEST_PAUSE, min(pauses))
    )


def _refused(plan: Plan, error: NameTaken | ChildRefused) -> Plan:
    reason, message = type(error).__name__, str(error)
    conditions = {item.type: item for item in plan.conditions}
    conditions["Ready"] = false("Ready", reason, message)
    conditions["Degraded"] = true("Degraded", reason, message)
    status = {**plan.status, "phase": "Degraded"} if "phase" in plan.status else plan.status
    return replace(
        plan,
        status=status,
        conditions=list(conditions.values()),
        requeue_after=RETRY_SECONDS,
    )
