"""May a revision run on what its store holds?"""

import json
from dataclasses import replace
from typing import Any

import pytest

from chekov_operator.api.conditions import true
from chekov_operator.children.workloads import gate_job
from chekov_operator.controllers.bundle.check import Check
from chekov_operator.controllers.bundle.gate import Gate, gate_of, gate_revision
from chekov_operator.controllers.bundle.gate_result import parse_gate
from chekov_operator.controllers.bundle.observed import CheckLog, ObservedBundle
from chekov_operator.kube.objects import Object, digest
from tests.operator.samples import bundle, store, store_body, stored, target

CHECKED: Object = {"ok": True, "domain": "bank", "commands": ["Open"], "events": ["Opened"]}
FINE: Object = {"compatibility": "Compatible", "reason": "Readable", "message": "9 events"}
BAD: Object = {
    "compatibility": "Incompatible",
    "reason": "Undecodable",
    "message": "Opened at account-7 version 1 (position 3): its content does not fit",
    "findings": [
        {
            "rule": "Undecodable",
            "level": "error",
            "message": "its content does not fit",
            "type": "Opened",
            "stream": "account-7",
            "version": 1,
            "position": 3,
        }
    ],
}
UNSURE: Object = {"compatibility": "Unknown", "reason": "StoreUnavailable", "message": "no answer"}
NAME = f"bank-gate-{target().name}"
OLD = target(restartNonce="old")


def used_store(*, position: int | None = 9, ready: bool = True, **status: Any) -> Object:
    condition = {"type": "Ready", "status": "True" if ready else "False", "message": "no answer"}
    body = store_body()
    body["status"] = {
        "conditions": [condition],
        "host": "db.example:5432",
        "position": position,
        **status,
    }
    return body


def observed(*children: Object, **more: Any) -> ObservedBundle:
    """The bank while an older revision runs."""
    known = [stored(OLD, CHECKED), *children]
    return replace(
        ObservedBundle(
            store=used_store(),
            running=OLD.name,
            children={(body["kind"], body["metadata"]["name"]): body for body in known},
            now=1.0,
        ),
        **more,
    )


def gated(
    *children: Object, check: Object = CHECKED, spec: dict[str, Any] | None = None, **more: Any
) -> Gate:
    wanted = target(**(spec or {}))
    passed = Check(true("Checked", "Passed"), wanted, check)
    return gate_revision(bundle(**(spec or {})), observed(*children, **more), passed)


def job(gate: Gate) -> Object:
    """The Job that a gate asked for, as the API server has it."""
    (body,) = [body for body in gate.apply if body["kind"] == "Job"]
    return {**body, "metadata": {**body["metadata"], "uid": "job-uid"}}


def pod(code: int) -> Object:
    owner = {"kind": "Job", "uid": "job-uid", "controller": True}
    state = {"terminated": {"exitCode": code, "finishedAt": "2026-11-24T10:00:00Z"}}
    return {
        "metadata": {"name": "gate-1", "ownerReferences": [owner]},
        "status": {"containerStatuses": [{"name": "runtime", "state": state}]},
    }


def ended(result: Object | None, **more: Any) -> Gate:
    """The gate after its Job printed a result."""
    live = job(gated(**more))
    log = CheckLog(fault="it has no result") if result is None else CheckLog(json.dumps(result))
    return gated(live, pods=[pod(0 if result == FINE else 1)], logs={NAME: log}, **more)


def said(gate: Gate) -> tuple[str, str]:
    return gate.condition.status, gate.condition.reason


def arguments(body: Object) -> list[str]:
    return body["spec"]["template"]["spec"]["containers"][0]["command"]


def variables(body: Object) -> dict[str, Object]:
    container = body["spec"]["template"]["spec"]["containers"][0]
    return {item["name"]: item for item in container["env"]}


