"""The kinds the operator reads and writes, and where the API serves them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

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
MANAGED = {"app.kubernetes.io/managed-by": FIELD_MANAGER}


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

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """The path of one object, or of the collection."""
        root = f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{inside}/{self.plural}" + (f"/{name}" if name else "")


STORE = Kind("EventStore", f"{GROUP}/{VERSION}", "eventstores")
BUNDLE = Kind("DomainBundle", f"{GROUP}/{VERSION}", "domainbundles")
CONFIG_MAP = Kind("ConfigMap", "v1", "configmaps")
SECRET = Kind("Secret", "v1", "secrets")
SERVICE = Kind("Service", "v1", "services")
SERVICE_ACCOUNT = Kind("ServiceAccount", "v1", "serviceaccounts")
POD = Kind("Pod", "v1", "pods")
EVENT = Kind("Event", "v1", "events")
DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments")
JOB = Kind("Job", "batch/v1", "jobs")
DISRUPTION_BUDGET = Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets")
NETWORK_POLICY = Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies")
DEFINITION = Kind(
    "CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions"
)

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

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (*CHILDREN, STORE, BUNDLE, POD)}


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Names an object to be reconciled."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"
