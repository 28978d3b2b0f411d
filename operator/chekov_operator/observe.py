"""Looking at the world around one object. Reads only, and mostly what watches have told."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from chekov.store.postgres.inspect import Progress
from chekov_operator.api import Bundle, InvalidSpec, Store, parse_store
from chekov_operator.client import Client
from chekov_operator.database import Databases
from chekov_operator.dsn import addresses_of, shown
from chekov_operator.observed import BundleObserved, Fault, StoreObserved
from chekov_operator.record import record_of, result_of
from chekov_operator.references import Reference, fault_of, references
from chekov_operator.resources import (
    BUNDLE,
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    REVISION_LABEL,
    STORE,
    Key,
    Object,
    dig,
    label,
)
from chekov_operator.world import World

_CODE_BYTES: Final = 256 * 1024


def jobs_in(children: Mapping[tuple[str, str], Object]) -> Mapping[str, Object]:
    """The Jobs among an object's children, by name."""
    return {name: body for (kind, name), body in children.items() if kind == JOB.name}


class Observer:
    """Reads what planners need to know."""

    def __init__(self, client: Client, world: World, databases: Databases) -> None:
        self._client = client
        self._world = world
        self._databases = databases
        self._confirmed: dict[Key, tuple[str, int]] = {}

    async def store(self, store: Store) -> StoreObserved:
        """Around an EventStore: its Secret, its database, its Jobs."""
        key = Key(STORE.name, store.meta.namespace, store.meta.name)
        jobs = jobs_in(self._world.children(key))
        pods = self._world.pods(key)
        dsn = await self._databases.dsn(store.meta.namespace, store.secret)
        if isinstance(dsn, Fault):
            return StoreObserved(secret=dsn, jobs=jobs, pods=pods, now=time.time())
        host = shown(addresses_of(dsn))
        found = await self._databases.status(store, dsn)
        if isinstance(found, Fault):
            return StoreObserved(
                unreachable=found, host=host, jobs=jobs, pods=pods, now=time.time()
            )
        return StoreObserved(found=found, host=host, jobs=jobs, pods=pods, now=time.time())

    async def bundle(self, bundle: Bundle, body: Object) -> BundleObserved:
        """Around a DomainBundle: its store, what it refers to, its children, its subscriptions."""
        namespace, name = bundle.meta.namespace, bundle.meta.name
        key = Key(BUNDLE.name, namespace, name)
        children = self._world.children(key)
        store = self._world.get(STORE, namespace, bundle.store)
        running = label(children.get((DEPLOYMENT.name, name)), REVISION_LABEL) or dig(
            body, "status", "revision"
        )
        missing, code, seen = await asyncio.gather(
            self._missing(key, bundle),
            self._code(bundle),
            self._progress(store, record_of(children, name, running)),
        )
        modules, fault = code
        return BundleObserved(
            spec=dig(body, "spec") or {},
            store=store,
            missing=[*missing, *([fault] if fault else [])],
            modules=modules,
            children=children,
            pods=self._world.pods(key),
            running=running,
            completed=dig(body, "status", "completedRevision"),
            subscriptions=seen.rows if seen else None,
            head=seen.head if seen else 0,
            now=time.time(),
        )

    def forget(self, key: Key) -> None:
        """An object is gone: nothing about it needs to be kept."""
        self._confirmed.pop(key, None)
        if key.kind == STORE.name:
            self._databases.forget(key)

    async def _missing(self, key: Key, bundle: Bundle) -> list[Fault]:
        """What is named and not there; asked until all is there, then once for each new spec."""
        about = (bundle.meta.uid, bundle.meta.generation)
        if self._confirmed.get(key) == about:
            return []
        found = await asyncio.gather(
            *(self._fault(item, bundle.meta.namespace) for item in references(bundle))
        )
        faults = [fault for fault in found if fault is not None]
        if not faults:
            self._confirmed[key] = about
        return faults

    async def _fault(self, reference: Reference, namespace: str) -> Fault | None:
        found = await self._client.get(reference.kind, namespace, reference.name)
        return fault_of(reference, found, namespace)

    async def _code(self, bundle: Bundle) -> tuple[Mapping[str, str] | None, Fault | None]:
        name = bundle.code.config_map
        if name is None:
            return bundle.code.modules, None
        found = await self._client.get(CONFIG_MAP, bundle.meta.namespace, name)
        path = "spec.code.configMapRef.name"
        fault = fault_of(Reference(path, CONFIG_MAP, name), found, bundle.meta.namespace)
        if fault is not None:
            return {}, fault
        modules: Mapping[str, str] = dig(found, "data") or {}
        if not modules:
            message = f"{path}: the ConfigMap {name!r} holds no modules; give it keys like bank.py"
            return {}, Fault("ConfigMapEmpty", message)
        size = sum(len(source.encode()) for source in modules.values())
        if size > _CODE_BYTES:
            message = (
                f"{path}: the ConfigMap {name!r} holds {size} bytes of code, at most {_CODE_BYTES} "
                "are taken; put the code into an image and name it in spec.code.image"
            )
            return {}, Fault("ConfigMapTooLarge", message)
        return modules, None

    async def _progress(self, store: Object | None, record: Object | None) -> Progress | None:
        domain = dig(result_of(record), "domain")
        if store is None or not domain:
            return None
        try:
            parsed = parse_store(store)
        except InvalidSpec:
            return None
        return await self._databases.progress(parsed, str(domain))
