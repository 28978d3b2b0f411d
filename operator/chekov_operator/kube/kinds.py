"""The kinds that the operator reads and writes, their API paths, and the labels it sets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from chekov.errors import ChekovError

GROUP = "chekov.dev"
VERSION = "v1alpha1"
FIELD_MANAGER = "chekov-operator"

BUNDLE_LABEL = f"{GROUP}/bundle"
STORE_LABEL = f"{GROUP}/store"
REVISION_LABEL = f"{GROUP}/revision"
HASH_ANNOTATION = f"{GROUP}/hash"
BASIS_ANNOTATION = f"{GROUP}/basis"
ACCEPTED_LOSS_ANNOTATION = f"{GROUP}/accepted-loss"
PAUSED_ANNOTATION = f"{GROUP}/paused"
PROMOTE_ANNOTATION = f"{GROUP}/promote"
UNDO_ANNOTATION = f"{GROUP}/undo"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED: Final[Mapping[str, str]] = {"app.kubernetes.io/managed-by": FIELD_MANAGER}

_SEGMENT: Final = re.compile("[A-Za-z0-9._:-]+")


class InvalidPathSegment(ChekovError):
    """A name that cannot be one segment of an API path."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object.

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
        """The path of an object or of one of its subresources; without a name, of the collection.

        Raises:
            InvalidPathSegment: a part could lead to another path. Quoting does not prevent that:
                URL libraries resolve `..` whether or not it is quoted.
        """
        root = f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"
        inside = "" if namespace is None else f"/namespaces/{_segment(namespace)}"
        rest = [_segment(part) for part in (name, subresource) if part is not None]
        return "/".join((f"{root}{inside}/{self.plural}", *rest))


def _segment(text: str) -> str:
    # An allow-list excludes "/", "?", "#", "%", white space and control characters at once.
    if _SEGMENT.fullmatch(text) is None or text in (".", ".."):
        raise InvalidPathSegment(
            f"expected a name made of letters, digits, '-', '_', '.' and ':', got {text!r}, "
            "which could lead to another path of the API"
        )
    return text


STORE = Kind("EventStore", f"{GROUP}/{VERSION}", "eventstores")
BUNDLE = Kind("DomainBundle", f"{GROUP}/{VERSION}", "domainbundles")
REVISION = Kind("BundleRevision", f"{GROUP}/{VERSION}", "bundlerevisions")
SUBSCRIPTION = Kind("Subscription", f"{GROUP}/{VERSION}", "subscriptions")
REPLAY = Kind("Replay", f"{GROUP}/{VERSION}", "replays")
CONFIG_MAP = Kind("ConfigMap", "v1", "configmaps")
SECRET = Kind("Secret", "v1", "secrets")
SERVICE = Kind("Service", "v1", "services")
SERVICE_ACCOUNT = Kind("ServiceAccount", "v1", "serviceaccounts")
POD = Kind("Pod", "v1", "pods")
ENDPOINT_SLICE = Kind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices")
EVENT = Kind("Event", "v1", "events")
LEASE = Kind("Lease", "coordination.k8s.io/v1", "leases")
DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments")
JOB = Kind("Job", "batch/v1", "jobs")
DISRUPTION_BUDGET = Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets")
AUTOSCALER = Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers")
NETWORK_POLICY = Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies")

CHILDREN = (
    REVISION,
    CONFIG_MAP,
    SERVICE,
    SERVICE_ACCOUNT,
    DEPLOYMENT,
    JOB,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    SUBSCRIPTION,
    AUTOSCALER,
)
"""What bundles, their revisions and stores own. Each kind is watched by its label, so that drift is
noticed."""

WRITTEN_BY_USERS = (STORE, BUNDLE, REPLAY)
"""All of these are watched, whatever their labels."""

RECONCILED = (*WRITTEN_BY_USERS, SUBSCRIPTION)
"""The kinds that have a controller each."""

DEFINED = (*RECONCILED, REVISION)
"""The kinds that need a definition in the cluster."""

WATCHED = (*WRITTEN_BY_USERS, *CHILDREN, POD)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in WATCHED}


class Key(NamedTuple):
    """Names one object of the cluster."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"
