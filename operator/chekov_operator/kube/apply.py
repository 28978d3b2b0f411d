"""Applying children by server-side apply, and with that repairing their drift."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from chekov.errors import ChekovError
from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.drift import Differences, differences
from chekov_operator.kube.kinds import (
    CONFIG_MAP,
    FIELD_MANAGER,
    HASH_ANNOTATION,
    KINDS,
    NETWORK_POLICY,
    SERVICE_ACCOUNT,
    Key,
    Kind,
)
from chekov_operator.kube.objects import (
    Children,
    Object,
    annotation,
    controller_uid,
    digest,
    nested,
    nested_list,
    with_annotation,
)
from chekov_operator.kube.repairs import ChildRepairs

_APPLIED_FIRST: Final = (CONFIG_MAP.name, SERVICE_ACCOUNT.name, NETWORK_POLICY.name)
"""A pod that starts before these exist is retried only after seconds, or is not limited at first.
"""
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


class FieldContested(ChekovError):
    """Another writer keeps changing fields of a child, which are set back less and less often.

    Attributes:
        retry_after: seconds until the next repair.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message)


@dataclass(slots=True)
class _Child:
    """What is remembered of one child.

    Attributes:
        uid: of the object.
        hashed: the hash of the wanted object that was applied last.
        rewritten: what differed from it directly after that.
        repairs: of its fields.
    """

    uid: str
    hashed: str
    rewritten: Differences
    repairs: ChildRepairs


@dataclass(frozen=True, slots=True)
class _Application:
    """One object to be sent.

    Attributes:
        kind: of the object.
        body: as it is wanted, with its hash.
        hashed: the hash.
        repairs: of its fields.
        is_new: whether it is not known to exist.
    """

    kind: Kind
    body: Object
    hashed: str
    repairs: ChildRepairs
    is_new: bool


