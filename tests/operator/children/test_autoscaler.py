"""The autoscaler changes the bundle, by its scale subresource."""

from chekov_operator.children.autoscaler import autoscaler
from tests.operator.samples import bundle


def test_it_scales_the_bundle_and_no_deployment() -> None:
    given = {"minReplicas": 2, "maxReplicas": 9, "targetCPU": 60, "stabilizationSeconds": 120}
    scaled = bundle(autoscaling=given)
    assert scaled.autoscaling
    made = autoscaler(scaled, scaled.autoscaling, least=3)
    assert made["spec"] == {
        "scaleTargetRef": {
            "apiVersion": "chekov.dev/v1alpha1",
            "kind": "DomainBundle",
            "name": "bank",
        },
        "minReplicas": 3,
        "maxReplicas": 9,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 60},
                },
            }
        ],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 120}},
    }
    [owner] = made["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == ("bundle-uid", True)
