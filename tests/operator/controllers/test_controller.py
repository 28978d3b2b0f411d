"""A plan that is made again after it was carried out."""

from chekov_operator.controllers.controller import Planned
from chekov_operator.controllers.plan import Plan
from chekov_operator.kube.objects import Children


def test_what_only_the_first_plan_tells_is_told() -> None:
    first = Plan(events=[("ManifestChanged", "a command"), ("RolloutStep", "step 1")])
    after = Plan(status={"phase": "Ready"}, events=[("RolloutStep", "step 1, all ready")])

    def replan(children: Children) -> Plan:
        assert children == {}
        return after

    again = Planned(first, {}, replan).again({})
    assert again.status == after.status
    assert again.events == [("ManifestChanged", "a command"), ("RolloutStep", "step 1, all ready")]
