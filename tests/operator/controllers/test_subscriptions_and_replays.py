"""Subscriptions and Replays of a bank on a fake API server, over a store in memory."""

import asyncio
from typing import Any

import pytest

from chekov.store.port import Failure, NewEvent, ParkingEntry, SubscriptionKey
from chekov.uuid7 import uuid7
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import EVENT, REPLAY, STORE, SUBSCRIPTION, Key
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.samples import bundle_body, replay_body
from tests.operator.scene import BALANCES, FINE, NAMESPACE, RETRY, Scene
from tests.waiting import until

HANDLERS = [
    {"name": "balances", "kind": "handler", "version": 1},
    {"name": "transfer", "kind": "process", "version": 1},
]
KEY = SubscriptionKey("bank", "balances")
SECOND = Key(REPLAY.name, NAMESPACE, "second")
OWN = "Subscription shops/bank-balances (DomainBundle bundle-uid)"
PATH = SUBSCRIPTION.path(NAMESPACE, "bank-balances")


@pytest.fixture
async def scene(api: FakeApi, client: Client, metrics: Metrics) -> Scene:
    """A bank that serves, whose handler has handled three events and parked the second."""
    found = Scene(api, client, metrics)
    found.give_bank()
    await found.begin_check()
    found.end_check({**FINE, "subscriptions": HANDLERS})
    await found.settle()
    async with found.databases.kept as store:
        await store.layouts.divide(KEY, 1)
        await store.subscriptions.register([KEY])
        [claim] = await store.subscriptions.claim("bank-1/7f", [KEY], lease=3600)
        events = [NewEvent(uuid7(), "opened", b"{}") for _ in range(3)]
        _, second, _ = (await store.append("account-1", events)).recorded
        failed = ParkingEntry(second, "account-1", Failure(1, "E: no", "f"))
        await store.subscriptions.save(claim, 3, parked=[failed])
    await reread(found)
    return found


async def reread(scene: Scene) -> None:
    """Let the operator read the store."""
    async with scene.databases.kept as store:
        scene.databases.rows = await store.subscriptions.list("bank")
        scene.databases.position = await store.head()


def events(scene: Scene, name: str) -> list[tuple[str, str]]:
    """Type and reason of the Events about an object."""
    return [
        (body["type"], body["reason"])
        for body in scene.all(EVENT)
        if body["involvedObject"]["name"] == name
    ]


async def test_each_handler_has_a_subscription_of_its_bundle(scene: Scene) -> None:
    names = [body["metadata"]["name"] for body in scene.all(SUBSCRIPTION)]
    assert names == ["bank-balances", "bank-transfer"]
    await scene.reconcile(BALANCES)
    status = scene.status(BALANCES)
    assert (status["state"], status["position"], status["parked"]) == ("live", 3, 1)
    assert scene.condition("Ready", BALANCES)[:2] == ("True", "Running")
    assert scene.condition("Degraded", BALANCES)[:2] == ("True", "EventsParked")
    shown = events(scene, "bank-balances")
    assert sorted(shown) == [("Normal", "Running"), ("Warning", "EventsParked")]
    assert await scene.reconcile(BALANCES) == []


async def test_a_handler_that_is_gone_has_none(scene: Scene) -> None:
    scene.give(bundle_body(entrypoint="bank:smaller"))
    await scene.begin_check()
    scene.end_check({**FINE, "subscriptions": HANDLERS[:1]})
    for _ in range(3):
        await scene.reconcile()
    assert scene.status()["phase"] == "RollingOut"
    names = [body["metadata"]["name"] for body in scene.all(SUBSCRIPTION)]
    assert names == ["bank-balances", "bank-transfer"], "the rollout may go back"
    scene.roll_out()
    await scene.settle()
    assert [body["metadata"]["name"] for body in scene.all(SUBSCRIPTION)] == ["bank-balances"]


async def test_what_the_user_asks_for_survives_what_the_operator_applies(scene: Scene) -> None:
    scene.api.objects[PATH]["spec"] |= {"suspend": True, "handler": "other"}
    await scene.reconcile()
    spec = scene.one(SUBSCRIPTION, "bank-balances")["spec"]
    assert (spec["suspend"], spec["handler"]) == (True, "balances")


