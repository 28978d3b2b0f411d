"""Watches: each change updates the cache and puts the key of the object concerned into the queue.

kopf lists, watches and reconnects, for what users write. Its handlers for created or updated
objects, its timers and its indexes are not used: they write to the objects, add finalizers and grow
with their number.
"""

import itertools
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from chekov_operator.kube.cache import Cache
from chekov_operator.kube.kinds import (
    AUTOSCALER,
    BUNDLE,
    RECONCILED,
    STORE,
    SUBSCRIPTION,
    WRITTEN_BY_USERS,
    Key,
    Kind,
)
from chekov_operator.kube.kopf_storage import NoDiffBase, NoProgress
from chekov_operator.kube.lean_kopf import kopf
from chekov_operator.kube.namespaces import Namespaces
from chekov_operator.kube.objects import Object, key_of, nested, owner_of
from chekov_operator.kube.work_queue import WorkQueue
from chekov_operator.metrics import Metrics

_PAUSES: Final = (1, 1, 2, 3, 5, 8, 13, 21)
_SET: Final = (("spec",), ("metadata", "labels"), ("metadata", "ownerReferences"))
_READ_BY_OWNERS: Final[Mapping[str, Sequence[tuple[str, ...]]]] = {
    SUBSCRIPTION.name: _SET,
    AUTOSCALER.name: (*_SET, ("status", "conditions")),
}
"""What owners read of children whose status changes every few seconds."""


class Watch:
    def __init__(
        self, queue: WorkQueue, cache: Cache, namespaces: Namespaces, metrics: Metrics
    ) -> None:
        self._queue = queue
        self._cache = cache
        self._namespaces = namespaces
        self._metrics = metrics
        self._users_of: dict[Key, set[Key]] = {}
        self._store_of: dict[Key, Key] = {}

    def registry(self, connection: Callable[[], Awaitable[kopf.ConnectionInfo]]) -> Any:
        """Kopf's handlers, in a registry of their own.

        Args:
            connection: returns how to reach the API server, each time kopf asks.
        """
        registry = kopf.OperatorRegistry()

        async def login(**_: object) -> kopf.ConnectionInfo:
            return await connection()

        kopf.on.login(registry=registry)(login)
        for kind in WRITTEN_BY_USERS:
            group, _, version = kind.api.rpartition("/")
            kopf.on.event(group, version, kind.plural, registry=registry)(self._handler(kind))
        return registry

    def receive(self, kind: Kind, change: str | None, body: Object) -> None:
        """Take in one change that a watch delivered.

        Args:
            kind: of the object.
            change: `ADDED`, `MODIFIED` or `DELETED`; `None` for the objects of the first list.
            body: the object.
        """
        self._metrics.events.labels(kind.name).inc()
        deleted = change == "DELETED"
        key = key_of(kind, body)
        # If a child's owner label was removed or changed, only the cache still names the owner.
        before = self._cache.owner(key)
        known = self._cache.find(key) if kind.name in _READ_BY_OWNERS else None
        if deleted:
            self._cache.drop(kind, body)
        else:
            self._cache.put(kind, body, watched=True)
        is_news = deleted or known is None or not _is_of_no_concern(kind, known, body)
        owners = (before, owner_of(body)) if is_news else ()
        for affected in dict.fromkeys(self._affected(kind, key, body, deleted=deleted) + owners):
            # Of a namespace that came back, nothing is decided before all of it is known.
            if affected is not None and self._namespaces.is_readable(affected.namespace):
                self._queue.add(affected)

    def users_of(self, store: Key) -> list[Key]:
        """The bundles and subscriptions that use a store."""
        return list(self._users_of.get(store, ()))

    def _handler(self, kind: Kind) -> Callable[..., Awaitable[None]]:
        async def handle(event: Any, **_: object) -> None:
            self.receive(kind, event["type"], dict(event["object"]))

        # kopf identifies handlers by their names.
        handle.__name__ = handle.__qualname__ = f"receive_{kind.plural}"
        return handle

    def _affected(
        self, kind: Kind, key: Key, body: Object, *, deleted: bool
    ) -> tuple[Key | None, ...]:
        """The object itself, if it has a controller, and those that use it."""
        own = (key,) if kind in RECONCILED else ()
        if kind in (BUNDLE, SUBSCRIPTION):
            self._index_by_store(key, body, deleted=deleted)
        return (*own, *self._users_of.get(key, ())) if kind is STORE else own

    def _index_by_store(self, key: Key, body: Object, *, deleted: bool) -> None:
        """Remember which store an object uses, so that changes of the store reach the object."""
        old = self._store_of.pop(key, None)
        if old is not None:
            self._users_of[old].discard(key)
            if not self._users_of[old]:
                del self._users_of[old]
        name = nested(body, "spec", "eventStoreRef", "name")
        if name and not deleted:
            store = Key(STORE.name, key.namespace, str(name))
            self._store_of[key] = store
            self._users_of.setdefault(store, set()).add(key)


def _is_of_no_concern(kind: Kind, known: Object, body: Object) -> bool:
    """Whether a change of a child is in a part of its status that its owner does not read."""
    paths = _READ_BY_OWNERS[kind.name]
    return all(nested(known, *path) == nested(body, *path) for path in paths)


class _EndlessPauses:
    """Pauses between attempts, without an end: a namespace that is gone may come back."""

    def __init__(self, longest: float) -> None:
        self._longest = longest

    def __iter__(self) -> Iterator[float]:
        for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
            yield _spread(min(pause, self._longest))


def _spread(seconds: float) -> float:
    # What waits for one API server should not all come back at once.
    return seconds * random.uniform(0.7, 1.3)  # noqa: S311 -- not used for security


def configured(
    settings: kopf.OperatorSettings, *, namespaced: bool, longest_pause: float = _PAUSES[-1]
) -> kopf.OperatorSettings:
    """Settings under which kopf writes nothing.

    Args:
        settings: to change.
        namespaced: whether some namespaces are watched; then each is tried for ever.
        longest_pause: seconds between two attempts at one of them.
    """
    settings.posting.enabled = False
    settings.scanning.disabled = namespaced
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (
        _EndlessPauses(longest_pause) if namespaced else [_spread(pause) for pause in _PAUSES]
    )
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    return settings
