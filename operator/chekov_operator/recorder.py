"""Kubernetes Events: what happened to an object, told once and then counted."""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from chekov_operator.client import ApiError, ApiUnavailable, Client
from chekov_operator.resources import EVENT, FIELD_MANAGER, Object
from chekov_operator.revision import digest

_KEPT = 4096
_LONGEST = 1000

_log = logging.getLogger(__name__)


class Recorder:
    """Posts events; the same one again only raises its count."""

    def __init__(self, client: Client, instance: str) -> None:
        self._client = client
        self._instance = instance
        self._counts: OrderedDict[str, int] = OrderedDict()

    async def record(
        self,
        about: Mapping[str, Any],
        kind: Literal["Normal", "Warning"],
        reason: str,
        message: str,
    ) -> None:
        """Tell that something happened to `about`; a failure to do so is only logged."""
        meta = about["metadata"]
        message = message[:_LONGEST]
        name = f"{meta['name']}.{digest([meta['uid'], kind, reason, message])}"
        count = self._counts[name] = self._counts.pop(name, 0) + 1
        if len(self._counts) > _KEPT:
            self._counts.popitem(last=False)
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        change: Object = {"count": count, "lastTimestamp": stamp}
        try:
            if count > 1 and await self._raised(meta["namespace"], name, change):
                return
            await self._client.create(
                EVENT, self._event(about, name, kind, reason, message) | change
            )
        except (ApiError, ApiUnavailable) as error:
            if getattr(error, "reason", "") == "AlreadyExists":
                await self._raised(meta["namespace"], name, change)
                return
            _log.warning("an event was not recorded", extra={"error": str(error)})

    async def _raised(self, namespace: str, name: str, change: Object) -> bool:
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
            "firstTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "source": {"component": FIELD_MANAGER, "host": self._instance},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._instance,
        }
