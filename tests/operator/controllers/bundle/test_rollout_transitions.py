"""How far a rollout is, and whether it goes on or back."""

from dataclasses import replace
from typing import Any

import pytest

from chekov_operator.api.fault import Fault
from chekov_operator.controllers.bundle.comparison import Comparison
from chekov_operator.controllers.bundle.connections import LOOK_SECONDS, Connections
from chekov_operator.controllers.bundle.pod_counts import Pods
from chekov_operator.controllers.bundle.rollout import Rollout
from chekov_operator.controllers.bundle.rollout_state import (
    ANSWER_SECONDS,
    UNDONE,
    RolloutState,
    from_status,
    held_share,
    share_of,
    to_status,
    wait_of,
)
from chekov_operator.controllers.bundle.rollout_transitions import (
    SHORTAGE_SECONDS,
    Situation,
    next_state,
    superseded,
)
from tests.operator.samples import bundle, bundle_body

OLD, NEW = "aaaa", "bbbb"
NOW = 1_800_000_000.0
STEPS: dict[str, Any] = {
    "steps": [{"share": 10, "pauseSeconds": 60}, {"share": 50, "pauseSeconds": 30}]
}
UNDO = Fault(UNDONE, f"the annotation names revision {NEW}")
CRASHES = Fault("CrashLoopBackOff", "pod bank-1 keeps crashing")


def situation(
    *,
    new: int = 0,
    ready: int = 0,
    old: int = 10,
    at: float = 0,
    replicas: int = 10,
    rollout: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
    fault: Fault | None = None,
    complete: bool = False,
    **more: Any,
) -> Situation:
    """Ten pods of the old revision are to be replaced; `at` counts seconds from the begin."""
    body = bundle_body(replicas=replicas, rollout=rollout or {}, **more.pop("spec", {}))
    wanted = bundle(replicas=replicas, rollout=rollout or {})
    names = annotations or {}
    wanted = replace(wanted, promoted=names.get("promote"), undone=names.get("undo"))
    found = Situation(
        bundle=replace(wanted, suspended=more.pop("suspended", False)),
        spec=body["spec"],
        to=NEW,
        origin=OLD,
        is_new=True,
        rollout=Rollout(done=complete, complete=complete, ready=ready, updated=new, fault=fault),
        pods={OLD: Pods(old, old), NEW: Pods(new, ready)},
        is_store_ready=True,
        comparison=None,
        has_executed=False,
        is_gated=False,
        now=NOW + at,
    )
    return replace(found, **more)


def after(*situations: Situation, before: RolloutState | None = None) -> RolloutState:
    """The state after these situations, one after the other."""
    state = before
    for each in situations:
        state = next_state(state, each)
    assert state is not None
    return state


def test_a_rollout_begins_and_ends() -> None:
    begun = after(situation())
    assert (begun.to, begun.origin, begun.state, begun.step) == (NEW, OLD, "Growing", 0)
    assert share_of(begun, situation().bundle) == 10
    assert next_state(begun, situation(new=10, ready=10, old=0, complete=True)) is None


def test_what_serves_completely_is_no_rollout() -> None:
    assert next_state(None, situation(complete=True)) is None
    assert next_state(None, situation(suspended=True)) is None


def test_each_step_waits_for_its_pods_and_then_for_its_time() -> None:
    def shares(state: RolloutState) -> tuple[str, int, int]:
        return state.state, state.step, share_of(state, situation(rollout=STEPS).bundle)

    def at(seconds: float, new: int, ready: int) -> Situation:
        return situation(at=seconds, new=new, ready=ready, old=10 - ready, rollout=STEPS)

    state = after(at(0, 0, 0))
    assert shares(state) == ("Growing", 0, 1)
    state = after(at(5, 1, 0), before=state)
    assert shares(state) == ("Growing", 0, 1)
    state = after(at(9, 1, 1), before=state)
    assert shares(state) == ("Waiting", 0, 1)
    assert wait_of(state, at(9, 1, 1).bundle, NOW + 19) == 50
    state = after(at(68, 1, 1), before=state)
    assert shares(state) == ("Waiting", 0, 1)
    state = after(at(69, 1, 1), before=state)
    assert shares(state) == ("Growing", 1, 5)
    state = after(at(80, 5, 5), before=state)
    assert shares(state) == ("Waiting", 1, 5)
    state = after(at(110, 5, 5), before=state)
    assert shares(state) == ("Growing", 2, 10)


