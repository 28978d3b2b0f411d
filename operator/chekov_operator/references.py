"""What a bundle's spec names and must be there before its pods can start."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from chekov_operator.api import Bundle
from chekov_operator.observed import Fault
from chekov_operator.resources import (
    CONFIG_MAP,
    SECRET,
    SERVICE_ACCOUNT,
    Kind,
    Object,
    dig,
    strings,
)

_IN_ENV: Final = (("secretKeyRef", SECRET), ("configMapKeyRef", CONFIG_MAP))
_IN_ENV_FROM: Final = (("secretRef", SECRET), ("configMapRef", CONFIG_MAP))


class Reference(NamedTuple):
    """One object that a spec names.

    Attributes:
        path: the field that names it.
        kind: of the object.
        name: of the object.
        key: that it must hold, if a certain one is needed.
    """

    path: str
    kind: Kind
    name: str
    key: str | None = None


def references(bundle: Bundle) -> Iterable[Reference]:
    """Each object that must be there."""
    if bundle.service_account:
        yield Reference("spec.serviceAccountName", SERVICE_ACCOUNT, bundle.service_account)
    for index, item in enumerate(bundle.image_pull_secrets):
        yield Reference(f"spec.imagePullSecrets[{index}]", SECRET, str(item.get("name")))
    for index, item in enumerate(bundle.env):
        for field, kind in _IN_ENV:
            named = dig(item, "valueFrom", field)
            if named and not named.get("optional"):
                path = f"spec.env[{index}].valueFrom.{field}"
                yield Reference(path, kind, str(named.get("name")), named.get("key"))
    for index, item in enumerate(bundle.env_from):
        for field, kind in _IN_ENV_FROM:
            named = dig(item, field)
            if named and not named.get("optional"):
                yield Reference(f"spec.envFrom[{index}].{field}", kind, str(named.get("name")))


def fault_of(reference: Reference, found: Object | None, namespace: str) -> Fault | None:
    """Why a reference cannot be followed, if it cannot.

    Args:
        reference: what is named.
        found: the object of that name.
        namespace: it was looked for in.
    """
    path, kind, name, key = reference
    if found is None:
        return Fault(
            f"{kind.name}NotFound",
            f"{path}: there is no {kind.name} {name!r} in the namespace {namespace!r}; create it, "
            "or name another",
        )
    held = strings(found, "data") | strings(found, "binaryData")
    if key is None or key in held:
        return None
    return Fault(
        f"{kind.name}KeyMissing",
        f"{path}: the {kind.name} {name!r} has no key {key!r}; it has "
        f"{', '.join(sorted(held)) or 'none'}",
    )