async def test_a_subscription_is_suspended_and_resumed_in_the_store(scene: Scene) -> None:
    scene.api.objects[PATH]["spec"]["suspend"] = True
    await scene.reconcile(BALANCES)
    [row] = await scene.databases.kept.subscriptions.list("bank")
    assert (row.state, row.paused_by) == ("paused", OWN)
    await scene.reconcile(BALANCES)
    assert scene.condition("Suspended", BALANCES)[:2] == ("True", "SuspendedBySpec")
    scene.api.objects[PATH]["spec"]["suspend"] = False
    for _ in range(2):
        await scene.reconcile(BALANCES)
    [row] = await scene.databases.kept.subscriptions.list("bank")
    assert (row.state, row.paused_by) == ("running", "")
    assert scene.condition("Suspended", BALANCES)[:2] == ("False", "NotSuspended")


async def test_what_another_cluster_suspended_is_not_resumed(scene: Scene) -> None:
    other = OWN.replace("bundle-uid", "of-another-cluster")
    await scene.databases.kept.subscriptions.pause("bank", "balances", by=other)
    await reread(scene)
    for _ in range(2):
        await scene.reconcile(BALANCES)
    [row] = await scene.databases.kept.subscriptions.list("bank")
    assert (row.state, row.paused_by) == ("paused", other)
    assert scene.condition("Suspended", BALANCES)[:2] == ("True", "PausedElsewhere")


async def test_a_store_that_is_away_is_told_of_later(scene: Scene) -> None:
    scene.api.objects[PATH]["spec"]["suspend"] = True
    await scene.reconcile(BALANCES)
    scene.databases.away = True
    await scene.reconcile(BALANCES)
    assert scene.condition("Ready", BALANCES)[:2] == ("Unknown", "StoreUnreachable")
    assert scene.status(BALANCES)["position"] == 3


async def test_a_stopped_subscription_goes_on_by_a_new_nonce(scene: Scene) -> None:
    store = scene.databases.kept.subscriptions
    [claim] = await store.claim("bank-1/7f", [KEY], lease=3600)
    await store.stop(claim, "E: no")
    await reread(scene)
    await scene.reconcile(BALANCES)
    assert scene.condition("Ready", BALANCES)[:2] == ("False", "SubscriptionStopped")
    assert ("Warning", "SubscriptionStopped") in events(scene, "bank-balances")
    scene.api.objects[PATH]["spec"]["resumeNonce"] = "1"
    await scene.reconcile(BALANCES)
    assert [row.state for row in await store.list("bank")] == ["running"]
    assert scene.status(BALANCES)["resumedNonce"] == "1"
    [claim] = await store.claim("bank-1/7f", [KEY], lease=3600)
    await store.stop(claim, "E: no")
    await reread(scene)
    await scene.reconcile(BALANCES)
    assert [row.state for row in await store.list("bank")] == ["stopped"]


async def test_progress_is_not_written_all_the_time(scene: Scene) -> None:
    heads: list[int] = []
    for _ in range(4):
        async with scene.databases.kept as store:
            await store.append("account-2", [NewEvent(uuid7(), "opened", b"{}")])
        await reread(scene)
        await scene.reconcile(BALANCES)
        heads.append(scene.status(BALANCES)["head"])
    # The first shows that it is catching up, the second is progress, and then it is too early.
    assert heads == [4, 5, 5, 5]


async def test_parked_events_are_retried_by_a_replay(scene: Scene) -> None:
    scene.give(replay_body(retry={"fingerprint": "f"}))
    await scene.reconcile(RETRY)
    store = scene.databases.kept.subscriptions
    [parked] = await store.parked("bank", "balances")
    assert parked.state == "retrying"
    assert scene.status(RETRY)["phase"] == "Running"
    [claim] = await store.claim("bank-1/7f", [KEY], lease=3600)
    await store.unpark(claim, parked.position)
    await scene.reconcile(RETRY)
    assert scene.condition("Complete", RETRY)[:2] == ("True", "Retried")
    assert scene.status(RETRY)["counts"] == {"retried": 1, "handled": 1, "failedAgain": 0}
    assert events(scene, "retry") == [("Normal", "Retried")]
    assert await scene.reconcile(RETRY) == []


