"""One leader among the replicas, whatever the others, the network and the clocks do."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chekov_operator.kube.client import Client
from chekov_operator.kube.lease import Lease, LeaseLost
from tests.operator.fake_api import FakeApi
from tests.waiting import until

PATH = "/apis/coordination.k8s.io/v1/namespaces/chekov-system/leases/chekov-operator"
SECONDS = 1.2

Replica = Callable[[str], Lease]


@pytest.fixture
async def replica(client: Client) -> Replica:
    """Makes the Lease of a replica by its name."""
    return lambda holder: Lease(
        client,
        namespace="chekov-system",
        name="chekov-operator",
        holder=holder,
        seconds=SECONDS,
    )


def spec(api: FakeApi) -> dict[str, Any]:
    return api.objects[PATH]["spec"]


def held_by(api: FakeApi, holder: str) -> None:
    """Make the Lease as another replica would, which then says no more."""
    times = {
        "acquireTime": "2026-11-24T10:00:00.000000Z",
        "renewTime": "2026-11-24T10:00:00.000000Z",
    }
    api.put(PATH, {"spec": {"holderIdentity": holder, "leaseDurationSeconds": 1, **times}})


async def test_the_first_replica_leads(api: FakeApi, replica: Replica) -> None:
    await replica("one").acquire()
    assert spec(api)["holderIdentity"] == "one"


async def test_a_second_replica_waits_while_the_first_renews(
    api: FakeApi, replica: Replica
) -> None:
    first = replica("one")
    await first.acquire()
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(first.keep())
        waiting = group.create_task(replica("two").acquire())
        begun = spec(api)["renewTime"]
        renewals: set[str] = set()
        # Twice as many as it takes a Lease that nobody renews to run out.
        await until(lambda: renewals.add(spec(api)["renewTime"]) or len(renewals) > 12)
        assert not waiting.done()
        assert spec(api)["renewTime"] > begun
        assert spec(api)["holderIdentity"] == "one"
        keeping.cancel()
        waiting.cancel()


async def test_a_lease_that_is_given_back_is_taken_at_once(api: FakeApi, replica: Replica) -> None:
    first = replica("one")
    await first.acquire()
    await first.release()
    await replica("two").acquire()
    assert spec(api)["holderIdentity"] == "two"
    assert spec(api)["leaseTransitions"] == 1


async def test_a_silent_leader_is_replaced_however_wrong_its_clock_is(
    api: FakeApi, replica: Replica
) -> None:
    held_by(api, "gone")
    spec(api)["renewTime"] = "2099-01-01T00:00:00.000000Z"
    await replica("two").acquire()
    assert spec(api)["holderIdentity"] == "two"


async def test_a_leader_that_starts_again_leads_at_once(api: FakeApi, replica: Replica) -> None:
    held_by(api, "one")
    await replica("one").acquire()
    assert spec(api).get("leaseTransitions") in (None, 0)


async def test_of_two_that_try_only_one_gets_it(api: FakeApi, replica: Replica) -> None:
    held_by(api, "")
    async with asyncio.TaskGroup() as group:
        tries = [group.create_task(replica(name).acquire()) for name in ("one", "two")]
        await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
        assert [task.done() for task in tries].count(True) == 1
        for task in tries:
            task.cancel()


async def test_a_leader_whose_lease_is_taken_stops(api: FakeApi, replica: Replica) -> None:
    first = replica("one")
    await first.acquire()
    spec(api)["holderIdentity"] = "two"
    with pytest.raises(LeaseLost):
        await first.keep()


async def test_a_leader_that_cannot_renew_stops(api: FakeApi, replica: Replica) -> None:
    first = replica("one")
    await first.acquire()
    for _ in range(50):
        api.fail("GET", "/chekov-operator", 500, "InternalError")
    with pytest.raises(LeaseLost):
        await first.keep()


async def test_one_failed_renewal_is_borne(api: FakeApi, replica: Replica) -> None:
    first = replica("one")
    await first.acquire()
    api.fail("GET", "/chekov-operator", 500, "InternalError")
    before = spec(api)["renewTime"]
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(first.keep())
        await until(lambda: spec(api)["renewTime"] > before)
        assert not keeping.done()
        keeping.cancel()


async def test_a_lease_of_another_is_not_given_back(api: FakeApi, replica: Replica) -> None:
    held_by(api, "two")
    await replica("one").release()
    assert spec(api)["holderIdentity"] == "two"


async def test_a_release_that_fails_leaves_the_lease_to_expire(
    api: FakeApi, replica: Replica
) -> None:
    first = replica("one")
    await first.acquire()
    for _ in range(3):
        api.fail("GET", "/chekov-operator", 503, "ServiceUnavailable")
    await first.release()
    assert spec(api)["holderIdentity"] == "one"
