"""Writing an object's status, and an Event when its readiness changes."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

from chekov_operator.api.conditions import Condition, rendered
from chekov_operator.api.spec import parse_meta
from chekov_operator.controllers.plan import Plan
from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.events import Events
from chekov_operator.kube.kinds import Kind
from chekov_operator.kube.objects import Object, condition_of, nested, nested_list

_DELETED: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_NEWS_IF_TRUE: Final = ("Degraded", "Complete", "Failed")


class StatusWriter:
    def __init__(self, client: Client, cache: Cache, instance: str) -> None:
        self._client = client
        self._cache = cache
        self._events = Events(client, instance)

    async def write(self, kind: Kind, body: Object, plan: Plan) -> Object:
        """Write the plan's status unless it is unchanged, and emit its Events.

        That the object was deleted meanwhile is ignored.

        Returns:
            The object as it is then.

        Raises:
            ApiError: the API server refuses the status.
            ApiUnavailable: the API server does not answer.
        """
        if plan.keep_status and not plan.conditions:
            return body
        meta = parse_meta(body)
        status = _status(body, plan, meta.generation)
        after: Object | None = body
        if status != nested(body, "status"):
            after = await self._apply(kind, body, status)
        if after is None:
            return body
        for item in _news(body, plan.conditions):
            weight = "Warning" if _needs_attention(item, plan.conditions) else "Normal"
            await self._events.emit(body, weight, item.reason, item.message or item.reason)
        for reason, message in () if plan.keep_status else plan.events:
            await self._events.emit(body, "Normal", reason, message)
        return after

    def has_news(self, body: Object, plan: Plan) -> bool:
        """Whether an Event comes with the plan's status."""
        return bool(plan.events) or any(_news(body, plan.conditions))

    async def write_children(self, namespace: str, plan: Plan) -> None:
        """Write the statuses of children, as far as these exist and have another one.

        Raises:
            ApiError: the API server refuses a status.
            ApiUnavailable: the API server does not answer.
        """
        for (kind, name), status in plan.child_statuses.items():
            live = self._cache.get(kind, namespace, name)
            if live is not None and nested(live, "status") != status:
                await self._apply(kind, live, status)

    async def _apply(self, kind: Kind, body: Object, status: Object) -> Object | None:
        """Apply a status; return the object after that, or `None` if it does not exist any more."""
        meta = parse_meta(body)
        change: Object = {
            "apiVersion": kind.api,
            "kind": kind.name,
            # With the uid, a status never reaches another object that took the name.
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "status": status,
        }
        try:
            after = await self._client.apply_status(kind, change)
        except ApiError as error:
            if error.status in _DELETED:
                return None
            raise
        self._cache.put(kind, after)
        return after


def _news(body: Object, conditions: Sequence[Condition]) -> Iterable[Condition]:
    """The conditions whose change is worth an Event.

    That is `Ready` when it becomes true or ceases to be, a fault, also one that leaves the object
    ready, such as parked events, and the end of what is done once. How far an object is that is not
    ready yet, its status says.
    """
    reported = set[str]()
    for item in sorted(conditions, key=lambda item: item.type != "Ready"):
        before = condition_of(body, item.type)
        changed = (before.get("status"), before.get("reason")) != (item.status, item.reason)
        if changed and item.reason not in reported and _is_news(item, before, conditions):
            yield item
        if item.type == "Ready":
            reported.add(item.reason)


def _is_news(item: Condition, before: Object, conditions: Sequence[Condition]) -> bool:
    if item.type != "Ready":
        return item.type in _NEWS_IF_TRUE and item.status == "True"
    return "True" in (item.status, before.get("status")) or _needs_attention(item, conditions)


def _needs_attention(item: Condition, conditions: Sequence[Condition]) -> bool:
    """Whether a person should look at an object because of a condition.

    A store has no condition `Degraded`; unless it is being migrated, it needs attention.
    """
    if item.type != "Ready":
        return item.type != "Complete"
    degraded = {item.status for item in conditions if item.type == "Degraded"}
    is_faulty = "True" in degraded or not (degraded or item.reason == "Migrating")
    return item.status != "True" and is_faulty


def _status(body: Object, plan: Plan, generation: int) -> Object:
    before = nested_list(body, "status", "conditions")
    conditions = rendered(plan.conditions, before, generation)
    if not plan.keep_status:
        return {**plan.status, "observedGeneration": generation, "conditions": conditions}
    decided = {item.type for item in plan.conditions}
    kept = [item for item in before if item["type"] not in decided]
    merged = sorted([*kept, *conditions], key=lambda item: item["type"])
    return {**(nested(body, "status") or {}), "conditions": merged}
