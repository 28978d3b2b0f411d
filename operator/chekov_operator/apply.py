"""Making the world as planned: the only module that writes to the cluster, besides the Lease."""

from collections.abc import Mapping, Sequence
from typing import Any

from chekov_operator.client import Client
from chekov_operator.resources import HASH_ANNOTATION, KINDS, Kind, Object
from chekov_operator.revision import digest


class Applier:
    """Applies objects, and leaves alone what already is as it should be.

    An object is as it should be when it carries the hash of what is wanted and every wanted field
    still has its value. The API server writes some values in its own way (`0.5` of a CPU as
    `500m`); such differences are learned when an apply does not make them go away.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._settled: dict[str, tuple[str, frozenset[str]]] = {}

    async def apply(
        self,
        wanted: Sequence[Object],
        live: Mapping[tuple[str, str], Object],
    ) -> list[str]:
        """Apply what differs; `kind/name` of each object that was written."""
        written: list[str] = []
        for body in wanted:
            name = body["metadata"]["name"]
            current = live.get((body["kind"], name))
            if await self._one(KINDS[body["kind"]], body, current):
                written.append(f"{body['kind']}/{name}")
        return written

    async def delete(self, namespace: str, names: Sequence[tuple[Kind, str]]) -> None:
        """Delete children that should not be."""
        for kind, name in names:
            await self._client.delete(kind, namespace, name)

    async def _one(self, kind: Kind, body: Object, current: Object | None) -> bool:
        mark = digest(body)
        marked = with_annotation(body, HASH_ANNOTATION, mark)
        if current is not None and self._is_settled(marked, current, mark):
            return False
        after = await self._client.apply(kind, marked)
        self._settled[after["metadata"]["uid"]] = (mark, differences(marked, after))
        return True

    def _is_settled(self, wanted: Object, current: Object, mark: str) -> bool:
        different = differences(wanted, current)
        if not different:
            return True
        return self._settled.get(current["metadata"]["uid"]) == (mark, different)


def with_annotation(body: Object, name: str, value: str) -> Object:
    """A copy of an object with one more annotation."""
    meta = body["metadata"]
    annotations = {**(meta.get("annotations") or {}), name: value}
    return {**body, "metadata": {**meta, "annotations": annotations}}


def differences(wanted: Any, current: Any, path: str = "") -> frozenset[str]:
    """Paths at which `current` is not what is wanted; what is not wanted does not count."""
    if isinstance(wanted, dict):
        if not isinstance(current, dict):
            return frozenset() if not wanted and current is None else frozenset({path})
        return frozenset[str]().union(
            *(
                differences(value, current.get(name), f"{path}.{name}")
                for name, value in wanted.items()
            )
        )
    if isinstance(wanted, list):
        if not isinstance(current, list) or len(wanted) != len(current):
            return frozenset() if not wanted and not current else frozenset({path})
        return frozenset[str]().union(
            *(
                differences(one, other, f"{path}[{index}]")
                for index, (one, other) in enumerate(zip(wanted, current, strict=True))
            )
        )
    return frozenset() if wanted == current else frozenset({path})
