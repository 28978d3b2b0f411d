"""The objects that a bundle's spec refers to, which must exist before its pods can start."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from chekov_operator.api.bundle_access import Access
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.fault import Fault
from chekov_operator.kube.kinds import CONFIG_MAP, SECRET, SERVICE_ACCOUNT, Kind
from chekov_operator.kube.objects import Object, nested, nested_strings

_IN_ENV: Final = (("secretKeyRef", SECRET), ("configMapKeyRef", CONFIG_MAP))
_IN_ENV_FROM: Final = (("secretRef", SECRET), ("configMapRef", CONFIG_MAP))


class Reference(NamedTuple):
    """A reference from a spec to another object.

    Attributes:
        path: the field of the reference.
        kind: of the other object.
        name: of the other object.
        key: the key that it must have, if the reference is to one key.
    """

    path: str
    kind: Kind
    name: str
    key: str | None = None


def references(bundle: Bundle) -> Iterable[Reference]:
    """The references that are not optional."""
    if bundle.service_account:
        yield Reference("spec.serviceAccountName", SERVICE_ACCOUNT, bundle.service_account)
    for index, item in enumerate(bundle.image_pull_secrets):
        yield Reference(f"spec.imagePullSecrets[{index}]", SECRET, str(item.get("name")))
    yield from _for_access(bundle.access)
    for index, item in enumerate(bundle.env):
        for field, kind in _IN_ENV:
            named = nested(item, "valueFrom", field)
            if named and not named.get("optional"):
                path = f"spec.env[{index}].valueFrom.{field}"
                yield Reference(path, kind, str(named.get("name")), named.get("key"))
    for index, item in enumerate(bundle.env_from):
        for field, kind in _IN_ENV_FROM:
            named = nested(item, field)
            if named and not named.get("optional"):
                yield Reference(f"spec.envFrom[{index}].{field}", kind, str(named.get("name")))


def _for_access(access: Access) -> Iterable[Reference]:
    if access.tokens:
        yield Reference("spec.auth.tokens.secretRef", SECRET, access.tokens)
    if access.issuer and access.issuer.keys:
        keys = access.issuer.keys
        yield Reference("spec.auth.jwt.keys.configMapRef", CONFIG_MAP, keys.name, keys.key)
    if access.management_token:
        token = access.management_token
        yield Reference("spec.auth.managementToken.secretRef", SECRET, token.name, token.key)
    if access.certificate:
        for key in ("tls.crt", "tls.key"):
            yield Reference("spec.tls.secretRef", SECRET, access.certificate, key)


def fault_of(reference: Reference, found: Object | None, namespace: str) -> Fault | None:
    """Why a reference cannot be resolved, if so.

    Args:
        reference: the reference.
        found: the object that it names, if that exists.
        namespace: of the bundle.
    """
    path, kind, name, key = reference
    if found is None:
        return Fault(
            f"{kind.name}NotFound",
            f"{path}: there is no {kind.name} {name!r} in the namespace {namespace!r}; create it, "
            "or name another one",
        )
    held = nested_strings(found, "data") | nested_strings(found, "binaryData")
    if key is None or key in held:
        return None
    return Fault(
        f"{kind.name}KeyMissing",
        f"{path}: the {kind.name} {name!r} has no key {key!r}; it has "
        f"{', '.join(sorted(held)) or 'none'}",
    )
