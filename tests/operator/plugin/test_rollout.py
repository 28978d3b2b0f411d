"""`undo`, `promote`, `abort` and `restart`: what they write to a bundle, and when they refuse."""

import pytest

from chekov_operator.kube.objects import Object, annotation
from tests.operator.fake_api import FakeApi
from tests.operator.plugin.conftest import Kubectl
from tests.operator.plugin.objects import BUNDLE, NEW, OLD, put_bundle, put_revision

UNDO, PROMOTE = "chekov.dev/undo", "chekov.dev/promote"


@pytest.fixture(autouse=True)
def older(api: FakeApi) -> Object:
    """A revision that was rolled out before, to which one can go back."""
    return put_revision(api, OLD, 1, completed=True)


def rollout(state: str) -> Object:
    return {"revision": OLD, "rollout": {"from": OLD, "to": NEW, "state": state}}


async def test_undo_goes_back_from_the_revision_that_serves(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    answer = await kubectl("undo", "bank")
    assert (answer.code, answer.output) == (0, f"bundle bank goes back from the revision {NEW}\n")
    assert annotation(api.objects[BUNDLE], UNDO) == NEW


@pytest.mark.parametrize("command", ["undo", "abort"])
@pytest.mark.parametrize("state", ["Growing", "Waiting"])
async def test_a_rollout_under_way_is_ended(
    api: FakeApi, kubectl: Kubectl, command: str, state: str
) -> None:
    put_bundle(api, status=rollout(state))
    assert (await kubectl(command, "bank")).code == 0
    assert annotation(api.objects[BUNDLE], UNDO) == NEW


async def test_there_is_nothing_to_abort_once_a_rollout_is_complete(
    api: FakeApi, kubectl: Kubectl
) -> None:
    put_bundle(api)
    answer = await kubectl("abort", "bank")
    assert answer.code == 1
    assert "no rollout is under way; `kubectl chekov undo` goes back" in answer.errors
    assert api.writes() == []


@pytest.mark.parametrize("state", ["Returning", "Returned"])
async def test_what_went_back_is_not_undone_again(
    api: FakeApi, kubectl: Kubectl, state: str
) -> None:
    put_bundle(api, status=rollout(state))
    answer = await kubectl("undo", "bank")
    assert answer.code == 1
    assert f"the revision {NEW} is not run any more" in answer.errors
    assert api.writes() == []


@pytest.mark.parametrize("command", ["undo", "abort"])
async def test_without_another_revision_there_is_none_to_go_back_to(
    api: FakeApi, kubectl: Kubectl, older: Object, command: str
) -> None:
    put_bundle(api, status=rollout("Growing"))
    older["status"] = {"phase": "Waiting"}
    put_revision(api, NEW, 2, completed=True)
    answer = await kubectl(command, "bank")
    assert answer.code == 1
    assert "none to go back to" in answer.errors
    assert api.writes() == []


async def test_nothing_is_undone_before_anything_has_run(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api, status={"phase": "Checking"})
    answer = await kubectl("undo", "bank")
    assert answer.code == 1
    assert "no revision of the bundle has run yet" in answer.errors


@pytest.mark.parametrize("state", ["Growing", "Waiting", "Returned"])
async def test_promote_names_the_revision_and_ends_an_undo(
    api: FakeApi, kubectl: Kubectl, state: str
) -> None:
    put_bundle(api, status=rollout(state))
    api.objects[BUNDLE]["metadata"]["annotations"] = {UNDO: NEW, "mine": "1"}
    answer = await kubectl("promote", "bank")
    assert (answer.code, answer.output) == (0, f"bundle bank gives the revision {NEW} all pods\n")
    assert api.objects[BUNDLE]["metadata"]["annotations"] == {PROMOTE: NEW, "mine": "1"}


async def test_there_is_nothing_to_promote_without_a_rollout(
    api: FakeApi, kubectl: Kubectl
) -> None:
    put_bundle(api)
    answer = await kubectl("promote", "bank")
    assert answer.code == 1
    assert "no rollout is under way" in answer.errors


async def test_a_bundle_that_changes_meanwhile_is_decided_about_anew(
    api: FakeApi, kubectl: Kubectl
) -> None:
    put_bundle(api)
    api.fail("PATCH", "/bank", 409, "Conflict")
    assert (await kubectl("undo", "bank")).code == 0
    assert [item.method for item in api.requests][-4:] == ["GET", "PATCH", "GET", "PATCH"]
    assert annotation(api.objects[BUNDLE], UNDO) == NEW


async def test_a_decision_about_an_older_state_is_refused(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    await kubectl("undo", "bank")
    read = str(int(api.objects[BUNDLE]["metadata"]["resourceVersion"]) - 1)
    assert api.requests[-1].body["metadata"]["resourceVersion"] == read


async def test_each_restart_is_another_nonce(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    nonces = set[str]()
    for _ in range(3):
        assert (await kubectl("restart", "bank")).code == 0
        nonces.add(api.objects[BUNDLE]["spec"]["restartNonce"])
    assert len(nonces) == 3
    assert api.objects[BUNDLE]["spec"]["replicas"] == 2
