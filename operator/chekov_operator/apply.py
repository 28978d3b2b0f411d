"""Making the world as planned: the only module that writes to the cluster, besides the Lease."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from chekov.errors import ChekovError
from chekov_operator.client import ApiError, Client
from chekov_operator.merge import differences
from chekov_operator.resources import (
    CONFIG_MAP,
    HASH_ANNOTATION,
    KINDS,
    SERVICE_ACCOUNT,
    Kind,
    Object,
    annotation,
    controller_uid,
    strings,
)
from chekov_operator.revision import digest
from chekov_operator.world import World

_FIRST: Final = (CONFIG_MAP.name, SERVICE_ACCOUNT.name)
"""Pods that start before these wait for seconds until they are tried again."""
_INVALID: Final = 422
_USERS_TO_CHANGE: Final = frozenset({400, 403, 413, 422})
_UNREADABLE: Final = ("failed to convert new object", "failed to create typed patch object")
"""How the API server begins when it cannot read an object; its status is 500 even so."""


class NameTaken(ChekovError):
    """A child would have the name of an object that is somebody else's."""


class ChildRefused(ChekovError):
    """The API server does not take a child as the spec makes it."""


class Applier:
    """Applies objects, and leaves alone what already is as it should be.

    An object is as it should be when it carries the hash of what is wanted and every wanted field
    still has its value. The API server writes some values in its own way (`0.5` of a CPU as
    `500m`); such differences are learned when an apply does not make them go away.
    """

    def __init__(self, client: Client, world: World) -> None:
        self._client = client
        self._world = world
        self._settled: dict[str, tuple[str, frozenset[str]]] = {}

    async def apply(
        self, wanted: Sequence[Object], live: Mapping[tuple[str, str], Object]
    ) -> list[str]:
        """Apply what differs; `kind/name` of each object that was written.

        Raises:
            NameTaken: an object of that name is not ours to change.
            ChildRefused: the API server says that the object cannot be.
        """
        unique = {(body["kind"], body["metadata"]["name"]): body for body in wanted}
        first = [body for place, body in unique.items() if place[0] in _FIRST]
        then = [body for place, body in unique.items() if place[0] not in _FIRST]
        written: list[str] = []
        for wave in (first, then):
            # Every one is tried, so that one fault does not hide behind another.
            results = await asyncio.gather(
                *(self._one(body, live) for body in wave), return_exceptions=True
            )
            for result in results:
                if isinstance(result, BaseException):
                    raise result
                written.extend([result] if result else [])
        return written

    async def delete(self, namespace: str, names: Sequence[tuple[Kind, str]]) -> None:
        """Delete children that should not be."""
        for kind, name in names:
            await self._client.delete(kind, namespace, name)

    async def _one(self, body: Object, live: Mapping[tuple[str, str], Object]) -> str | None:
        kind, name = KINDS[body["kind"]], str(body["metadata"]["name"])
        mark = digest(body)
        marked = with_annotation(body, HASH_ANNOTATION, mark)
        current = live.get((kind.name, name))
        if current is not None and self._is_settled(marked, current, mark):
            return None
        there = current is not None or await self._is_there(kind, body)
        try:
            after = await self._applied(kind, marked, there=there)
        except ApiError as error:
            if error.status in _USERS_TO_CHANGE or error.said.startswith(_UNREADABLE):
                raise ChildRefused(error.said) from error
            raise
        self._settled[after["metadata"]["uid"]] = (mark, differences(marked, after))
        self._world.put(kind, after)
        return f"{kind.name}/{name}"

    async def _applied(self, kind: Kind, body: Object, *, there: bool) -> Object:
        try:
            return await self._client.apply(kind, body)
        except ApiError as error:
            if not there or error.status != _INVALID:
                raise
        # An apply leaves alone what others put beside ours. Where that cannot stand beside ours,
        # such as a second port of the same name, it has to go.
        await self._client.overwrite(kind, body)
        return await self._client.apply(kind, body)

    async def _is_there(self, kind: Kind, body: Object) -> bool:
        """Look before the first apply, which would take over whatever has that name."""
        meta = body["metadata"]
        found = await self._client.get(kind, meta["namespace"], meta["name"])
        if found is not None and controller_uid(found) != controller_uid(body):
            raise NameTaken(
                f"there is a {kind.name} {meta['name']!r} already that does not belong to this "
                "object; rename one of them, or delete it"
            )
        return found is not None

    def _is_settled(self, wanted: Object, current: Object, mark: str) -> bool:
        if annotation(current, HASH_ANNOTATION) != mark:
            return False
        different = differences(wanted, current)
        if not different:
            return True
        return self._settled.get(current["metadata"]["uid"]) == (mark, different)


def with_annotation(body: Object, name: str, value: str) -> Object:
    """A copy of an object with one more annotation."""
    annotations = strings(body, "metadata", "annotations") | {name: value}
    return {**body, "metadata": {**body["metadata"], "annotations": annotations}}
