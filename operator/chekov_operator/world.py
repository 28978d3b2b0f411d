"""What watches have told: the operator's own objects and their children, and nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from chekov_operator.resources import (
    BUNDLE,
    CHILDREN,
    POD,
    STORE,
    Key,
    Kind,
    Object,
    dig,
    owner_of,
    version_of,
)

Place = tuple[str, str, str]
"""Kind, namespace and name."""

_SHOWN_OF_PODS: Final = ("apiVersion", "kind", "metadata", "status")


class World:
    """A copy of the objects that matter, so that looking at them costs no request.

    It may be a moment behind. That does no harm: what is applied twice is the same the second
    time, and the change that was missed comes with the next event.
    """

    def __init__(self) -> None:
        self._objects: dict[Place, Object] = {}
        self._watched: dict[Place, int] = {}
        self._families: dict[Key, set[Place]] = {}

    def put(self, kind: Kind, body: Object, *, watched: bool = False) -> None:
        """Take in an object, unless a newer state of it is known.

        Args:
            kind: of the object.
            body: as the API server sent it.
            watched: whether a watch told of it, rather than an answer to a request of ours.
        """
        place = _place(kind, body)
        version = version_of(body)
        if watched:
            self._watched[place] = max(version, self._watched.get(place, 0))
        known = self._objects.get(place)
        if known is not None and version_of(known) > version:
            return
        if known is not None:
            # Somebody may have taken away the label that told whose it is.
            self._leave(known, place)
        self._objects[place] = _trimmed(kind, body)
        family = owner_of(body)
        if family is not None:
            self._families.setdefault(family, set()).add(place)

    def drop(self, kind: Kind, body: Object) -> None:
        """Forget an object that is gone, unless a newer one took its name."""
        place = _place(kind, body)
        known = self._objects.get(place)
        self._watched.pop(place, None)
        if known is None or version_of(known) > version_of(body):
            return
        del self._objects[place]
        self._leave(known, place)

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object."""
        return self._objects.get((kind.name, namespace, name))

    def children(self, key: Key) -> Mapping[tuple[str, str], Object]:
        """What belongs to an object, pods aside, by kind and name."""
        names = {kind.name for kind in CHILDREN}
        return {
            (place[0], place[2]): self._objects[place]
            for place in sorted(self._families.get(key, ()))
            if place[0] in names
        }

    def pods(self, key: Key) -> Sequence[Object]:
        """The pods that belong to an object, without their specs."""
        family = sorted(self._families.get(key, ()))
        return [self._objects[place] for place in family if place[0] == POD.name]

    def keys(self) -> Iterable[Key]:
        """Every store and bundle."""
        owners = (STORE.name, BUNDLE.name)
        return [Key(*place) for place in self._objects if place[0] in owners]

    def places(self, kind: Kind) -> Mapping[Place, int]:
        """Where there are objects of a kind, and at what version."""
        return {
            place: version_of(body)
            for place, body in self._objects.items()
            if place[0] == kind.name
        }

    def watched(self, place: Place) -> int:
        """The newest version of an object that a watch told of; 0 if none did."""
        return self._watched.get(place, 0)

    def _leave(self, known: Object, place: Place) -> None:
        """Take an object out of the family that it was in so far."""
        family = owner_of(known)
        if family is not None and (members := self._families.get(family)):
            members.discard(place)
            if not members:
                del self._families[family]


def _place(kind: Kind, body: Object) -> Place:
    return (kind.name, str(dig(body, "metadata", "namespace") or ""), str(body["metadata"]["name"]))


def _trimmed(kind: Kind, body: Object) -> Object:
    """Without what nobody reads here and what would fill the memory."""
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    shown = {**body, "apiVersion": kind.api, "kind": kind.name, "metadata": metadata}
    if kind is POD:
        return {name: shown[name] for name in _SHOWN_OF_PODS if name in shown}
    return shown