class Applier:
    """Applies objects, and makes no request for those that are already as wanted.

    An object is as wanted if it carries the hash of the wanted object and every wanted field still
    has its value. The API server rewrites some values (`0.5` of a CPU becomes `500m`). The values
    that differ directly after an apply are therefore remembered and not applied again.
    """

    def __init__(
        self, client: Client, cache: Cache, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._known: dict[Key, dict[tuple[str, str], _Child]] = {}

    async def apply(self, owner: Key, wanted: Sequence[Object], live: Children) -> list[str]:
        """Apply the objects that differ; return `kind/name` of each one written.

        Raises:
            NameTaken: an object of that name has another owner.
            ChildRefused: the API server refuses an object as invalid.
            FieldContested: another writer keeps changing an object; the others are as wanted.
        """
        unique = {(body["kind"], body["metadata"]["name"]): body for body in wanted}
        known = self._known.get(owner, {})
        self._known[owner] = {name: child for name, child in known.items() if name in unique}
        pending = [
            application
            for body in unique.values()
            if (application := self._pending(owner, body, live)) is not None
        ]
        first = [item for item in pending if item.kind.name in _APPLIED_FIRST]
        then = [item for item in pending if item.kind.name not in _APPLIED_FIRST]
        written: list[str] = []
        for wave in (first, then):
            # Try every object, so that one refusal does not keep the others from being applied.
            results = await asyncio.gather(
                *(self._apply_one(owner, item) for item in wave), return_exceptions=True
            )
            for result in results:
                if isinstance(result, BaseException):
                    raise result
                written.append(result)
        self._raise_contested(owner)
        return written

    async def delete(
        self, namespace: str, names: Sequence[tuple[Kind, str]], live: Children
    ) -> None:
        """Delete children, unless another object has taken the name of one."""
        for kind, name in names:
            uid = nested(live.get((kind.name, name)), "metadata", "uid")
            if uid is not None:
                await self._client.delete(kind, namespace, name, uid=str(uid))

    def remembered(self, owner: Key) -> list[tuple[str, str]]:
        """Kind and name of each child of which something is remembered."""
        return list(self._known.get(owner, ()))

    def forget(self, owner: Key) -> None:
        """Drop what is remembered of the children of an object that was deleted."""
        self._known.pop(owner, None)

    def _pending(self, owner: Key, body: Object, live: Children) -> _Application | None:
        """What has to be sent so that an object is as wanted; `None` if nothing."""
        kind, name = KINDS[body["kind"]], str(body["metadata"]["name"])
        hashed = digest(body)
        body = with_annotation(body, HASH_ANNOTATION, hashed)
        current = live.get((kind.name, name))
        child = self._known[owner].get((kind.name, name))
        if child is not None and child.uid != nested(current, "metadata", "uid"):
            child = None
        repairs = child.repairs if child else ChildRepairs(self._clock)
        is_applied = annotation(current, HASH_ANNOTATION) == hashed
        # Where it has another hash, somebody applied it since, such as a second release.
        if current is not None and (is_applied or (child and child.hashed == hashed)):
            different = differences(body, current)
            known: Differences = child.rewritten if child and child.hashed == hashed else {}
            if not different or different == known:
                return None
            # What was removed differs too, and holds None.
            drifted = [
                path
                for path, value in different.items()
                if path not in known or known[path] != value
            ]
            if child and not repairs.is_due(drifted):
                return None
            if child and child.hashed == hashed:
                # Otherwise nothing was applied before, which says nothing about other writers.
                repairs.count(drifted)
        return _Application(kind, body, hashed, repairs, is_new=current is None)

    async def _apply_one(self, owner: Key, item: _Application) -> str:
        kind, name = item.kind, str(item.body["metadata"]["name"])
        try:
            after = await (self._create if item.is_new else self._update)(kind, item.body)
        except ApiError as error:
            if error.status in _FAULTS_OF_THE_SPEC or error.reply.startswith(_UNREADABLE):
                raise ChildRefused(error.reply) from error
            raise
        self._known[owner][kind.name, name] = _Child(
            str(after["metadata"]["uid"]),
            item.hashed,
            differences(item.body, after),
            item.repairs,
        )
        self._cache.put(kind, after)
        return f"{kind.name}/{name}"

    def _raise_contested(self, owner: Key) -> None:
        contested = {
            f"{kind} {name!r}": fields
            for (kind, name), child in self._known[owner].items()
            if (fields := child.repairs.contested())
        }
        if not contested:
            return
        where = "; ".join(
            f"{', '.join(path.lstrip('.') for path in sorted(fields))} of the {child}"
            for child, fields in sorted(contested.items())
        )
        retry_after = min(min(fields.values()) for fields in contested.values())
        raise FieldContested(
            f"something else keeps changing {where}, and the operator sets it back less and less "
            "often; find it in metadata.managedFields of that object, and let one of the two go",
            retry_after,
        )

    async def _create(self, kind: Kind, body: Object) -> Object:
        """Apply an object that is not known to exist.

        Raises:
            NameTaken: it exists and has another owner. An apply would take over anyone's object.
        """
        try:
            # Asking first whether it exists took 13 of the 41 requests for a new bundle.
            return await self._client.apply_new(kind, body)
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
        meta = body["metadata"]
        found = await self._client.get(kind, meta["namespace"], meta["name"])
        if found is None:
            return await self._client.apply(kind, body)
        if not _is_child(found, body):
            raise NameTaken(
                f"the {kind.name} {meta['name']!r} already exists and has another owner; rename "
                "one of the two, or delete that one"
            )
        return await self._update(kind, body)

    async def _update(self, kind: Kind, body: Object) -> Object:
        try:
            return await self._client.apply(kind, body)
        except ApiError as error:
            if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
        # An apply keeps what other writers added. Where the two together are invalid, such as two
        # ports of one name, their additions have to go.
        await self._client.overwrite(kind, body)
        return await self._client.apply(kind, body)


def _is_child(found: Object, body: Object) -> bool:
    """Whether an object is the wanted one's predecessor: also without its owner, if made here."""
    controller = controller_uid(found)
    if controller is None:
        managers = nested_list(found, "metadata", "managedFields")
        return any(item.get("manager") == FIELD_MANAGER for item in managers)
    return controller == controller_uid(body)
