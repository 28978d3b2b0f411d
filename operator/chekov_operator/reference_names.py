"""Which names a spec may give to other objects.

A name becomes a segment of an API path, so it must not be able to leave its namespace. The resource
definitions hold the same patterns; objects stored before they did are refused here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from chekov_operator.resources import Object, dig, objects

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Rule:
    """What a name may look like.

    Attributes:
        pattern: as in a resource definition.
        longest: in characters.
        words: the pattern as a person would say it.
    """

    pattern: str
    longest: int
    words: str

    def accepts(self, value: object) -> bool:
        """Whether a value is such a name."""
        return (
            isinstance(value, str)
            and len(value) <= self.longest
            # `$` would let a line break at the end pass.
            and re.fullmatch(self.pattern, value) is not None
        )


SUBDOMAIN: Final = Rule(
    rf"^{_LABEL}([.]{_LABEL})*$",
    253,
    "lower-case letters, digits, '-' and '.', at most 253 characters",
)
LABEL: Final = Rule(f"^{_LABEL}$", 63, "lower-case letters, digits and '-', at most 63 characters")
DATA_KEY: Final = Rule(
    "^([-_a-zA-Z0-9]|[.][-_a-zA-Z0-9])[-._a-zA-Z0-9]*$",
    253,
    "letters, digits, '-', '_' and '.', at most 253 characters",
)

_POD_FIELDS: Final = (
    "serviceAccountName",
    "serviceAccount",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "nodeName",
)
_POD_LISTS: Final = ("volumes", "containers", "initContainers", "ephemeralContainers")
_NAMES: Final = frozenset({"secretName", "claimName"})
"""Fields that are a name themselves."""
_HOLDERS: Final = frozenset({"configMap", "secret"})
"""Fields that hold a name, besides those that end in `Ref`."""
_NAME_NEEDED: Final = frozenset({"configMapKeyRef", "configMapRef", "secretKeyRef", "secretRef"})
_FREE: Final = frozenset({"annotations", "labels", "matchLabels", "options", "volumeAttributes"})
"""Maps whose keys are the user's own."""


class Named(NamedTuple):
    """A name that a spec gives to another object.

    Attributes:
        path: the field that holds it.
        name: the name, which may be no text at all.
        rule: what it must look like.
    """

    path: str
    name: object
    rule: Rule


def checked(value: object, rule: Rule) -> str | None:
    """What is wrong with a name, or `None`."""
    if rule.accepts(value):
        return None
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return f"expected a name made of {rule.words}, got {shown}; give the name alone, not a path"


def names_of_pod(spec: object, path: str) -> Iterable[Named]:
    """Every name that a pod's spec gives to another object."""
    for field in _POD_FIELDS:
        found = dig(spec, field)
        if found is not None:
            yield Named(f"{path}.{field}", found, SUBDOMAIN)
    yield from names_of_secrets(objects(spec, "imagePullSecrets"), f"{path}.imagePullSecrets")
    for field in _POD_LISTS:
        yield from names_within(objects(spec, field), f"{path}.{field}")


def names_of_secrets(items: Sequence[Object], path: str) -> Iterable[Named]:
    """The names in `imagePullSecrets`."""
    for index, item in enumerate(items):
        yield Named(f"{path}[{index}].name", dig(item, "name"), SUBDOMAIN)


def names_within(value: object, path: str) -> Iterable[Named]:
    """Every name in containers, volumes, `env` or `envFrom`, however deep."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(cast("Sequence[object]", value)):
            yield from names_within(item, f"{path}[{index}]")
        return
    if not isinstance(value, Mapping):
        return
    for field, inner in cast("Mapping[str, object]", value).items():
        here = f"{path}.{field}"
        if field in _FREE:
            continue
        if field in _NAMES:
            yield Named(here, inner, SUBDOMAIN)
        elif isinstance(inner, Mapping) and (field.endswith("Ref") or field in _HOLDERS):
            yield from _of_reference(field, cast("Mapping[str, object]", inner), here)
        yield from names_within(cast("object", inner), here)


def _of_reference(field: str, reference: Mapping[str, object], path: str) -> Iterable[Named]:
    if "name" in reference or field in _NAME_NEEDED:
        yield Named(f"{path}.name", reference.get("name"), SUBDOMAIN)
    if "key" in reference or field.endswith("KeyRef"):
        yield Named(f"{path}.key", reference.get("key"), DATA_KEY)
