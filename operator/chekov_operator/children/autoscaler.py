"""The HorizontalPodAutoscaler of a bundle.

It changes `spec.replicas` of the bundle by the scale subresource, never a Deployment: so it knows
nothing of revisions, and a rollout under way keeps to the number that it asks for.
"""

from chekov_operator.api.autoscaling import Autoscaling
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.children.workloads import child, child_labels
from chekov_operator.kube.kinds import AUTOSCALER, BUNDLE
from chekov_operator.kube.objects import Object


def autoscaler(bundle: Bundle, settings: Autoscaling, *, least: int) -> Object:
    """The autoscaler, by processor time.

    Args:
        bundle: the spec.
        settings: its `autoscaling`.
        least: the fewest pods now.
    """
    name = bundle.meta.name
    cpu = {"type": "Utilization", "averageUtilization": settings.target_cpu}
    window = {"stabilizationWindowSeconds": settings.stabilization_seconds}
    return {
        **child(AUTOSCALER, name, bundle.meta, BUNDLE, child_labels(name)),
        "spec": {
            "scaleTargetRef": {"apiVersion": BUNDLE.api, "kind": BUNDLE.name, "name": name},
            "minReplicas": least,
            "maxReplicas": settings.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": cpu}}],
            "behavior": {"scaleDown": window},
        },
    }
