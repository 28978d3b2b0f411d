"""The status of each BundleRevision. Pure."""

from collections.abc import Mapping

from chekov_operator.controllers.bundle.check import Check
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.revisions import deployments, known_result, records
from chekov_operator.controllers.bundle.rollout import Rollout, ready_pods
from chekov_operator.kube.kinds import REVISION, Kind
from chekov_operator.kube.objects import Object, nested


def revision_statuses(
    observed: ObservedBundle, check: Check, target: str | None, rollout: Rollout
) -> Mapping[tuple[Kind, str], Object]:
    """The status of each stored revision, by the kind and the name of its object.

    Args:
        observed: what there is.
        check: of the revision that the spec asks for.
        target: the revision that should have the pods.
        rollout: of the revision that the spec asks for.
    """
    wanted = check.revision.name if check.revision else None
    live = deployments(observed.children)
    statuses: dict[tuple[Kind, str], Object] = {}
    for name, body in records(observed.children).items():
        result = known_result(observed.children, name)
        if name == wanted and result is None:
            result = check.output
        pods = int(nested(live.get(name), "spec", "replicas") or 0)
        ready = ready_pods(live.get(name), observed.pods, name)
        completed = nested(body, "status", "completed") is True or observed.completed == name
        if name == wanted and rollout.complete and pods:
            completed = True
        status: Object = {
            "replicas": pods,
            "readyReplicas": ready,
            "ready": f"{ready}/{pods}",
            "completed": completed,
        }
        status["phase"] = _phase(result, status, is_target=name == target)
        statuses[REVISION, str(body["metadata"]["name"])] = (
            status if result is None else {**status, "check": result}
        )
    return statuses


def _phase(result: Object | None, status: Object, *, is_target: bool) -> str:
    if result is None:
        return "Checking"
    if not result["ok"]:
        return "Refused"
    if not status["replicas"]:
        return "Kept" if status["completed"] else "Waiting"
    if not is_target:
        return "Leaving"
    return "Serving" if status["readyReplicas"] == status["replicas"] else "RollingOut"