def test_a_pod_that_fails_in_the_pause_begins_it_anew() -> None:
    state = after(situation(rollout=STEPS), situation(new=1, ready=1, old=9, rollout=STEPS))
    assert state.state == "Waiting"
    state = after(situation(at=50, new=1, ready=0, old=9, rollout=STEPS), before=state)
    assert state.state == "Growing"
    state = after(situation(at=70, new=1, ready=1, old=9, rollout=STEPS), before=state)
    assert (state.state, state.since) == ("Waiting", NOW + 70)


def test_the_first_revision_has_no_steps_and_nothing_to_go_back_to() -> None:
    alone: dict[str, Any] = {"origin": None, "old": 0, "rollout": STEPS}
    state = after(situation(**alone))
    assert share_of(state, situation(**alone).bundle) == 10
    state = after(situation(**alone, at=200, fault=CRASHES), before=state)
    assert (state.state, state.is_back) == ("Growing", False)
    assert state.fault is not None
    assert state.fault.reason == "RolloutTimedOut"
    assert wait_of(state, situation(**alone).bundle, NOW + 200) is None
    state = after(situation(**alone, at=201, new=1, ready=1), before=state)
    assert state.fault is None


def test_without_progress_in_time_the_old_revision_serves_again() -> None:
    state = after(situation(), situation(at=179, new=1, fault=CRASHES))
    assert not state.is_back, "a new pod is progress"
    state = after(situation(at=360, new=1, old=10, fault=CRASHES), before=state)
    assert (state.state, state.origin) == ("Returned", OLD) or state.state == "Returning"
    assert state.fault is not None
    assert state.fault.reason == "RolloutTimedOut"
    assert CRASHES.message in state.fault.message
    state = after(situation(at=361, new=0, ready=1, old=10), before=state)
    assert state.state == "Returning", "a pod that is no longer wanted still serves"
    state = after(situation(at=362, new=0, old=10), before=state)
    assert state.state == "Returned"


def test_pods_that_come_and_go_are_no_progress() -> None:
    state = after(situation(), situation(at=10, new=1, ready=1))
    for second in range(20, 190, 10):
        state = after(situation(at=second, new=1, ready=second % 20 // 10), before=state)
        assert not state.is_back
    assert after(situation(at=200, new=1, ready=1), before=state).is_back


@pytest.mark.parametrize("cause", ["the store", "the number of pods", "the spec"])
def test_what_is_not_the_revisions_fault_prolongs_its_time(cause: str) -> None:
    state = after(situation(), situation(at=10, new=1))
    changed: dict[str, dict[str, Any]] = {
        "the store": {"is_store_ready": False},
        "the number of pods": {"replicas": 20},
        "the spec": {"spec": {"resources": {"limits": {"memory": "1Gi"}}}},
    }
    state = after(situation(at=150, new=1, **changed[cause]), before=state)
    assert not after(situation(at=300, new=1, **changed[cause]), before=state).is_back
    assert after(situation(at=200, new=1), before=after(situation(new=1))).is_back


WORSE = Comparison("worse", "revision bbbb failed 50 of 100 commands")


def test_a_revision_whose_commands_fare_worse_goes_back() -> None:
    state = after(situation(new=1, ready=1, comparison=Comparison("too-few", "2 commands")))
    assert not state.is_back
    state = after(situation(at=5, new=1, ready=1, comparison=WORSE), before=state)
    assert state.is_back
    assert state.fault is not None
    assert (state.fault.reason, WORSE.message in state.fault.message) == ("WorseThanBefore", True)


def went_back() -> RolloutState:
    return after(situation(), situation(at=5, comparison=WORSE), situation(at=6))


def test_what_went_back_is_not_tried_again_by_itself() -> None:
    state = after(situation(at=5000, replicas=12), before=went_back())
    assert (state.is_back, state.fault) == (True, went_back().fault)


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"resources": {"limits": {"memory": "1Gi"}}}},
        {"annotations": {"promote": NEW}},
        {"to": "cccc"},
    ],
    ids=["the spec changed", "it is promoted", "another revision"],
)
def test_it_is_tried_again_once_somebody_changes_something(change: dict[str, Any]) -> None:
    state = after(situation(at=60, **change), before=went_back())
    assert (state.state, state.step, state.fault) == ("Growing", 0, None)


