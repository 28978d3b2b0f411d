"""A copy of the objects that the operator watches, so that reading them costs no request.

The copy may be stale for a moment. That is harmless: applying the same object twice changes
nothing, and the missed change arrives with the next event.

Objects are kept as JSON, which takes a quarter of the memory, for 0.05 ms each time that those of a
bundle are read. Stores are not, which all of their bundles read, nor are pods.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chekov.serialization.json import from_json, to_json
from chekov_operator.kube.kinds import (
    CHILDREN,
    POD,
    RECONCILED,
    REVISION,
    STORE,
    Key,
    Kind,
)
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
_KEPT_DECODED: Final = frozenset((STORE.name, POD.name))
_KEPT_OF_PODS: Final = ("apiVersion", "kind", "metadata", "status")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One object.

    Attributes:
        version: its resource version.
        owner: the object that it belongs to, according to its labels.
        controller: the uid of its controller.
        uid: its own.
        content: the object, or its JSON.
    """

    version: int
    owner: Key | None
    controller: str | None
    uid: str | None
    content: Object | bytes

    def body(self) -> Object:
        return from_json(self.content) if isinstance(self.content, bytes) else self.content


class Cache:
    def __init__(self) -> None:
        self._objects: dict[Key, _Entry] = {}
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
        if known is not None and known.version > version:
            return
        owner = owner_of(body)
        if known is not None and known.owner != owner:
            # The label that names the owner was changed or removed.
            self._disown(known, key)
        kept = _trimmed(kind, body)
        self._objects[key] = _Entry(
            version,
            owner,
            controller_uid(body),
            nested(body, "metadata", "uid"),
            kept if kind.name in _KEPT_DECODED else to_json(kept),
        )
        if owner is not None:
            self._owned.setdefault(owner, set()).add(key)

    def drop(self, kind: Kind, body: Object) -> None:
        """Remove a deleted object, unless a newer object has its name."""
        key = key_of(kind, body)
        known = self._objects.get(key)
        if known is None or known.version > resource_version(body):
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
        return self.find(Key(kind.name, namespace, name))

    def find(self, key: Key) -> Object | None:
        known = self._objects.get(key)
        return None if known is None else known.body()

    def owner(self, key: Key) -> Key | None:
        """The bundle or store that an object belongs to, according to its labels."""
        known = self._objects.get(key)
        return None if known is None else known.owner

    def children(self, owner: Key) -> Mapping[tuple[str, str], Object]:
        """What an object controls itself or by its revisions, except pods, by kind and name.

        A label alone makes no child: anybody can set it. The object named as the controller has to
        be this one or a revision of it, and not an earlier one of the same name.
        """
        own = self._objects.get(owner)
        uid = own.uid if own else None
        owned = [
            (key, self._objects[key])
            for key in sorted(self._owned.get(owner, ()))
            if key.kind in _CHILDREN
        ]
        revisions = {
            known.uid
            for key, known in owned
            if key.kind == REVISION.name and known.controller == uid
        }
        controllers = {uid} | revisions
        return {
            (key.kind, key.name): known.body()
            for key, known in owned
            if known.controller in controllers
        }

    def pods(self, owner: Key) -> Sequence[Object]:
        """The pods that belong to an object, without their specs."""
        keys = sorted(self._owned.get(owner, ()))
        return [self._objects[key].body() for key in keys if key.kind == POD.name]

    def owners(self) -> Iterable[Key]:
        """Every object that has a controller."""
        return [key for key in self._objects if key.kind in _OWNERS]

    def all(self, kind: Kind, namespace: str) -> Sequence[Object]:
        """The objects of a kind in a namespace."""
        found = sorted(
            key for key in self._objects if (key.kind, key.namespace) == (kind.name, namespace)
        )
        return [self._objects[key].body() for key in found]

    def versions(self, kind: Kind) -> Mapping[Key, int]:
        """The resource version of each object of a kind."""
        return {key: known.version for key, known in self._objects.items() if key.kind == kind.name}

    def watched_version(self, key: Key) -> int:
        """The newest version of an object that a watch delivered; 0 if none did."""
        return self._watched.get(key, 0)

    def _disown(self, known: _Entry, key: Key) -> None:
        if known.owner is not None and (owned := self._owned.get(known.owner)):
            owned.discard(key)
            if not owned:
                del self._owned[known.owner]


def _trimmed(kind: Kind, body: Object) -> Object:
    """Without the fields that the operator never reads, to save memory."""
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    kept = {**body, "apiVersion": kind.api, "kind": kind.name, "metadata": metadata}
    if kind is POD:
        return {name: kept[name] for name in _KEPT_OF_PODS if name in kept}
    return kept
