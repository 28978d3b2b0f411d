"""What the specs of all kinds have in common: metadata, and the check of the names they give."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from chekov.errors import ChekovError
from chekov_operator.api.reference_names import SUBDOMAIN, Named, Rule, name_fault
from chekov_operator.kube.kinds import PAUSED_ANNOTATION
from chekov_operator.kube.objects import annotation, nested

Body: TypeAlias = Mapping[str, object]


class InvalidSpec(ChekovError):
    """A spec that the resource definition should have refused.

    Attributes:
        path: the invalid field.
    """

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        super().__init__(f"{path}: {message}")


@dataclass(frozen=True, slots=True)
class Meta:
    namespace: str
    name: str
    uid: str
    generation: int
    paused: bool
    deleting: bool


def parse_meta(body: Body) -> Meta:
    return Meta(
        namespace=str(nested(body, "metadata", "namespace")),
        name=str(nested(body, "metadata", "name")),
        uid=str(nested(body, "metadata", "uid")),
        generation=int(nested(body, "metadata", "generation") or 0),
        paused=annotation(body, PAUSED_ANNOTATION) == "true",
        deleting=bool(nested(body, "metadata", "deletionTimestamp")),
    )


def parse_name(body: object, field: str, path: str, rule: Rule = SUBDOMAIN) -> str:
    """The name in a required field.

    Raises:
        InvalidSpec: the name is missing, or does not follow the rule.
    """
    found = nested(body, field)
    check_names([Named(f"{path}.{field}", found, rule)])
    return str(found)


def check_names(names: Iterable[Named]) -> None:
    """Refuse names that no Kubernetes object can have.

    Raises:
        InvalidSpec: for the first such name.
    """
    for path, name, rule in names:
        fault = name_fault(name, rule)
        if fault is not None:
            raise InvalidSpec(path, fault)