def test_a_promoted_revision_skips_steps_and_does_not_go_back() -> None:
    promoted: dict[str, Any] = {"rollout": STEPS, "annotations": {"promote": NEW}}
    state = after(situation(**promoted, comparison=WORSE))
    assert share_of(state, situation(**promoted).bundle) == 10
    state = after(situation(**promoted, at=999), before=state)
    assert not state.is_back
    assert state.fault is not None
    assert state.fault.reason == "RolloutTimedOut"


@pytest.mark.parametrize("complete", [True, False], ids=["complete", "under way"])
def test_a_revision_is_undone_by_its_name_for_as_long_as_that_stands(
    complete: bool,  # noqa: FBT001
) -> None:
    undone = situation(
        annotations={"undo": NEW, "promote": NEW}, complete=complete, is_new=not complete
    )
    state = after(undone)
    assert (state.is_back, state.origin) == (True, OLD)
    assert state.fault is not None
    assert state.fault.reason == "Undone"
    again = next_state(state, situation(at=9))
    assert again is not None
    assert (again.state, again.fault) == ("Growing", None)
    assert next_state(None, situation(annotations={"undo": "cccc"}, complete=True)) is None


def test_a_revision_that_served_before_has_no_steps_when_it_is_scaled() -> None:
    state = after(situation(is_new=False, rollout=STEPS, new=5, ready=5, old=0))
    assert (state.origin, share_of(state, situation(rollout=STEPS).bundle)) == (None, 10)


def test_the_state_is_read_back_from_the_status_as_it_was() -> None:
    for state in (after(situation(rollout=STEPS)), went_back()):
        written = to_status(state, situation(rollout=STEPS).bundle, situation().pods)
        assert from_status(written) == state


@pytest.mark.parametrize("status", [None, {}, {"to": "a", "state": "x"}])
def test_a_status_without_a_state_is_none(status: dict[str, Any] | None) -> None:
    assert from_status(status) is None


def test_the_status_shows_where_it_is() -> None:
    state = after(situation(rollout=STEPS), situation(at=5, new=1, ready=1, old=9, rollout=STEPS))
    shown = to_status(state, situation(rollout=STEPS).bundle, {NEW: Pods(1, 1)})
    named = {
        name: shown[name] for name in ("from", "to", "state", "step", "steps", "share", "pods")
    }
    assert named == {
        "from": OLD,
        "to": NEW,
        "state": "Waiting",
        "step": 1,
        "steps": 3,
        "share": 10,
        "pods": "1/10",
    }


def gating(**more: Any) -> RolloutState:
    """A revision that served and is worse than the one before."""
    return after(situation(new=1, ready=1, comparison=WORSE, is_gated=True, **more))


