"""Kubernetes Events: a repeated event raises the count of the first one."""

import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import EVENT, FIELD_MANAGER
from chekov_operator.kube.objects import Object, digest
from chekov_operator.kube.text import printable

_MOST_COUNTS: Final = 4096
_LONGEST_MESSAGE: Final = 1000

_log = logging.getLogger(__name__)


class Events:
    def __init__(self, client: Client, instance: str) -> None:
        self._client = client
        self._instance = instance
        self._counts: OrderedDict[str, int] = OrderedDict()

    async def emit(
        self,
        about: Mapping[str, Any],
        kind: Literal["Normal", "Warning"],
        reason: str,
        message: str,
    ) -> None:
        """Create an Event about an object, or count it; a failure is logged and not raised."""
        meta = about["metadata"]
        message = printable(message[:_LONGEST_MESSAGE])
        name = f"{meta['name']}.{digest([meta['uid'], kind, reason, message])}"
        count = self._counts[name] = self._counts.pop(name, 0) + 1
        if len(self._counts) > _MOST_COUNTS:
            self._counts.popitem(last=False)
        change: Object = {"count": count, "lastTimestamp": _now()}
        try:
            if count > 1 and await self._update(meta["namespace"], name, change):
                return
            event = self._event(about, name, kind, reason, message)
            await self._client.create(EVENT, event | change)
        except (ApiError, ApiUnavailable) as error:
            if getattr(error, "reason", "") == "AlreadyExists":
                await self._update(meta["namespace"], name, change)
                return
            _log.warning("an Event was not written", extra={"error": str(error)})

    async def _update(self, namespace: str, name: str, change: Object) -> bool:
        try:
            await self._client.merge(EVENT, namespace, name, change)
        except (ApiError, ApiUnavailable):
            return False
        return True

    def _event(
        self, about: Mapping[str, Any], name: str, kind: str, reason: str, message: str
    ) -> Object:
        meta = about["metadata"]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "firstTimestamp": _now(),
            "source": {"component": FIELD_MANAGER, "host": self._instance},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._instance,
        }


async def warnings_about(client: Client, namespace: str, uids: Iterable[str]) -> Mapping[str, str]:
    """What Kubernetes warned of last about objects, by their uid.

    Some causes appear in Events only: that no pod may be created, or that a volume is missing.

    Raises:
        ApiUnavailable: the API server does not answer.
    """
    found: dict[str, str] = {}
    for uid in uids:
        try:
            events = await client.list(
                EVENT, namespace, {}, fields=f"involvedObject.uid={uid},type=Warning"
            )
        except ApiError as error:
            # Events may have expired, and the right to read them may be missing: say less then.
            _log.warning("Events were not read", extra={"error": str(error)})
            return found
        messages = sorted((_time_of(item), str(item.get("message") or "")) for item in events)
        if messages:
            found[uid] = messages[-1][1]
    return found


def _time_of(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
