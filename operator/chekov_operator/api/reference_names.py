"""The names by which a spec refers to other objects, and the patterns they must match.

A name becomes a segment of an API path, so it must not be able to lead out of its namespace. The
resource definitions hold the same patterns. Objects that were stored before the definitions had
them are refused here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from chekov_operator.kube.objects import Object, nested, nested_list

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Rule:
    """The pattern of a kind of name.

    Attributes:
        pattern: as in a resource definition.
        longest: in characters.
        words: the pattern in words.
    """

    pattern: str
    longest: int
    words: str

    def accepts(self, value: object) -> bool:
        return (
            isinstance(value, str)
            and len(value) <= self.longest
            # `$` alone would accept a line break at the end.
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
"""Fields whose value is a name."""
_HOLDERS: Final = frozenset({"configMap", "secret"})
"""Fields that contain a name, besides those that end in `Ref`."""
_NAME_NEEDED: Final = frozenset({"configMapKeyRef", "configMapRef", "secretKeyRef", "secretRef"})
_FREE: Final = frozenset({"annotations", "labels", "matchLabels", "options", "volumeAttributes"})
"""Maps with keys of the user's choice."""


class Named(NamedTuple):
    """A reference to another object.

    Attributes:
        path: the field that holds the name.
        name: the name, of any type.
        rule: the rule that the name must follow.
    """

    path: str
    name: object
    rule: Rule


def name_fault(value: object, rule: Rule) -> str | None:
    """Why a name is refused; `None` if it follows the rule."""
    if rule.accepts(value):
        return None
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return f"expected a name made of {rule.words}, got {shown}; give the name alone, not a path"


def names_of_pod(spec: object, path: str) -> Iterable[Named]:
    """The references in a pod's spec."""
    for field in _POD_FIELDS:
        found = nested(spec, field)
        if found is not None:
            yield Named(f"{path}.{field}", found, SUBDOMAIN)
    yield from names_of_secrets(nested_list(spec, "imagePullSecrets"), f"{path}.imagePullSecrets")
    for field in _POD_LISTS:
        yield from names_within(nested_list(spec, field), f"{path}.{field}")


def names_of_secrets(items: Sequence[Object], path: str) -> Iterable[Named]:
    """The references in `imagePullSecrets`."""
    for index, item in enumerate(items):
        yield Named(f"{path}[{index}].name", nested(item, "name"), SUBDOMAIN)


def names_within(value: object, path: str) -> Iterable[Named]:
    """The references in containers, volumes, `env` or `envFrom`, at any depth."""
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
