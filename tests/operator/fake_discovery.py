"""The discovery documents of the fake API server, by which clients learn what it serves."""

from collections.abc import Iterable

from chekov_operator.kube.kinds import EVENT, LEASE, SECRET, WATCHED, Kind
from chekov_operator.kube.objects import Object

_DEFINITION = Kind(
    "CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions"
)
_NAMESPACE = Kind("Namespace", "v1", "namespaces")
_CLUSTER_WIDE = (_DEFINITION, _NAMESPACE)
_ALL = (*WATCHED, SECRET, EVENT, LEASE, *_CLUSTER_WIDE)


def documents(kinds: Iterable[Kind] = _ALL) -> dict[str, Object]:
    """The documents by path."""
    found: dict[str, Object] = {"/api": {"versions": ["v1"]}, "/apis": {"groups": []}}
    for kind in kinds:
        group, _, version = kind.api.rpartition("/")
        root = f"/apis/{kind.api}" if group else f"/api/{kind.api}"
        if group and root not in found:
            version_of_group = {"groupVersion": kind.api, "version": version}
            found["/apis"]["groups"].append(
                {
                    "name": group,
                    "versions": [version_of_group],
                    "preferredVersion": version_of_group,
                }
            )
        resources = found.setdefault(root, {"groupVersion": kind.api, "resources": []})
        resources["resources"].append(
            {
                "name": kind.plural,
                "singularName": kind.name.lower(),
                "kind": kind.name,
                "namespaced": kind not in _CLUSTER_WIDE,
                "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
            }
        )
    return found