def test_before_it_goes_back_the_old_revision_is_tried_on_what_the_new_one_stored() -> None:
    state = gating()
    assert (state.state, state.is_back, state.is_held, state.served) == (
        "Gating",
        False,
        True,
        True,
    )
    assert wait_of(state, situation().bundle, NOW + 20) == ANSWER_SECONDS - 20
    later = after(situation(at=30, new=1, is_gated=True), before=state)
    assert later == state, "it is asked once, whatever becomes of the pods"
    written = to_status(state, situation().bundle, {NEW: Pods(1, 1)})
    assert (from_status(written), written["share"]) == (state, 10)


@pytest.mark.parametrize(
    "change",
    [{"is_gated": False}, {"ready": 0}],
    ids=["nothing is stored, or it is skipped", "no pod of it ever served"],
)
def test_it_goes_back_at_once_if_there_is_nothing_to_ask(change: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"new": 1, "ready": 1, "comparison": WORSE, "is_gated": True}
    assert after(situation(**(asked | change))).is_back


@pytest.mark.parametrize(
    "served", [{"new": 1, "ready": 1}, {"has_executed": True}], ids=["ready", "executed"]
)
def test_a_revision_that_served_once_may_have_stored_something(served: dict[str, Any]) -> None:
    state = after(situation(is_gated=True), situation(at=9, is_gated=True, **served))
    state = after(situation(at=300, is_gated=True, fault=CRASHES), before=state)
    assert state.state == "Gating"


def test_an_undone_revision_asks_as_well() -> None:
    undone = situation(annotations={"undo": NEW}, complete=True, is_new=False, old=0, is_gated=True)
    state = after(undone)
    assert (state.state, state.origin) == ("Gating", OLD)
    assert next_state(state, situation(complete=True, is_new=False, is_gated=True)) is None


def stalled() -> RolloutState:
    return replace(gating(), state="Stalled", gate="the old one cannot read it")


def test_a_revision_that_cannot_go_back_stays_as_it_is() -> None:
    held = situation(at=9000, new=1, ready=1, comparison=WORSE, is_gated=True, replicas=12)
    assert after(held, before=stalled()) == stalled()
    assert wait_of(stalled(), held.bundle, NOW) is None
    written = to_status(stalled(), held.bundle, held.pods)
    assert from_status(written) == stalled()


@pytest.mark.parametrize(("compatibility", "expected"), [("Warn", "Gating"), ("Skip", "Returning")])
def test_it_goes_back_once_that_is_allowed(compatibility: str, expected: str) -> None:
    now = situation(new=1, ready=1, spec={"compatibility": compatibility})
    allowed = replace(
        now,
        bundle=bundle(replicas=10, compatibility=compatibility),
        is_gated=compatibility != "Skip",
    )
    state = after(allowed, before=stalled())
    assert (state.state, state.fault) == (expected, stalled().fault)


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"resources": {"limits": {"memory": "1Gi"}}}},
        {"annotations": {"promote": NEW}},
    ],
    ids=["the spec changed", "it is promoted"],
)
@pytest.mark.parametrize("before", [gating(), stalled()], ids=["gating", "stalled"])
def test_it_goes_on_once_somebody_says_so(before: RolloutState, change: dict[str, Any]) -> None:
    state = after(situation(at=60, new=1, ready=1, is_gated=True, **change), before=before)
    assert (state.state, state.fault, state.gate) == ("Growing", None, "")


def test_of_a_rollout_of_an_older_operator_it_is_not_known_whether_it_served() -> None:
    written = to_status(after(situation()), situation().bundle, situation().pods)
    known = from_status({name: value for name, value in written.items() if name != "served"})
    assert known is not None
    assert known.served


FULL = Connections(needed=15, used=90, limit=97)
FREE = Connections(needed=15, used=20, limit=97)


