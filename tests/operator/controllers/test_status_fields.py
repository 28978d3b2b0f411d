"""The API server keeps every field of the statuses: the definitions have all of them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from chekov_operator.api.fault import Fault
from chekov_operator.controllers.plan import Plan
from chekov_operator.controllers.replay.plan import plan_replay
from tests.operator.controllers.replay import test_plan as replays
from tests.operator.controllers.subscription import test_plan as subscriptions
from tests.operator.rows import generation, row

CRDS = Path(__file__).parents[3] / "crds"


def schema(name: str) -> Mapping[str, Any]:
    definition = yaml.safe_load((CRDS / f"{name}.yaml").read_text())
    root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return root["properties"]["status"]


def unknown(value: object, node: Mapping[str, Any], path: str = "status") -> Iterable[str]:
    """The fields that a schema does not have."""
    if isinstance(value, Mapping):
        given: Mapping[str, object] = value  # pyright: ignore[reportUnknownVariableType]
        for name, inner in given.items():
            if name in node.get("properties", {}):
                yield from unknown(inner, node["properties"][name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif isinstance(value, list):
        items: list[object] = value  # pyright: ignore[reportUnknownVariableType]
        for item in items:
            yield from unknown(item, node["items"], f"{path}[]")


STOPPED = row(state="stopped", error="E: no", owner=None)
PAUSED = row(partition=1, state="paused", paused_by="Ada", owner=None)
BUILT = generation(replay=replays.UID)
RETRY = replays.replay(retry={"all": True})
AGAIN = replays.replay(**{"from": "origin"})


@pytest.mark.parametrize(
    ("kind", "plan"),
    [
        ("subscriptions", subscriptions.planned(row(), PAUSED, resumeNonce="1")),
        ("subscriptions", subscriptions.planned(STOPPED, status={"resumedNonce": "1"})),
        ("subscriptions", subscriptions.planned(row(), generations=[BUILT])),
        ("replays", plan_replay(AGAIN, replays.begun(generations=[BUILT]))),
        ("replays", plan_replay(RETRY, replays.seen(done={}, still_parked={"failed": 1}))),
        ("replays", plan_replay(AGAIN, replays.seen(refused=Fault("Refused", "no")))),
    ],
)
def test_a_status_has_no_field_that_would_be_dropped(kind: str, plan: Plan) -> None:
    assert len(plan.status) > 1
    assert list(unknown(plan.status, schema(kind))) == []
