"""Holds what watches told against what the API server lists, and so proves that watches live.

A watch can fall silent without an error. Only a change that it should have told of, and did not,
shows that.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from chekov_operator.client import ApiError, ApiUnavailable, Client
from chekov_operator.management import Health
from chekov_operator.queue import Queue
from chekov_operator.resources import BUNDLE, MANAGED, STORE, WATCHED, Kind, Object, owner_of
from chekov_operator.world import Place, World

PAUSE_SECONDS: Final = 120.0
GRACE_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)


class Audit:
    """Lists everything that is watched, first in full, later by its metadata alone."""

    def __init__(self, client: Client, world: World, namespaces: Sequence[str]) -> None:
        self._client = client
        self._world = world
        self._namespaces: Sequence[str | None] = namespaces or (None,)

    async def fill(self) -> None:
        """Take in all there is, before anything is decided.

        Raises:
            ApiError: a list is refused.
            ApiUnavailable: the API server does not answer.
        """
        for kind in WATCHED:
            for body in await self._listed(kind, shallow=False):
                self._world.put(kind, body)

    async def watch_over(self, queue: Queue, health: Health) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                late = await self.undelivered(queue)
                await asyncio.sleep(GRACE_SECONDS)
            except (ApiError, ApiUnavailable) as error:
                _log.warning("watches could not be checked", extra={"error": str(error)})
                continue
            silent = self.still_missing(late)
            health.stalled = bool(silent)
            if silent:
                _log.error("watches are silent", extra={"missed": [str(item) for item in silent]})

    async def undelivered(self, queue: Queue) -> dict[Place, int]:
        """Versions of objects that no watch told of yet. What is gone is forgotten here."""
        late: dict[Place, int] = {}
        for kind in WATCHED:
            before = self._world.places(kind)
            listed = {_place(kind, body): body for body in await self._listed(kind, shallow=True)}
            for place, body in listed.items():
                version = int(body["metadata"]["resourceVersion"])
                if version > self._world.watched(place):
                    late[place] = version
            for place in before.keys() - listed.keys():
                self._forget(kind, place, queue)
        return late

    def still_missing(self, late: dict[Place, int]) -> list[Place]:
        """Of those, the ones that watches have not told of since."""
        return [
            place
            for place, version in late.items()
            if self._world.get(_KINDS[place[0]], place[1], place[2]) is not None
            and self._world.watched(place) < version
        ]

    def _forget(self, kind: Kind, place: Place, queue: Queue) -> None:
        gone = self._world.get(kind, place[1], place[2])
        if gone is None:
            return
        self._world.drop(kind, gone)
        key = owner_of(gone)
        if key is not None:
            queue.add(key)

    async def _listed(self, kind: Kind, *, shallow: bool) -> list[Object]:
        labels = dict[str, str]() if kind in (STORE, BUNDLE) else MANAGED
        return [
            body
            for namespace in self._namespaces
            for body in await self._client.list(kind, namespace, labels, shallow=shallow)
        ]


_KINDS: Final = {kind.name: kind for kind in WATCHED}


def _place(kind: Kind, body: Object) -> Place:
    return (kind.name, str(body["metadata"]["namespace"]), str(body["metadata"]["name"]))