def test_a_revision_is_tried_on_the_store_before_it_gets_pods() -> None:
    gate = gated()
    assert (gate.passed, gate.fault, said(gate)) == (False, None, ("Unknown", "Gating"))
    assert [body["kind"] for body in gate.apply] == ["NetworkPolicy", "Job"]
    assert gate.job == NAME
    command = arguments(job(gate))
    assert command[:4] == ["chekov", "gate", "--output", "frame"]
    assert json.loads(command[command.index("--running") + 1])["commands"] == ["Open"]


def test_the_gate_comes_after_the_check_and_the_store() -> None:
    wanted = Check(true("Checked", "Passed"), target(), None)
    assert said(gate_revision(bundle(), observed(), wanted)) == ("Unknown", "NotChecked")
    waiting = gated(store=used_store(ready=False))
    assert said(waiting) == ("Unknown", "EventStoreNotReady")
    assert not waiting.apply
    assert waiting.fault is None


@pytest.mark.parametrize("position", [0, None])
def test_an_empty_store_is_passed_at_once(position: int | None) -> None:
    gate = gated(store=used_store(position=position))
    assert (gate.passed, said(gate), gate.apply) == (True, ("True", "NothingStored"), ())


def test_what_runs_is_not_gated() -> None:
    gate = gated(running=target().name)
    assert (gate.passed, said(gate), gate.apply) == (True, ("Unknown", "NotGated"), ())


def test_an_answer_opens_the_gate_and_is_stored() -> None:
    gate = ended(FINE)
    assert (gate.passed, said(gate)) == (True, ("True", "Readable"))
    assert gate.output is not None
    kept = stored(target(), CHECKED)
    kept["status"]["gate"] = gate.output
    again = gated(kept)
    assert (again.passed, again.apply, again.output) == (True, (), gate.output)


def test_a_failing_gate_names_event_and_position_and_keeps_the_revision_out() -> None:
    gate = ended(BAD)
    assert (gate.passed, said(gate)) == (False, ("False", "Undecodable"))
    assert gate.fault is not None
    assert "Opened at account-7 version 1 (position 3)" in gate.fault.message
    assert gate.output is not None
    assert gate.output["findings"] == BAD["findings"]
    assert gate.output["connection"] == "writer"


def test_with_warn_it_goes_on_and_says_so() -> None:
    warn = {"compatibility": "Warn"}
    gate = ended(BAD, spec=warn)
    assert (gate.passed, gate.fault, said(gate)) == (True, None, ("False", "Undecodable"))
    assert "spec.compatibility is not Enforce" in gate.condition.message
    unsure = ended(UNSURE, spec=warn)
    assert (unsure.passed, said(unsure)) == (True, ("Unknown", "GateCannotRun"))


def test_with_skip_nothing_is_read() -> None:
    gate = gated(spec={"compatibility": "Skip"})
    assert (gate.passed, said(gate), gate.apply) == (True, ("Unknown", "Skipped"), ())


@pytest.mark.parametrize(
    ("result", "words"), [(None, "spec.compatibility to Warn"), (UNSURE, "no answer")]
)
def test_a_gate_without_an_answer_is_made_again(result: Object | None, words: str) -> None:
    gate = ended(result, now=2e9)
    assert (gate.passed, said(gate)) == (False, ("Unknown", "GateCannotRun"))
    assert gate.fault is not None
    assert words in gate.fault.message
    assert gate.is_retried
    assert [name for _, name in gate.delete] == [NAME]


@pytest.mark.parametrize(
    "change",
    [
        {"running": target(restartNonce="other").name},
        {"store": used_store(host="other.example:5432")},
    ],
    ids=["another revision runs", "another store"],
)
def test_an_answer_holds_for_one_store_and_one_running_revision(change: dict[str, Any]) -> None:
    kept = stored(target(), CHECKED)
    kept["status"]["gate"] = ended(FINE).output
    other = stored(target(restartNonce="other"), CHECKED)
    assert gated(kept, other).passed
    changed = gated(kept, other, **change)
    assert not changed.passed
    live = job(gated(other))
    replaced = gated(kept, other, live, **change)
    assert [name for _, name in replaced.delete] == [NAME]
    assert "Job" not in [body["kind"] for body in replaced.apply]