async def test_parked_events_are_discarded_by_a_replay(scene: Scene) -> None:
    scene.give(replay_body(discard={"keys": ["account-1"], "reason": "a mistake"}))
    await scene.reconcile(RETRY)
    assert scene.condition("Complete", RETRY)[:2] == ("True", "Discarded")
    [gone] = await scene.databases.kept.subscriptions.discarded("bank", "balances")
    assert gone.reason == "a mistake (Replay shops/retry, uid retry-uid)"


async def test_a_discard_that_was_not_noted_is_not_lost(scene: Scene) -> None:
    scene.give(replay_body(discard={"all": True, "reason": "a mistake"}))
    await scene.reconcile(RETRY)
    del scene.api.objects[REPLAY.path(NAMESPACE, "retry")]["status"]
    await scene.reconcile(RETRY)
    assert scene.condition("Complete", RETRY)[:2] == ("True", "Discarded")
    assert scene.status(RETRY)["counts"] == {"discarded": 1}


async def test_a_handler_is_replayed_in_place(scene: Scene) -> None:
    scene.give(replay_body(**{"from": "2", "mode": "InPlace"}))
    await scene.reconcile(RETRY)
    store = scene.databases.kept.subscriptions
    [row] = await store.list("bank")
    assert (row.position, row.registered, row.parked) == (1, 3, 0)
    [claim] = await store.claim("bank-1/7f", [KEY], lease=3600)
    await store.save(claim, 2)
    await reread(scene)
    await scene.reconcile(RETRY)
    status = scene.status(RETRY)
    assert (status["phase"], status["start"], status["percent"]) == ("Running", 1, 50)
    await store.save(claim, 3)
    await reread(scene)
    await scene.reconcile(RETRY)
    assert scene.condition("Complete", RETRY)[:2] == ("True", "Replayed")


@pytest.mark.parametrize(("is_read", "away"), [(False, False), (True, True)])
async def test_a_replay_goes_on_after_a_time_in_which_nothing_was_read(
    scene: Scene, *, is_read: bool, away: bool
) -> None:
    scene.give(replay_body(**{"from": "origin", "mode": "InPlace"}))
    for _ in range(2):
        await scene.reconcile(RETRY)
    before = scene.status(RETRY)
    assert (before["phase"], before["target"]) == ("Running", 3)
    scene.databases.is_read, scene.databases.away = is_read, away
    await scene.reconcile(RETRY)
    assert scene.status(RETRY)["phase"] == "Running"
    scene.databases.is_read, scene.databases.away = True, False
    store = scene.databases.kept.subscriptions
    [claim] = await store.claim("bank-1/7f", [KEY], lease=3600)
    await store.save(claim, 3)
    await reread(scene)
    await scene.reconcile(RETRY)
    assert scene.condition("Complete", RETRY)[:2] == ("True", "Replayed")


async def test_a_replay_waits_for_a_store_that_is_gone(scene: Scene) -> None:
    del scene.api.objects[STORE.path(NAMESPACE, "main")]
    scene.databases.is_read = False
    scene.give(replay_body(retry={"all": True}))
    await scene.reconcile(RETRY)
    assert scene.status(RETRY)["phase"] == "Pending"
    message = scene.condition("Complete", RETRY)[2]
    assert message == "there is no EventStore 'main' in the namespace 'shops'"


async def test_a_replay_does_not_open_a_store_that_is_known_to_be_away(scene: Scene) -> None:
    scene.databases.away = True
    opened = scene.databases.opened_stores
    scene.give(replay_body(retry={"all": True}))
    await scene.reconcile(RETRY)
    assert scene.status(RETRY)["phase"] == "Pending"
    assert scene.condition("Complete", RETRY)[:2] == ("False", "StoreUnreachable")
    assert scene.databases.opened_stores == opened
    scene.databases.away = False
    await scene.reconcile(RETRY)
    assert scene.status(RETRY)["phase"] == "Running"


