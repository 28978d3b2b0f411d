"""Watches of what bundles and stores own.

There is ten times as much of it as of what users write, which kopf watches: what kopf does for each
change, to find a handler among many, would be most of the operator's work.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, MutableMapping, Sequence
from typing import Final

from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.following import follow
from chekov_operator.kube.kinds import CHILDREN, MANAGED, POD, Key, Kind
from chekov_operator.kube.objects import Object, key_of

OWNED: Final = (*CHILDREN, POD)


class ChildWatch:
    """Takes in all that is owned, and each change of it.

    Args:
        client: to the API server.
        cache: holds what is known.
        receive: takes in one change: the kind, what happened, and the object.
        namespaces: to watch; empty for all.
        versions: of what the cache was filled with, by the name of the kind and the namespace; what
            is watched from there on is removed.
        longest_pause: seconds between two tries.
    """

    def __init__(
        self,
        client: Client,
        cache: Cache,
        receive: Callable[[Kind, str | None, Object], None],
        namespaces: Sequence[str],
        versions: MutableMapping[tuple[str, str | None], str],
        *,
        longest_pause: float,
    ) -> None:
        self._client = client
        self._cache = cache
        self._receive = receive
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._versions = versions
        self._longest_pause = longest_pause

    async def run(self) -> None:
        """Watch, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind in OWNED:
                for namespace in self._namespaces:
                    group.create_task(self._follow(kind, namespace), name=f"watch {kind.plural}")

    async def _follow(self, kind: Kind, namespace: str | None) -> None:
        async def begin() -> str:
            return await self._begin(kind, namespace)

        def changes(version: str) -> AsyncGenerator[tuple[str, Object]]:
            return self._client.changes(kind, namespace, version, MANAGED, shallow=False)

        def deliver(change: str, body: Object) -> None:
            self._receive(kind, change, body)

        await follow(begin, changes, deliver, what=kind.plural, longest_pause=self._longest_pause)

    async def _begin(self, kind: Kind, namespace: str | None) -> str:
        filled = self._versions.pop((kind.name, namespace), None)
        if filled is not None:
            for key in self._known(kind, namespace):
                self._receive(kind, None, self._cache.find(key) or {})
            return filled
        # The list may be newer: then changes in it are received again.
        version = await self._client.version(kind, namespace)
        found = await self._client.list(kind, namespace, MANAGED)
        gone = self._known(kind, namespace, int(version)) - {key_of(kind, body) for body in found}
        for body in found:
            self._receive(kind, None, body)
        for key in gone:
            body = self._cache.find(key)
            if body is not None:
                self._receive(kind, "DELETED", body)
        return version

    def _known(self, kind: Kind, namespace: str | None, version: float = math.inf) -> set[Key]:
        """What is known of a kind and is no newer than a version."""
        return {
            key
            for key, known in self._cache.versions(kind).items()
            if namespace in (None, key.namespace) and known <= version
        }