def test_a_runtime_that_does_not_serve_the_schema_is_refused_without_a_job() -> None:
    old: Object = {**CHECKED, "storeSchema": 20, "runtime": "0.1.0"}
    gate = gated(check=old, store=used_store(schemaVersion=23, oldestServedSchema=21))
    assert (gate.passed, said(gate)) == (False, ("False", "StoreSchema"))
    assert "needs one of 21 at least" in gate.condition.message
    new = gated(check={**old, "storeSchema": 24}, store=used_store(schemaVersion=23))
    assert "upgrade the operator" in new.condition.message
    served = gated(check=old, store=used_store(schemaVersion=23, oldestServedSchema=20))
    assert said(served) == ("Unknown", "Gating")


def test_the_reader_is_used_where_there_is_one() -> None:
    reader = {"readerConnection": {"secretRef": {"name": "reader"}, "pooled": True}}
    kept = target()
    body = gate_job(replace(kept, store=store(**reader)), "")
    reference = variables(body)["CHEKOV_STORE"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "reader", "key": "dsn"}
    assert variables(body)["CHEKOV_STORE_POOLED"]["value"] == "true"
    assert "--running" not in arguments(body)
    writer = variables(gate_job(kept, ""))
    assert writer["CHEKOV_STORE"]["valueFrom"]["secretKeyRef"]["name"] == "postgres"
    assert "CHEKOV_STORE_POOLED" not in writer


def test_the_gate_has_a_network_policy_with_its_databases() -> None:
    gate = gated(store=used_store(readerHost="10.1.2.3:6432"))
    (policy,) = [body for body in gate.apply if body["kind"] == "NetworkPolicy"]
    assert policy["metadata"]["name"] == "bank-gate"
    assert policy["spec"]["ingress"] == []
    ports = [rule["ports"][0]["port"] for rule in policy["spec"]["egress"]]
    assert ports == [53, 5432, 6432]
    open_net = gated(spec={"networkPolicy": {"enabled": False}})
    assert [body["kind"] for body in open_net.apply] == ["Job"]


def test_an_older_revision_is_asked_what_it_reads_of_the_newer_one() -> None:
    kept = stored(target(), CHECKED)
    seen = observed(kept, running=target().name)
    gate = gate_of(bundle(), OLD, seen, "rollout 1")
    live = job(gate)
    assert live["metadata"]["name"] == f"bank-gate-{OLD.name}"
    assert live["metadata"]["annotations"]["chekov.dev/basis"] == digest("rollout 1")
    log = {f"bank-gate-{OLD.name}": CheckLog(json.dumps(BAD))}
    seen = observed(kept, live, running=target().name, pods=[pod(1)], logs=log)
    answer = gate_of(bundle(), OLD, seen, "rollout 1")
    assert (answer.passed, said(answer)) == (False, ("False", "Undecodable"))
    assert gate_of(bundle(), OLD, seen, "rollout 2").delete


def test_text_of_a_gate_is_made_printable_and_odd_parts_are_left_out() -> None:
    odd = {
        "compatibility": "Incompatible",
        "reason": "not a word",
        "message": "red \x1b[31m",
        "findings": [{"message": "one", "count": True, "line": 3}, {"rule": "X"}, 7],
    }
    assert parse_gate(json.dumps(odd)) == {
        "compatibility": "Incompatible",
        "reason": "Incompatible",
        "message": "red  [31m",
        "findings": [{"message": "one", "line": 3}],
    }
    for other in ("", "[]", '{"compatibility": "Maybe"}', "{"):
        assert parse_gate(other) is None
