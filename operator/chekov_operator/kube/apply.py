"""Applying children by server-side apply, and with that repairing their drift."""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from chekov.errors import ChekovError
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import ApiError, Client
from chekov_operator.kube.drift import differences
from chekov_operator.kube.kinds import CONFIG_MAP, HASH_ANNOTATION, KINDS, SERVICE_ACCOUNT, Kind
from chekov_operator.kube.objects import (
    Object,
    annotation,
    controller_uid,
    digest,
    with_annotation,
)

_APPLIED_FIRST: Final = (CONFIG_MAP.name, SERVICE_ACCOUNT.name)
"""A pod that starts before these exist is retried only after seconds."""
_FAULTS_OF_THE_SPEC: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_UNREADABLE: Final = ("failed to convert new object", "failed to create typed patch object")
"""How the API server's message begins when it cannot read an object; the status is then 500."""


class NameTaken(ChekovError):
    """A child needs the name of an object that belongs to somebody else."""


class ChildRefused(ChekovError):
    """The API server refuses a child as the spec defines it."""


class Applier:
    """Applies objects, and makes no request for those that are already as wanted.

    An object is as wanted if it carries the hash of the wanted object and every wanted field still
    has its value. The API server rewrites some values (`0.5` of a CPU becomes `500m`). Paths that
    still differ directly after an apply are therefore remembered and not applied again.
    """

    def __init__(self, client: Client, cache: Cache) -> None:
        self._client = client
        self._cache = cache
        self._rewritten: dict[str, tuple[str, frozenset[str]]] = {}

    async def apply(
        self, wanted: Sequence[Object], live: Mapping[tuple[str, str], Object]
    ) -> list[str]:
        """Apply the objects that differ; return `kind/name` of each one written.

        Raises:
            NameTaken: an object of that name has another owner.
            ChildRefused: the API server refuses an object as invalid.
        """
        unique = {(body["kind"], body["metadata"]["name"]): body for body in wanted}
        first = [body for (kind, _), body in unique.items() if kind in _APPLIED_FIRST]
        then = [body for (kind, _), body in unique.items() if kind not in _APPLIED_FIRST]
        written: list[str] = []
        for wave in (first, then):
            # Try every object, so that one refusal does not keep the others from being applied.
            results = await asyncio.gather(
                *(self._apply_one(body, live) for body in wave), return_exceptions=True
            )
            for result in results:
                if isinstance(result, BaseException):
                    raise result
                written.extend([result] if result else [])
        return written

    async def delete(self, namespace: str, names: Sequence[tuple[Kind, str]]) -> None:
        for kind, name in names:
            await self._client.delete(kind, namespace, name)

    async def _apply_one(self, body: Object, live: Mapping[tuple[str, str], Object]) -> str | None:
        kind, name = KINDS[body["kind"]], str(body["metadata"]["name"])
        hashed = digest(body)
        body = with_annotation(body, HASH_ANNOTATION, hashed)
        current = live.get((kind.name, name))
        if current is not None and self._is_as_wanted(body, current, hashed):
            return None
        exists = current is not None or await self._exists(kind, body)
        try:
            after = await self._send(kind, body, exists=exists)
        except ApiError as error:
            if error.status in _FAULTS_OF_THE_SPEC or error.reply.startswith(_UNREADABLE):
                raise ChildRefused(error.reply) from error
            raise
        self._rewritten[after["metadata"]["uid"]] = (hashed, differences(body, after))
        self._cache.put(kind, after)
        return f"{kind.name}/{name}"

    async def _send(self, kind: Kind, body: Object, *, exists: bool) -> Object:
        try:
            return await self._client.apply(kind, body)
        except ApiError as error:
            if not exists or error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
        # An apply keeps what other writers added. Where the two together are invalid, such as two
        # ports of one name, their additions have to go.
        await self._client.overwrite(kind, body)
        return await self._client.apply(kind, body)

    async def _exists(self, kind: Kind, body: Object) -> bool:
        """Whether the object exists; the first apply would take over anyone's object of that name.

        Raises:
            NameTaken: it has another owner.
        """
        meta = body["metadata"]
        found = await self._client.get(kind, meta["namespace"], meta["name"])
        if found is not None and controller_uid(found) != controller_uid(body):
            raise NameTaken(
                f"the {kind.name} {meta['name']!r} already exists and has another owner; rename "
                "one of the two, or delete that one"
            )
        return found is not None

    def _is_as_wanted(self, wanted: Object, current: Object, hashed: str) -> bool:
        if annotation(current, HASH_ANNOTATION) != hashed:
            return False
        different = differences(wanted, current)
        if not different:
            return True
        return self._rewritten.get(current["metadata"]["uid"]) == (hashed, different)
