"""Looking at the world around one object. Reads only."""

import asyncio
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from chekov.errors import StoreError
from chekov.store.port import SubscriptionRow
from chekov.store.postgres.inspect import inspect, subscription_status

from chekov_operator.api import Bundle, SecretKey, Store, parse_store
from chekov_operator.client import Client
from chekov_operator.observed import BundleObserved, Fault, StoreObserved, parse_check
from chekov_operator.resources import (
    BUNDLE_LABEL,
    CHILDREN,
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    MANAGED,
    POD,
    SECRET,
    STORE,
    STORE_LABEL,
    Object,
)
from chekov_operator.workloads import annotated_check

_POSTGRES_PORT = 5432


class Observer:
    """Reads what planners need to know."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def store(self, store: Store) -> StoreObserved:
        """Around an EventStore: its Secret, its database, its Jobs."""
        labels = {**MANAGED, STORE_LABEL: store.meta.name}
        dsn, jobs, pods = await asyncio.gather(
            self._dsn(store.meta.namespace, store.secret),
            self._client.list(JOB, store.meta.namespace, labels),
            self._client.list(POD, store.meta.namespace, labels),
        )
        named = {job["metadata"]["name"]: job for job in jobs}
        if isinstance(dsn, Fault):
            return StoreObserved(secret=dsn, jobs=named, pods=pods)
        host = address(dsn)[0]
        try:
            found = await inspect(dsn, store.schema)
        except StoreError as error:
            fault = Fault("Unreachable", f"Postgres at {host}: {error}")
            return StoreObserved(unreachable=fault, host=host, jobs=named, pods=pods)
        return StoreObserved(found=found, host=host, jobs=named, pods=pods)

    async def bundle(self, bundle: Bundle) -> BundleObserved:
        """Around a DomainBundle: its store, what it refers to, its children, its subscriptions."""
        namespace, name = bundle.meta.namespace, bundle.meta.name
        labels = {**MANAGED, BUNDLE_LABEL: name}
        store, references, pods, *lists = await asyncio.gather(
            self._client.get(STORE, namespace, bundle.store),
            self._references(bundle),
            self._client.list(POD, namespace, labels),
            *(self._client.list(kind, namespace, labels) for kind in CHILDREN),
        )
        missing, modules = references
        children = {
            (body["kind"], body["metadata"]["name"]): body for found in lists for body in found
        }
        rows, database = await self._subscriptions(
            store, children.get((DEPLOYMENT.name, name)), namespace
        )
        return BundleObserved(
            store=store,
            missing=missing,
            modules=modules,
            children=children,
            pods=pods,
            subscriptions=rows,
            head=int(((store or {}).get("status") or {}).get("position") or 0),
            database=database,
        )

    async def _dsn(self, namespace: str, secret: SecretKey) -> str | Fault:
        body = await self._client.get(SECRET, namespace, secret.name)
        if body is None:
            return Fault(
                "SecretNotFound",
                f"spec.connection: there is no Secret {secret.name!r} in the namespace "
                f"{namespace!r}; create it with the key {secret.key!r} holding a DSN",
            )
        value = (body.get("data") or {}).get(secret.key)
        if not value:
            held = ", ".join(sorted(body.get("data") or {})) or "none"
            return Fault(
                "SecretKeyMissing",
                f"spec.connection: the Secret {secret.name!r} has no key {secret.key!r}; "
                f"it has {held}",
            )
        return b64decode(value).decode().strip()

    async def _references(self, bundle: Bundle) -> tuple[Sequence[Fault], Mapping[str, str] | None]:
        faults = [
            fault
            for path, kind, name in references(bundle)
            if (fault := await self._missing(bundle.meta.namespace, path, kind, name))
        ]
        if bundle.code.config_map is None:
            return faults, bundle.code.modules
        body = await self._client.get(CONFIG_MAP, bundle.meta.namespace, bundle.code.config_map)
        if body is None:
            return faults, {}
        modules: Mapping[str, str] = body.get("data") or {}
        if not modules:
            faults.append(
                Fault(
                    "ConfigMapEmpty",
                    f"spec.code.configMapRef: the ConfigMap {bundle.code.config_map!r} holds no "
                    "modules; give it keys like bank.py",
                )
            )
        return faults, modules

    async def _missing(self, namespace: str, path: str, kind: str, name: str) -> Fault | None:
        resource = SECRET if kind == "Secret" else CONFIG_MAP
        if await self._client.get(resource, namespace, name) is not None:
            return None
        return Fault(
            f"{kind}NotFound",
            f"{path}: there is no {kind} {name!r} in the namespace {namespace!r}; create it, or "
            "name another",
        )

    async def _subscriptions(
        self, store: Object | None, deployment: Object | None, namespace: str
    ) -> tuple[Sequence[SubscriptionRow] | None, tuple[str, int] | None]:
        if store is None:
            return None, None
        parsed = parse_store(store)
        dsn = await self._dsn(namespace, parsed.secret)
        if isinstance(dsn, Fault):
            return None, None
        domain = (parse_check(annotated_check(deployment)) or {}).get("domain")
        if not domain:
            return None, address(dsn)
        try:
            return await subscription_status(dsn, parsed.schema, str(domain)), address(dsn)
        except StoreError:
            return None, address(dsn)


def address(dsn: str) -> tuple[str, int]:
    """Host and port of a DSN, without what is secret in it."""
    try:
        parts = urlsplit(dsn)
        return parts.hostname or "localhost", parts.port or _POSTGRES_PORT
    except ValueError:
        return "an unreadable DSN", _POSTGRES_PORT


def references(bundle: Bundle) -> Iterable[tuple[str, str, str]]:
    """Path, kind and name of each object that the spec needs to be there."""
    if bundle.code.config_map is not None:
        yield "spec.code.configMapRef.name", "ConfigMap", bundle.code.config_map
    for index, item in enumerate(bundle.env):
        source: Mapping[str, Any] = item.get("valueFrom") or {}
        for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            reference: Mapping[str, Any] = source.get(field) or {}
            if reference and not reference.get("optional"):
                path = f"spec.env[{index}].valueFrom.{field}"
                yield path, kind, str(reference.get("name"))
    for index, item in enumerate(bundle.env_from):
        for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            reference = item.get(field) or {}
            if reference and not reference.get("optional"):
                yield f"spec.envFrom[{index}].{field}", kind, str(reference.get("name"))
