"""The namespaces that are served. One that is gone, or may not be read, keeps no other waiting.

With a namespace go the rights in it, so that the API server refuses to list it. Once it can be read
again, all that is in it is taken up.
"""

import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus

from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import MANAGED, STORE, WATCHED, WRITTEN_BY_USERS, Kind
from chekov_operator.kube.objects import Object
from chekov_operator.kube.work_queue import WorkQueue
from chekov_operator.management import Health
from chekov_operator.metrics import Metrics

_log = logging.getLogger(__name__)


class Namespaces:
    """Fills the cache with what is in each, and follows which of them can be read.

    Args:
        client: to the API server.
        cache: to fill.
        names: of the namespaces; empty for all.
        health: reports those that cannot be read.
        metrics: count them.

    Attributes:
        versions: from which on changes of what is owned are to be followed, by the name of the kind
            and the namespace: what was read at the start need not be listed again.
    """

    def __init__(
        self, client: Client, cache: Cache, names: Sequence[str], health: Health, metrics: Metrics
    ) -> None:
        self._client = client
        self._cache = cache
        self._names = names
        self._health = health
        self._metrics = metrics
        self.versions: dict[tuple[str, str | None], str] = {}

    def readable(self) -> Sequence[str | None]:
        """Those that can be read; `None` alone stands for all namespaces of the cluster."""
        if not self._names:
            return (None,)
        return [name for name in self._names if self.is_readable(name)]

    def is_readable(self, name: str) -> bool:
        return name not in self._health.unreadable

    async def fill(self) -> None:
        """Fill the cache before anything is decided from it.

        Raises:
            ApiError: a list is refused; of a namespace by name, for another reason than its rights.
            ApiUnavailable: the API server does not answer.
        """
        for name in self._names:
            await self._take_up(name)
        if not self._names:
            await self._fill(None)

    async def run(self, queue: WorkQueue, *, pause: float) -> None:
        """Look again and again for namespaces that went or came back, until cancelled."""
        while self._names:
            await asyncio.sleep(pause)
            for name in self._names:
                try:
                    await self._look(name, queue)
                except (ApiError, ApiUnavailable) as error:
                    details = {"namespace": name, "error": str(error)}
                    _log.warning("a namespace could not be looked at", extra=details)

    async def _look(self, name: str, queue: WorkQueue) -> None:
        if not self.is_readable(name):
            if await self._take_up(name):
                self._enqueue(name, queue)
            return
        try:
            await self._client.version(STORE, name)
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            self._enqueue(name, queue)
            self._give_up(name, error)

    async def _take_up(self, name: str) -> bool:
        """Read what is in a namespace; return whether that is possible."""
        try:
            await self._fill(name)
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            self._give_up(name, error)
            return False
        if not self.is_readable(name):
            _log.info("a namespace is served again", extra={"namespace": name})
            self._health.unreadable.remove(name)
        self._metrics.namespaces.labels(name).set(1)
        return True

    async def _fill(self, name: str | None) -> None:
        for kind in WATCHED:
            if kind not in WRITTEN_BY_USERS:
                # The list may be newer: then changes in it are received again.
                self.versions[kind.name, name] = await self._client.version(kind, name)
            for body in await listed(self._client, kind, name):
                self._cache.put(kind, body)

    def _give_up(self, name: str, error: ApiError) -> None:
        self._cache.drop_namespace(name)
        self._metrics.namespaces.labels(name).set(0)
        if self.is_readable(name):
            self._health.unreadable.append(name)
            _log.warning(
                "a namespace is not served until it can be read: it is gone, or the operator's "
                "Role in it is; `helm upgrade` makes the Role anew",
                extra={"namespace": name, "error": str(error)},
            )

    def _enqueue(self, name: str, queue: WorkQueue) -> None:
        for key in self._cache.owners():
            if key.namespace == name:
                queue.add(key)


async def listed(
    client: Client, kind: Kind, namespace: str | None, *, shallow: bool = False
) -> Sequence[Object]:
    """What the operator watches of a kind, in a namespace or in all."""
    labels = dict[str, str]() if kind in WRITTEN_BY_USERS else MANAGED
    return await client.list(kind, namespace, labels, shallow=shallow)
