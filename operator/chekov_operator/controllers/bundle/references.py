"""The objects that a bundle's spec refers to: which must exist, and which pods read at start."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, cast

from chekov_operator.api.bundle_access import Access
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.event_store import Store
from chekov_operator.api.fault import Fault
from chekov_operator.kube.content import Content
from chekov_operator.kube.kinds import CONFIG_MAP, SECRET, SERVICE_ACCOUNT, Kind
from chekov_operator.kube.objects import nested, nested_list

_IN_ENV: Final = (("secretKeyRef", SECRET), ("configMapKeyRef", CONFIG_MAP))
_IN_ENV_FROM: Final = (("secretRef", SECRET), ("configMapRef", CONFIG_MAP))
_IN_VOLUMES: Final = (("secret", "secretName", SECRET), ("configMap", "name", CONFIG_MAP))
_CONTAINERS: Final = ("containers", "initContainers")


class Reference(NamedTuple):
    """A reference from a spec to another object.

    Attributes:
        path: the field of the reference.
        kind: of the other object.
        name: of the other object.
        key: the key that it must have, if the reference is to one key.
        optional: whether the pods start without it.
        in_env: whether pods have its value in their environment, which stays as it was when they
            started. Files follow a change by themselves.
    """

    path: str
    kind: Kind
    name: str
    key: str | None = None
    optional: bool = False
    in_env: bool = False


def references(bundle: Bundle) -> Iterable[Reference]:
    """The references of a spec."""
    if bundle.service_account:
        yield Reference("spec.serviceAccountName", SERVICE_ACCOUNT, bundle.service_account)
    for index, item in enumerate(bundle.image_pull_secrets):
        yield Reference(f"spec.imagePullSecrets[{index}]", SECRET, str(item.get("name")))
    jobs = bundle.jobs
    if jobs.service_account:
        yield Reference("spec.jobs.serviceAccountName", SERVICE_ACCOUNT, jobs.service_account)
    for index, item in enumerate(jobs.image_pull_secrets):
        yield Reference(f"spec.jobs.imagePullSecrets[{index}]", SECRET, str(item.get("name")))
    yield from _for_access(bundle.access)
    yield from _in_env({"env": bundle.env, "envFrom": bundle.env_from}, "spec")
    template = "spec.podTemplate.spec"
    for field in _CONTAINERS:
        for index, item in enumerate(nested_list(bundle.pod_template, "spec", field)):
            yield from _in_env(item, f"{template}.{field}[{index}]")
    for index, item in enumerate(nested_list(bundle.pod_template, "spec", "volumes")):
        yield from _in_volume(item, f"{template}.volumes[{index}]")


def reference_to_dsn(store: Store) -> Reference:
    """The reference to the DSN that a bundle's pods have in their environment."""
    return Reference("spec.eventStoreRef", SECRET, store.secret.name, store.secret.key, in_env=True)


def _in_env(holder: object, path: str) -> Iterable[Reference]:
    """The references in `env` and `envFrom` of a container, or of a bundle."""
    for index, item in enumerate(_items(holder, "env")):
        for field, kind in _IN_ENV:
            named = nested(item, "valueFrom", field)
            if isinstance(named, dict):
                yield _reference(f"{path}.env[{index}].valueFrom.{field}", kind, named)
    for index, item in enumerate(_items(holder, "envFrom")):
        for field, kind in _IN_ENV_FROM:
            named = nested(item, field)
            if isinstance(named, dict):
                yield _reference(f"{path}.envFrom[{index}].{field}", kind, named)


def _items(holder: object, field: str) -> Iterable[object]:
    found = nested(holder, field)
    return cast("Iterable[object]", found) if isinstance(found, list | tuple) else ()


def _reference(path: str, kind: Kind, named: Any) -> Reference:
    optional = bool(named.get("optional"))
    return Reference(path, kind, str(named.get("name")), named.get("key"), optional, in_env=True)


def _in_volume(volume: object, path: str) -> Iterable[Reference]:
    for field, name, kind in _IN_VOLUMES:
        named = nested(volume, field)
        if nested(named, name):
            optional = bool(nested(named, "optional"))
            yield Reference(f"{path}.{field}", kind, str(named[name]), optional=optional)
    for index, source in enumerate(nested_list(volume, "projected", "sources")):
        for field, _, kind in _IN_VOLUMES:
            named = nested(source, field)
            if nested(named, "name"):
                where = f"{path}.projected.sources[{index}].{field}"
                optional = bool(nested(named, "optional"))
                yield Reference(where, kind, str(named["name"]), optional=optional)


def _for_access(access: Access) -> Iterable[Reference]:
    if access.tokens:
        yield Reference("spec.auth.tokens.secretRef", SECRET, access.tokens)
    if access.issuer and access.issuer.keys:
        keys = access.issuer.keys
        yield Reference("spec.auth.jwt.keys.configMapRef", CONFIG_MAP, keys.name, keys.key)
    if access.management_token:
        token = access.management_token
        path = "spec.auth.managementToken.secretRef"
        yield Reference(path, SECRET, token.name, token.key, in_env=True)
    if access.certificate:
        for key in ("tls.crt", "tls.key"):
            yield Reference("spec.tls.secretRef", SECRET, access.certificate, key)


def fault_of(reference: Reference, found: Content | None, namespace: str) -> Fault | None:
    """Why a reference cannot be resolved, if so.

    Args:
        reference: the reference.
        found: what the object that it names holds, if that exists.
        namespace: of the bundle.
    """
    path, kind, name, key, optional, _ = reference
    if optional:
        return None
    if found is None:
        return Fault(
            f"{kind.name}NotFound",
            f"{path}: there is no {kind.name} {name!r} in the namespace {namespace!r}; create it, "
            "or name another one",
        )
    if key is None or key in found.digests:
        return None
    return Fault(
        f"{kind.name}KeyMissing",
        f"{path}: the {kind.name} {name!r} has no key {key!r}; it has "
        f"{', '.join(sorted(found.digests)) or 'none'}",
    )
