"""May a rollout that is to go back do so?"""

from dataclasses import replace
from typing import Any

import pytest

from chekov_operator.api.conditions import false, true, unknown
from chekov_operator.api.fault import Fault
from chekov_operator.controllers.bundle.gate import TYPE, Gate
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.rollout_state import (
    ANSWER_SECONDS,
    RolloutState,
)
from chekov_operator.controllers.bundle.way_back import gate_backwards, with_answer
from chekov_operator.kube.objects import nested
from tests.operator.samples import bundle, store_body, target

NOW = 1_800_000_000.0
OLD = target(restartNonce="old")
GATING = RolloutState(
    to="bbbb",
    origin=OLD.name,
    attempt="x",
    replicas=2,
    since=NOW,
    progressed=NOW,
    state="Gating",
    fault=Fault("WorseThanBefore", "it was worse"),
    served=True,
)
UNREADABLE = false(TYPE, "Undecodable", "revision aaaa cannot work with what is stored: Opened")
TRYING = Gate(unknown(TYPE, "Gating", "revision aaaa is being tried"))
AWAY = Gate(
    unknown(TYPE, "GateCannotRun", "no answer from the database"),
    fault=Fault("GateCannotRun", "no answer from the database"),
)


def after(gate: Gate, seconds: float = 0) -> tuple[str, str]:
    """State and words after the gate's answer."""
    state = with_answer(GATING, gate, NOW + seconds)
    assert state is not None
    assert (state.fault, state.served) == (GATING.fault, True)
    return state.state, state.gate


def asked(state: RolloutState | None, origin: Any = OLD) -> Gate | None:
    return gate_backwards(bundle(), ObservedBundle(store=store_body()), state, origin)


def test_it_goes_back_once_the_old_code_reads_what_is_stored() -> None:
    assert after(Gate(true(TYPE, "Readable", "9 events"), passed=True)) == ("Returning", "")


def test_it_stays_if_the_old_code_cannot_read_what_is_stored() -> None:
    refused = Gate(UNREADABLE, fault=Fault("Undecodable", UNREADABLE.message))
    assert after(refused) == ("Stalled", UNREADABLE.message)


def test_with_warn_it_goes_back_and_says_what_cannot_be_read() -> None:
    assert after(Gate(UNREADABLE, passed=True)) == ("Returning", UNREADABLE.message)


@pytest.mark.parametrize("gate", [TRYING, AWAY])
def test_without_an_answer_it_waits_and_goes_back_in_the_end(gate: Gate) -> None:
    assert after(gate, ANSWER_SECONDS - 1) == ("Gating", "")
    state, words = after(gate, ANSWER_SECONDS)
    assert state == "Returning"
    assert words == f"its gate gave no answer within 120 s: {gate.condition.message}"


def test_only_a_rollout_that_is_to_go_back_asks() -> None:
    assert asked(None) is None
    for state in ("Growing", "Waiting", "Stalled", "Returning", "Returned"):
        assert asked(replace(GATING, state=state)) is None
        assert with_answer(replace(GATING, state=state), None, NOW) == replace(GATING, state=state)


def test_each_return_asks_anew_and_a_restart_does_not() -> None:
    def basis(state: RolloutState) -> object:
        gate = asked(state)
        assert gate is not None
        (job,) = [body for body in gate.apply if body["kind"] == "Job"]
        assert job["metadata"]["name"] == gate.job == f"bank-gate-{OLD.name}"
        return nested(job, "metadata", "annotations", "chekov.dev/basis")

    assert basis(GATING) == basis(replace(GATING, since=NOW + 0.4)), "as the status has it"
    assert basis(GATING) != basis(replace(GATING, since=NOW + 60))
    assert basis(GATING) != basis(replace(GATING, to="cccc"))


def test_a_revision_that_cannot_be_made_is_not_waited_for_for_ever() -> None:
    gate = asked(GATING, None)
    assert gate is not None
    assert after(gate)[0] == "Gating"
    assert after(gate, ANSWER_SECONDS)[0] == "Returning"
