"""A copy of the objects that the operator watches, so that reading them costs no request.

The copy may be stale for a moment. That is harmless: applying the same object twice changes
nothing, and the missed change arrives with the next event.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from chekov_operator.kube.kinds import CHILDREN, POD, RECONCILED, REVISION, Key, Kind
from chekov_operator.kube.objects import (
    Object,
    controller_uid,
    key_of,
    nested,
    owner_of,
    resource_version,
)

_OWNERS: Final = frozenset(kind.name for kind in RECONCILED)
_CHILDREN: Final = frozenset(kind.name for kind in CHILDREN)
_KEPT_OF_PODS: Final = ("apiVersion", "kind", "metadata", "status")


class Cache:
    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._watched: dict[Key, int] = {}
        self._owned: dict[Key, set[Key]] = {}

    def put(self, kind: Kind, body: Object, *, watched: bool = False) -> None:
        """Store an object, unless a newer version of it is known.

        Args:
            kind: of the object.
            body: as the API server sent it.
            watched: whether a watch delivered it, rather than the response to a request.
        """
        key = key_of(kind, body)
        version = resource_version(body)
        if watched:
            self._watched[key] = max(version, self._watched.get(key, 0))
        known = self._objects.get(key)
        if known is not None and resource_version(known) > version:
            return
        if known is not None:
            # The label that names the owner may have been changed or removed.
            self._disown(known, key)
        self._objects[key] = _trimmed(kind, body)
        owner = owner_of(body)
        if owner is not None:
            self._owned.setdefault(owner, set()).add(key)

    def drop(self, kind: Kind, body: Object) -> None:
        """Remove a deleted object, unless a newer object has its name."""
        key = key_of(kind, body)
        known = self._objects.get(key)
        if known is None or resource_version(known) > resource_version(body):
            return
        self._watched.pop(key, None)
        del self._objects[key]
        self._disown(known, key)

    def drop_namespace(self, namespace: str) -> None:
        """Remove everything that is in a namespace."""
        for key in [key for key in self._objects if key.namespace == namespace]:
            self._disown(self._objects.pop(key), key)
            self._watched.pop(key, None)

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return self._objects.get(Key(kind.name, namespace, name))

    def find(self, key: Key) -> Object | None:
        return self._objects.get(key)

    def children(self, owner: Key) -> Mapping[tuple[str, str], Object]:
        """What an object controls itself or by its revisions, except pods, by kind and name.

        A label alone makes no child: anybody can set it. The object named as the controller has to
        be this one or a revision of it, and not an earlier one of the same name.
        """
        uid = nested(self._objects.get(owner), "metadata", "uid")
        owned = [
            (key, self._objects[key])
            for key in sorted(self._owned.get(owner, ()))
            if key.kind in _CHILDREN
        ]
        revisions = {
            nested(body, "metadata", "uid")
            for key, body in owned
            if key.kind == REVISION.name and controller_uid(body) == uid
        }
        controllers = {uid} | revisions
        return {
            (key.kind, key.name): body for key, body in owned if controller_uid(body) in controllers
        }

    def pods(self, owner: Key) -> Sequence[Object]:
        """The pods that belong to an object, without their specs."""
        keys = sorted(self._owned.get(owner, ()))
        return [self._objects[key] for key in keys if key.kind == POD.name]

    def owners(self) -> Iterable[Key]:
        """Every object that has a controller."""
        return [key for key in self._objects if key.kind in _OWNERS]

    def all(self, kind: Kind, namespace: str) -> Sequence[Object]:
        """The objects of a kind in a namespace."""
        found = sorted(
            key for key in self._objects if (key.kind, key.namespace) == (kind.name, namespace)
        )
        return [self._objects[key] for key in found]

    def versions(self, kind: Kind) -> Mapping[Key, int]:
        """The resource version of each object of a kind."""
        return {
            key: resource_version(body)
            for key, body in self._objects.items()
            if key.kind == kind.name
        }

    def watched_version(self, key: Key) -> int:
        """The newest version of an object that a watch delivered; 0 if none did."""
        return self._watched.get(key, 0)

    def _disown(self, known: Object, key: Key) -> None:
        owner = owner_of(known)
        if owner is not None and (owned := self._owned.get(owner)):
            owned.discard(key)
            if not owned:
                del self._owned[owner]


def _trimmed(kind: Kind, body: Object) -> Object:
    """Without the fields that the operator never reads, to save memory."""
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    kept = {**body, "apiVersion": kind.api, "kind": kind.name, "metadata": metadata}
    if kind is POD:
        return {name: kept[name] for name in _KEPT_OF_PODS if name in kept}
    return kept
