"""The kinds the operator reads and writes, and where the API serves them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from chekov.errors import ChekovError

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON gives it."""

GROUP = "chekov.dev"
VERSION = "v1alpha1"
FIELD_MANAGER = "chekov-operator"

BUNDLE_LABEL = f"{GROUP}/bundle"
STORE_LABEL = f"{GROUP}/store"
REVISION_LABEL = f"{GROUP}/revision"
HASH_ANNOTATION = f"{GROUP}/hash"
PAUSED_ANNOTATION = f"{GROUP}/paused"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED: Final[Mapping[str, str]] = {"app.kubernetes.io/managed-by": FIELD_MANAGER}

_SEGMENT: Final = re.compile("[A-Za-z0-9._:-]+")


class InvalidPathSegment(ChekovError):
    """A name that would not stay one segment of an API path."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object.

    Attributes:
        name: as in `kind:`.
        api: as in `apiVersion:`.
        plural: as in paths.
    """

    name: str
    api: str
    plural: str

    def path(
        self, namespace: str | None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """The path of one object, of a subresource of it, or of the collection.

        Raises:
            InvalidPathSegment: a part could lead to another path. Quoting it would not help: `..`
                is resolved whether or not it is quoted.
        """
        root = f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"
        inside = "" if namespace is None else f"/namespaces/{_segment(namespace)}"
        rest = [_segment(part) for part in (name, subresource) if part is not None]
        return "/".join((f"{root}{inside}/{self.plural}", *rest))


def _segment(text: str) -> str:
    # An allow-list: it leaves out "/", "?", "#", "%", white space and control characters.
    if _SEGMENT.fullmatch(text) is None or text in (".", ".."):
        raise InvalidPathSegment(
            f"expected a name made of letters, digits, '-', '_', '.' and ':', got {text!r}; "
            "it would lead to another path of the API"
        )
    return text


STORE = Kind("EventStore", f"{GROUP}/{VERSION}", "eventstores")
BUNDLE = Kind("DomainBundle", f"{GROUP}/{VERSION}", "domainbundles")
CONFIG_MAP = Kind("ConfigMap", "v1", "configmaps")
SECRET = Kind("Secret", "v1", "secrets")
SERVICE = Kind("Service", "v1", "services")
SERVICE_ACCOUNT = Kind("ServiceAccount", "v1", "serviceaccounts")
POD = Kind("Pod", "v1", "pods")
EVENT = Kind("Event", "v1", "events")
LEASE = Kind("Lease", "coordination.k8s.io/v1", "leases")
DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments")
JOB = Kind("Job", "batch/v1", "jobs")
DISRUPTION_BUDGET = Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets")
NETWORK_POLICY = Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies")

CHILDREN = (
    CONFIG_MAP,
    SERVICE,
    SERVICE_ACCOUNT,
    DEPLOYMENT,
    JOB,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
)
"""What bundles and stores own; each is watched by its label, so that drift is seen."""

WATCHED = (STORE, BUNDLE, *CHILDREN, POD)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in WATCHED}


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Names an object to be reconciled."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


def dig(body: object, *path: str) -> Any:
    """What lies at `path`, or `None` where anything on the way is missing."""
    for step in path:
        if not isinstance(body, Mapping):
            return None
        body = cast("Mapping[str, object]", body).get(step)
    return body


def objects(body: object, *path: str) -> Sequence[Object]:
    """The list of objects at `path`; empty when it is missing."""
    found = dig(body, *path)
    return cast("Sequence[Object]", found) if isinstance(found, list) else ()


def strings(body: object, *path: str) -> dict[str, str]:
    """The map of texts at `path`; empty when it is missing."""
    found = dig(body, *path)
    return dict(cast("Mapping[str, str]", found)) if isinstance(found, Mapping) else {}


def condition(body: object, kind: str) -> Object:
    """A condition of an object; empty when it has none of that type."""
    found = (item for item in objects(body, "status", "conditions") if item.get("type") == kind)
    return next(found, dict[str, Any]())


def label(body: object, name: str) -> str | None:
    """One of an object's labels."""
    return dig(body, "metadata", "labels", name)


def annotation(body: object, name: str) -> str | None:
    """One of an object's annotations."""
    return dig(body, "metadata", "annotations", name)


def version_of(body: object) -> int:
    """An object's resource version; they grow with each change."""
    text = str(dig(body, "metadata", "resourceVersion") or "")
    return int(text) if text.isdecimal() else 0


def controller_uid(body: object) -> str | None:
    """The uid of the object that controls this one."""
    owners = objects(body, "metadata", "ownerReferences")
    return next((str(item["uid"]) for item in owners if item.get("controller")), None)


def owner_of(body: object) -> Key | None:
    """The object of ours that a child or a pod belongs to, as its labels say."""
    namespace = str(dig(body, "metadata", "namespace") or "")
    for kind, name in ((BUNDLE, label(body, BUNDLE_LABEL)), (STORE, label(body, STORE_LABEL))):
        if name:
            return Key(kind.name, namespace, name)
    return None
