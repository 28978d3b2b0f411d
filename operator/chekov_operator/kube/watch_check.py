"""Compares what watches delivered with what the API server lists, to detect a silent watch.

A watch can stop delivering without an error. Only a change that it should have delivered and did
not reveals that.
"""

import asyncio
import logging
from typing import Final

from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import KINDS, WATCHED, Key, Kind
from chekov_operator.kube.namespaces import Namespaces, listed
from chekov_operator.kube.objects import Object, key_of, owner_of, resource_version
from chekov_operator.kube.work_queue import WorkQueue
from chekov_operator.management import Health

PAUSE_SECONDS: Final = 120.0
GRACE_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)


class WatchCheck:
    """Lists the metadata of everything that is watched."""

    def __init__(self, client: Client, cache: Cache, namespaces: Namespaces) -> None:
        self._client = client
        self._cache = cache
        self._namespaces = namespaces

    async def run(self, queue: WorkQueue, health: Health) -> None:
        """Check again and again, until cancelled."""
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                late = await self.undelivered(queue)
                await asyncio.sleep(GRACE_SECONDS)
            except (ApiError, ApiUnavailable) as error:
                _log.warning("watches could not be checked", extra={"error": str(error)})
                continue
            missed = self.still_undelivered(late)
            health.stalled = bool(missed)
            if missed:
                _log.error("watches are silent", extra={"missed": [str(key) for key in missed]})

    async def undelivered(self, queue: WorkQueue) -> dict[Key, int]:
        """The versions that no watch has delivered yet; deleted objects are dropped on the way."""
        late: dict[Key, int] = {}
        for kind in WATCHED:
            known = self._cache.versions(kind)
            found = {
                key_of(kind, body): resource_version(body) for body in await self._listed(kind)
            }
            late |= {
                key: version
                for key, version in found.items()
                if version > self._cache.watched_version(key)
            }
            for key in known.keys() - found.keys():
                self._drop(key, queue)
        return late

    def still_undelivered(self, late: dict[Key, int]) -> list[Key]:
        """Those of `late` that no watch has delivered since."""
        return [
            key
            for key, version in late.items()
            if self._cache.find(key) is not None and self._cache.watched_version(key) < version
        ]

    def _drop(self, key: Key, queue: WorkQueue) -> None:
        body = self._cache.find(key)
        if body is None:
            return
        self._cache.drop(KINDS[key.kind], body)
        owner = owner_of(body)
        if owner is not None:
            queue.add(owner)

    async def _listed(self, kind: Kind) -> list[Object]:
        return [
            body
            for namespace in self._namespaces.readable()
            for body in await listed(self._client, kind, namespace, shallow=True)
        ]