def test_a_rollout_without_connections_for_its_next_pod_is_stalled_after_a_while() -> None:
    state = after(situation(connections=FULL))
    assert (state.state, state.awaited, state.fault) == ("Growing", FULL, None)
    assert wait_of(state, situation().bundle, NOW) == LOOK_SECONDS
    state = after(situation(at=SHORTAGE_SECONDS, connections=FULL), before=state)
    assert (state.state, state.awaited, state.is_back) == ("Growing", FULL, False)
    assert state.fault is not None
    assert state.fault.reason == "Connections"
    for figure in ("15 database connections", "7 left of 97"):
        assert figure in state.fault.message
    assert wait_of(state, situation().bundle, NOW) == LOOK_SECONDS


def test_the_time_that_it_waits_for_connections_is_not_its_own() -> None:
    full = [situation(at=seconds, connections=FULL) for seconds in (0, 20, 10_000)]
    state = after(*full)
    assert state.fault is not None
    assert state.fault.reason == "Connections"
    state = after(situation(at=10_010, connections=FREE), before=state)
    assert (state.awaited, state.fault) == (None, None)
    state = after(situation(at=10_189, new=1, fault=CRASHES, connections=FREE), before=state)
    assert not state.gives_up
    state = after(situation(at=10_370, new=1, fault=CRASHES, connections=FREE), before=state)
    assert state.gives_up, "its own time is over"
    assert state.awaited is None


def test_a_pod_that_was_replaced_may_take_a_moment_to_close_its_connections() -> None:
    state = after(situation(), situation(at=60, new=1, ready=1, old=9, connections=FULL))
    assert (state.awaited, state.fault) == (FULL, None)
    state = after(situation(at=70, new=1, ready=1, old=9, connections=FREE), before=state)
    assert (state.awaited, state.fault) == (None, None)


def test_a_pod_that_does_not_become_ready_is_not_excused_by_missing_connections() -> None:
    state = after(situation(connections=FREE), situation(at=5, new=1, connections=FULL))
    assert state.awaited is None
    state = after(situation(at=190, new=1, connections=FULL, fault=CRASHES), before=state)
    assert state.fault is not None
    assert state.fault.reason == "RolloutTimedOut"


def test_a_promoted_revision_waits_for_no_connections() -> None:
    state = after(situation(connections=FULL), situation(at=20, connections=FULL))
    promoted = situation(at=21, connections=FULL, annotations={"promote": NEW})
    state = after(promoted, before=state)
    assert (state.awaited, state.fault) == (None, None)


@pytest.mark.parametrize(
    "unread", [{"is_store_read": False}, {"is_store_ready": False}], ids=["restart", "away"]
)
def test_what_was_missing_is_missing_until_the_server_has_been_read(unread: Any) -> None:
    state = after(situation(connections=FULL), situation(at=1, **unread))
    assert state.awaited == FULL
    assert after(situation(**unread)).awaited is None, "what nobody knows holds nobody up"
    state = after(situation(at=2, connections=None), before=state)
    assert state.awaited is None, "pods no longer connect to the server themselves"


def test_the_status_says_what_is_awaited_and_the_state_is_read_back_from_it() -> None:
    now = situation(at=20, connections=FULL)
    state = after(situation(connections=FULL), now)
    status = to_status(state, now.bundle, now.pods)
    assert status["connections"] == {"needed": 15, "used": 90, "limit": 97}
    assert (status["state"], status["reason"]) == ("Growing", "Connections")
    assert from_status(status) == state


AMID: dict[str, Any] = {"new": 4, "ready": 4, "old": 6, "is_gated": True, "rollout": STEPS}


def test_a_suspended_rollout_is_held_where_it_is() -> None:
    begun = after(situation(**AMID))
    state = after(situation(**AMID, suspended=True), before=begun)
    assert (state.state, state.kept, state.step, state.fault) == ("Held", 4, begun.step, None)
    assert wait_of(state, situation().bundle, NOW + 9000) is None
    written = to_status(state, situation().bundle, situation(**AMID).pods)
    assert (from_status(written), written["share"]) == (state, 40)
    resumed = after(situation(**AMID, at=9000), before=state)
    assert (resumed.state, resumed.progressed) == ("Waiting", NOW + 9000)


