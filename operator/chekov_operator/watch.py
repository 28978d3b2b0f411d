"""Watches: every change of a resource or of a child puts a key into the queue, nothing else.

kopf lists, watches and reconnects. Its handlers for created or updated objects, its timers and its
indexes are left alone: they write to the objects, add finalizers and grow with their number.
"""

import time
from collections.abc import Mapping
from typing import Any

import kopf

from chekov_operator.metrics import Metrics
from chekov_operator.queue import Queue
from chekov_operator.resources import (
    BUNDLE,
    BUNDLE_LABEL,
    CHILDREN,
    GROUP,
    MANAGED,
    POD,
    STORE,
    STORE_LABEL,
    VERSION,
    Key,
    Kind,
)

_SELECTOR = ",".join(f"{name}={value}" for name, value in MANAGED.items())


class Watch:
    """Turns what kopf sees into keys.

    Attributes:
        seen: monotonic time of the last change that any watch told of.
    """

    def __init__(self, queue: Queue, metrics: Metrics) -> None:
        self._queue = queue
        self._metrics = metrics
        self._stores: dict[tuple[str, str], set[Key]] = {}
        self._store_of: dict[Key, tuple[str, str]] = {}
        self.seen = time.monotonic()

    def registry(self) -> kopf.OperatorRegistry:
        """Handlers for kopf, in a registry of their own."""
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(_login)
        kopf.on.event(GROUP, VERSION, BUNDLE.plural, registry=registry)(self._bundle)
        kopf.on.event(GROUP, VERSION, STORE.plural, registry=registry)(self._store)
        for kind in (*CHILDREN, POD):
            group, _, version = kind.api.rpartition("/")
            kopf.on.event(group, version, kind.plural, registry=registry, labels=MANAGED)(
                self._child
            )
        return registry

    async def _bundle(self, type: str | None, body: Mapping[str, Any], **_: Any) -> None:  # noqa: A002
        key = _key(BUNDLE, body)
        self._count(BUNDLE.name)
        self._link(key, body, gone=type == "DELETED")
        self._queue.add(key)

    async def _store(self, body: Mapping[str, Any], **_: Any) -> None:
        key = _key(STORE, body)
        self._count(STORE.name)
        self._queue.add(key)
        for bundle in self._stores.get((key.namespace, key.name), ()):
            self._queue.add(bundle)

    async def _child(self, body: Mapping[str, Any], **_: Any) -> None:
        kind = str(body.get("kind"))
        self._count(kind)
        meta = body["metadata"]
        labels: Mapping[str, str] = meta.get("labels") or {}
        if BUNDLE_LABEL in labels:
            self._queue.add(Key(BUNDLE.name, meta["namespace"], labels[BUNDLE_LABEL]))
        elif STORE_LABEL in labels:
            self._queue.add(Key(STORE.name, meta["namespace"], labels[STORE_LABEL]))

    def _count(self, kind: str) -> None:
        self.seen = time.monotonic()
        self._metrics.events.labels(kind).inc()

    def _link(self, key: Key, body: Mapping[str, Any], *, gone: bool) -> None:
        """Remember which store a bundle uses, so that its changes reach the bundle."""
        old = self._store_of.pop(key, None)
        if old is not None:
            self._stores[old].discard(key)
        name = ((body.get("spec") or {}).get("eventStoreRef") or {}).get("name")
        if name and not gone:
            store = (key.namespace, str(name))
            self._store_of[key] = store
            self._stores.setdefault(store, set()).add(key)


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


def _login(**arguments: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)


def _key(kind: Kind, body: Mapping[str, Any]) -> Key:
    return Key(kind.name, body["metadata"]["namespace"], body["metadata"]["name"])
