"""The Subscriptions of a bundle: one for each handler of the revision that serves."""

from collections.abc import Sequence

from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.children import names
from chekov_operator.children.workloads import child as made_child
from chekov_operator.children.workloads import child_labels
from chekov_operator.kube.kinds import BUNDLE, SUBSCRIPTION
from chekov_operator.kube.objects import Object, nested, nested_list


def subscriptions(bundle: Bundle, result: Object | None) -> Sequence[Object]:
    """The Subscriptions of a bundle, without what their users set.

    Args:
        bundle: owns them.
        result: of the check of the revision that serves.
    """
    domain = str(nested(result, "domain") or "")
    return [
        _subscription(bundle, domain, item)
        for item in nested_list(result, "subscriptions")
        if domain and item.get("name")
    ]


def _subscription(bundle: Bundle, domain: str, declared: Object) -> Object:
    handler = str(declared["name"])
    name = names.subscription(bundle.meta.name, handler)
    labels = child_labels(bundle.meta.name)
    return {
        **made_child(SUBSCRIPTION, name, bundle.meta, BUNDLE, labels),
        "spec": {
            "bundleRef": {"name": bundle.meta.name},
            "eventStoreRef": {"name": bundle.store},
            "domain": domain,
            "handler": handler,
            "kind": str(declared.get("kind") or "handler"),
            "version": int(declared.get("version") or 1),
        },
    }
