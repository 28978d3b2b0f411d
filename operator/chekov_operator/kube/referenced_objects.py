"""Secrets, ConfigMaps and ServiceAccounts that specs name: read once, and again after a change.

One watch for each kind delivers the metadata alone, so what it costs does not grow with the number
of names, and no Secret that is not named ever reaches the operator. Of one that is named, the
values are not kept: only a digest of each.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Final, TypeAlias

from chekov_operator.kube.api_error import ApiUnavailable
from chekov_operator.kube.client import Client
from chekov_operator.kube.content import Content, content_of
from chekov_operator.kube.following import follow
from chekov_operator.kube.kinds import CONFIG_MAP, SECRET, SERVICE_ACCOUNT, Key, Kind
from chekov_operator.kube.objects import Object, key_of

FOLLOWED: Final = (SECRET, CONFIG_MAP, SERVICE_ACCOUNT)
UNWATCHED_SECONDS: Final = 60.0
"""After which a content is read again while no watch would report its change."""

_Scope: TypeAlias = tuple[Kind, str | None]


class ReferencedObjects:
    """What specs name, with who names it.

    Args:
        client: to the API server.
        namespaces: to follow; empty for all.
        changed: called with an object that changed and those that name it.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        client: Client,
        namespaces: Sequence[str] = (),
        changed: Callable[[Key, Iterable[Key]], None] = lambda _reference, _owners: None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._changed = changed
        self._clock = clock
        self._contents: dict[Key, tuple[float, asyncio.Future[Content | None]]] = {}
        self._owners: dict[Key, set[Key]] = {}
        self._named: dict[Key, set[Key]] = {}
        self._watched: set[_Scope] = set()

    async def get(self, owner: Key, kind: Kind, name: str) -> Content | None:
        """What an object in the owner's namespace holds; `None` if it does not exist.

        The owner is reported from now on when the object changes, appears or goes.

        Raises:
            ApiError: the API server refuses the request.
            ApiUnavailable: it does not answer.
        """
        key = Key(kind.name, owner.namespace, name)
        self._owners.setdefault(key, set()).add(owner)
        self._named.setdefault(owner, set()).add(key)
        known = self._contents.get(key)
        if known is not None and not self._is_outdated(kind, key, known[0]):
            # Others may wait for the same answer.
            return known[1].result() if known[1].done() else await asyncio.shield(known[1])
        answer = asyncio.get_running_loop().create_future()
        self._contents[key] = (self._clock(), answer)
        try:
            found = await self._client.get(kind, key.namespace, key.name)
        except BaseException as error:
            self._contents.pop(key, None)
            answer.set_exception(
                error if isinstance(error, Exception) else ApiUnavailable("not read any more")
            )
            # Retrieved, since perhaps nobody else waits.
            answer.exception()
            raise
        answer.set_result(None if found is None else content_of(kind, found))
        return answer.result()

    def retain(self, owner: Key, names: Iterable[tuple[str, str]]) -> None:
        """Drop what an object named before, but for these: kind and name of each."""
        kept = {Key(kind, owner.namespace, name) for kind, name in names}
        named = self._named.get(owner, set())
        self._release(owner, named - kept)
        named &= kept

    def forget(self, owner: Key) -> None:
        """Drop what only a deleted object named."""
        self._release(owner, self._named.pop(owner, ()))

    def _release(self, owner: Key, names: Iterable[Key]) -> None:
        for key in names:
            owners = self._owners[key]
            owners.discard(owner)
            if not owners:
                del self._owners[key]
                self._contents.pop(key, None)

    async def run(self) -> None:
        """Follow the changes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind in FOLLOWED:
                for namespace in self._namespaces:
                    group.create_task(
                        self._follow(kind, namespace), name=f"referenced {kind.plural}"
                    )

    def _is_outdated(self, kind: Kind, key: Key, since: float) -> bool:
        scopes = ((kind, None), (kind, key.namespace))
        if any(scope in self._watched for scope in scopes):
            return False
        return self._clock() - since > UNWATCHED_SECONDS

    async def _follow(self, kind: Kind, namespace: str | None) -> None:
        scope = (kind, namespace)

        async def begin() -> str:
            version = await self._client.version(kind, namespace)
            self._watched.add(scope)
            # No watch reports what changed before.
            self.invalidate([key for key in self._owners if _is_within(key, kind, namespace)])
            return version

        def changes(version: str) -> AsyncGenerator[tuple[str, Object]]:
            return self._client.changes(kind, namespace, version)

        def deliver(_change: str, body: Object) -> None:
            self.invalidate([key_of(kind, body)])

        def end() -> None:
            self._watched.discard(scope)

        await follow(begin, changes, deliver, end, what=kind.plural)

    def invalidate(self, keys: Iterable[Key]) -> None:
        """Read again what changed, if it is named, and report it."""
        for key in keys:
            owners = self._owners.get(key)
            if owners:
                self._contents.pop(key, None)
                self._changed(key, list(owners))


def _is_within(key: Key, kind: Kind, namespace: str | None) -> bool:
    return key.kind == kind.name and namespace in (None, key.namespace)