async def test_a_replay_whose_beginning_was_not_noted_begins_once(scene: Scene) -> None:
    scene.give(replay_body(**{"from": "origin", "mode": "InPlace"}))
    path = REPLAY.path(NAMESPACE, "retry")
    await scene.reconcile(RETRY)
    store = scene.databases.kept.subscriptions
    [claim] = await store.claim("bank-1/7f", [KEY], lease=3600)
    await store.save(claim, 2)
    del scene.api.objects[path]["status"]
    await scene.reconcile(RETRY)
    assert [row.position for row in await store.list("bank")] == [2]
    assert scene.status(RETRY)["phase"] == "Running"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"retry": {"keys": ["account-9"]}}, "NothingParked"),
        ({"from": "99", "mode": "InPlace"}, "BeyondTheEnd"),
        ({"from": "origin"}, "NotReplayable"),
        ({"from": "origin", "subscriptionRef": {"name": "bank-transfer"}}, "NotReplayable"),
    ],
)
async def test_what_cannot_be_done_changes_nothing(
    scene: Scene, spec: dict[str, Any], reason: str
) -> None:
    scene.give(replay_body(**spec))
    await scene.reconcile(RETRY)
    assert scene.condition("Failed", RETRY)[:2] == ("True", reason)
    assert events(scene, "retry") == [("Warning", reason)]
    [row] = await scene.databases.kept.subscriptions.list("bank")
    assert (row.position, row.parked) == (3, 1)


async def test_one_replay_of_a_subscription_at_a_time(scene: Scene) -> None:
    scene.give(replay_body(retry={"all": True}))
    await scene.reconcile(RETRY)
    scene.give(replay_body("second", **{"from": "origin", "mode": "InPlace"}))
    await scene.reconcile(SECOND)
    assert scene.status(SECOND)["phase"] == "Pending"
    assert scene.condition("Complete", SECOND) == (
        "False",
        "ReplayRunning",
        "the Replay 'retry' of this subscription is under way; this one begins after it",
    )
    scene.api.remove(REPLAY.path(NAMESPACE, "retry"))
    await scene.reconcile(SECOND)
    assert scene.status(SECOND)["phase"] == "Running"


async def test_of_two_replays_that_are_made_together_one_begins(scene: Scene) -> None:
    scene.give(replay_body(**{"from": "2", "mode": "InPlace"}))
    scene.give(replay_body("second", **{"from": "origin", "mode": "InPlace"}))
    opened = scene.databases.opened_stores
    scene.databases.answers.clear()
    first = asyncio.create_task(scene.reconcile(RETRY))
    await until(lambda: scene.databases.opened_stores > opened)
    async with asyncio.timeout(60):
        await scene.reconcile(SECOND)
    assert scene.condition("Complete", SECOND)[:2] == ("False", "ReplayRunning")
    scene.databases.answers.set()
    await first
    await scene.reconcile(SECOND)
    assert (scene.status(RETRY)["phase"], scene.status(SECOND)["phase"]) == ("Running", "Pending")
    store = scene.databases.kept.subscriptions
    [claim] = await store.claim("bank-1/7f", [KEY], lease=3600)
    await store.save(claim, 3)
    await reread(scene)
    await scene.reconcile(RETRY)
    assert scene.condition("Complete", RETRY)[:2] == ("True", "Replayed")
    await scene.reconcile(SECOND)
    assert scene.status(SECOND)["phase"] == "Running"


async def test_a_replay_that_could_not_begin_keeps_no_other_waiting(scene: Scene) -> None:
    scene.give(replay_body(**{"from": "99", "mode": "InPlace"}))
    await scene.reconcile(RETRY)
    assert scene.status(RETRY)["phase"] == "Failed"
    scene.give(replay_body("second", **{"from": "origin", "mode": "InPlace"}))
    await scene.reconcile(SECOND)
    assert scene.status(SECOND)["phase"] == "Running"


async def test_a_finished_replay_is_deleted_when_its_time_is_over(scene: Scene) -> None:
    scene.give(replay_body(retry={"keys": ["account-9"]}, ttlSecondsAfterFinished=0))
    for _ in range(2):
        await scene.reconcile(RETRY)
    assert scene.all(REPLAY) == []
