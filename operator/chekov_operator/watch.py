"""Watches: every change goes into the world, and its key into the queue; nothing else happens.

kopf lists, watches and reconnects. Its handlers for created or updated objects, its timers and its
indexes are left alone: they write to the objects, add finalizers and grow with their number.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import kopf

from chekov_operator.metrics import Metrics
from chekov_operator.queue import Queue
from chekov_operator.resources import (
    BUNDLE,
    CHILDREN,
    MANAGED,
    POD,
    STORE,
    WATCHED,
    Key,
    Kind,
    Object,
    dig,
    owner_of,
)
from chekov_operator.world import World

_SELECTOR: Final = ",".join(f"{name}={value}" for name, value in MANAGED.items())


class Watch:
    """Turns what kopf sees into objects of the world and keys of the queue."""

    def __init__(self, queue: Queue, world: World, metrics: Metrics) -> None:
        self._queue = queue
        self._world = world
        self._metrics = metrics
        self._stores: dict[tuple[str, str], set[Key]] = {}
        self._store_of: dict[Key, tuple[str, str]] = {}

    def registry(self, connection: Callable[[], Awaitable[kopf.ConnectionInfo]]) -> Any:
        """Handlers for kopf, in a registry of their own.

        Args:
            connection: tells kopf how to reach the API server, whenever it asks.
        """
        registry = kopf.OperatorRegistry()

        async def login(**_: object) -> kopf.ConnectionInfo:
            return await connection()

        kopf.on.login(registry=registry)(login)
        for kind in WATCHED:
            group, _, version = kind.api.rpartition("/")
            kopf.on.event(group, version, kind.plural, registry=registry)(self._handler(kind))
        return registry

    def saw(self, kind: Kind, change: str | None, body: Object) -> None:
        """Take in one change that a watch told of.

        Args:
            kind: of the object.
            change: `ADDED`, `MODIFIED` or `DELETED`; `None` for what was there at the start.
            body: the object.
        """
        self._metrics.events.labels(kind.name).inc()
        gone = change == "DELETED"
        # Of a child whose label was taken away or changed, only what was known tells whose it was.
        known = self._world.get(kind, str(dig(body, "metadata", "namespace")), _name(body))
        if gone:
            self._world.drop(kind, body)
        else:
            self._world.put(kind, body, watched=True)
        for key in dict.fromkeys(self._concerned(kind, body, known, gone=gone)):
            self._queue.add(key)

    def _handler(self, kind: Kind) -> Callable[..., Awaitable[None]]:
        async def handle(event: Any, **_: object) -> None:
            self.saw(kind, event["type"], dict(event["object"]))

        # kopf tells handlers apart by their names.
        handle.__name__ = handle.__qualname__ = f"see_{kind.plural}"
        return handle

    def _concerned(
        self, kind: Kind, body: Object, known: Object | None, *, gone: bool
    ) -> list[Key]:
        if kind not in (STORE, BUNDLE):
            return [owner for item in (known, body) if (owner := owner_of(item))]
        key = Key(kind.name, str(body["metadata"]["namespace"]), _name(body))
        if kind is BUNDLE:
            self._link(key, body, gone=gone)
            return [key]
        return [key, *self._stores.get((key.namespace, key.name), ())]

    def _link(self, key: Key, body: Object, *, gone: bool) -> None:
        """Remember which store a bundle uses, so that its changes reach the bundle."""
        old = self._store_of.pop(key, None)
        if old is not None:
            self._stores[old].discard(key)
            if not self._stores[old]:
                del self._stores[old]
        name = dig(body, "spec", "eventStoreRef", "name")
        if name and not gone:
            store = (key.namespace, str(name))
            self._store_of[key] = store
            self._stores.setdefault(store, set()).add(key)


def _name(body: Object) -> str:
    return str(body["metadata"]["name"])


def configured(settings: kopf.OperatorSettings, *, namespaced: bool) -> kopf.OperatorSettings:
    """Settings under which kopf neither writes to objects nor holds what is not ours."""
    settings.posting.enabled = False
    settings.scanning.disabled = namespaced
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    for kind in (*CHILDREN, POD):
        group, _, version = kind.api.rpartition("/")
        settings.watching.label_selectors[group, version, kind.plural] = _SELECTOR
    return settings