def test_a_suspended_rollout_is_at_the_same_step_after_a_restart_of_the_operator() -> None:
    begun = replace(after(situation(rollout=STEPS)), step=1, served=True)
    now = situation(rollout=STEPS, at=10, replicas=0, suspended=True)
    state = after(now, before=begun)
    read = from_status(to_status(state, now.bundle, now.pods))
    assert (state.step, read) == (1, state)


def test_held_pods_are_as_many_as_before_and_all_if_they_were_all() -> None:
    held = after(situation(**AMID, suspended=True), before=after(situation(**AMID)))
    counts = [held_share(held, bundle(replicas=count)) for count in (0, 3, 10, 20)]
    assert counts == [0, 3, 4, 4]
    alone = replace(held, kept=10)
    assert [held_share(alone, bundle(replicas=count)) for count in (3, 20)] == [3, 20]


def test_a_rollout_that_stored_something_is_held_while_the_next_revision_may_not_run() -> None:
    begun = after(situation(**AMID))
    state = superseded(begun, "cccc", situation(at=5, **AMID))
    assert state is not None
    assert (state.state, state.to, state.origin, state.kept) == ("Held", NEW, OLD, 4)
    assert superseded(state, "cccc", situation(at=9, **AMID)) == state
    third = after(situation(at=20, to="cccc", is_gated=True), before=state)
    assert (third.to, third.state, third.served) == ("cccc", "Growing", True)
    third = after(situation(at=300, to="cccc", is_gated=True), before=third)
    assert third.state == "Gating", "the one between may have stored what the old one cannot read"


@pytest.mark.parametrize("change", [{"is_gated": False}, {"ready": 0}])
def test_a_rollout_that_stored_nothing_is_given_up_at_once(change: dict[str, Any]) -> None:
    now = situation(**(AMID | change))
    begun = after(now)
    assert superseded(begun, "cccc", now) is None


@pytest.mark.parametrize("change", [{}, {"is_gated": False}, {"ready": 0}])
def test_nothing_moves_while_the_wanted_revision_cannot_be_determined(
    change: dict[str, Any],
) -> None:
    now = situation(**(AMID | change))
    begun = after(now)
    state = superseded(begun, None, now)
    assert state is not None
    assert (state.state, state.kept, state.step) == ("Held", 4, begun.step)
    later = situation(**(AMID | change), at=9000)
    assert superseded(state, None, later) == state
    back = after(later, before=state)
    assert (back.state, back.progressed) == (begun.state, NOW + 9000), "it gets its time again"


def test_what_went_back_and_was_suspended_begins_again_with_the_first_step() -> None:
    undone = replace(after(situation(**AMID)), step=1, state="Returned", fault=UNDO)
    held = after(situation(rollout=STEPS, at=10, suspended=True), before=undone)
    resumed = after(situation(rollout=STEPS, at=20), before=held)
    assert (held.state, resumed.state, resumed.step) == ("Held", "Growing", 0)


@pytest.mark.parametrize(
    ("before", "wanted", "expected"),
    [
        (gating(), "cccc", "Gating"),
        (gating(), None, "Gating"),
        (stalled(), "cccc", "Stalled"),
        (gating(), OLD, "Held"),
        (went_back(), "cccc", "Returning"),
    ],
)
def test_a_return_goes_on_unless_the_gate_is_asked_for_a_rollout(
    before: RolloutState, wanted: str | None, expected: str
) -> None:
    state = superseded(before, wanted, situation(at=9, **AMID))
    assert state is not None
    assert state.state == expected


def test_a_superseded_revision_is_undone_by_its_name() -> None:
    now = situation(**AMID, annotations={"undo": NEW})
    state = superseded(after(situation(**AMID)), "cccc", now)
    assert state is not None
    assert (state.state, state.fault and state.fault.reason) == ("Gating", "Undone")
