"""One release for the whole cluster: a second one does not lead, and says why."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from chekov_operator.kube.client import ApiUnavailable, Client
from chekov_operator.kube.kinds import LEASE
from chekov_operator.kube.leadership import Leadership
from chekov_operator.kube.lease import CLUSTER_SCOPE, NAMESPACES_SCOPE, Lease
from chekov_operator.kube.objects import Object
from chekov_operator.management import Health
from tests.operator.fake_api import FakeApi
from tests.waiting import until


def release(client: Client, namespace: str, *, scope: str = CLUSTER_SCOPE) -> Lease:
    return Lease(
        client, namespace=namespace, name="chekov", holder=namespace, seconds=1, scope=scope
    )


def frozen() -> Callable[[], float]:
    return lambda: 0.0


async def test_the_only_release_leads(client: Client) -> None:
    health = Health()
    await Leadership(client, release(client, "one"), health).acquire()
    assert health.refused == ""


async def test_a_second_release_does_not_lead_and_says_why(client: Client) -> None:
    await Leadership(client, release(client, "one"), Health()).acquire()
    health = Health()
    second = Leadership(client, release(client, "two"), health, clock=frozen())
    task = asyncio.create_task(second.acquire())
    await until(lambda: health.refused)
    assert "one/chekov" in health.refused
    assert "watchNamespaces" in health.refused
    task.cancel()


async def test_it_leads_once_the_other_one_is_uninstalled(client: Client) -> None:
    first = release(client, "one")
    await Leadership(client, first, Health()).acquire()
    health = Health()
    task = asyncio.create_task(Leadership(client, release(client, "two"), health).acquire())
    await until(lambda: health.refused)
    await first.release()
    await task
    assert health.refused == ""


async def test_a_release_that_no_longer_renews_does_not_stand_in_the_way(client: Client) -> None:
    await Leadership(client, release(client, "one"), Health()).acquire()
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 2
        return now

    await Leadership(client, release(client, "two"), Health(), clock=clock).acquire()


async def test_no_lease_stands_in_the_way_for_longer_than_a_few_durations(
    api: FakeApi, client: Client
) -> None:
    await Leadership(client, release(client, "one"), Health()).acquire()
    api.objects[LEASE.path("one", "chekov")]["spec"]["leaseDurationSeconds"] = 2**31 - 1
    now, health = 0.0, Health()
    second = Leadership(client, release(client, "two"), health, clock=lambda: now)
    task = asyncio.create_task(second.acquire())
    await until(lambda: health.refused)
    now = 4.5
    await task
    assert health.refused == ""


async def test_of_two_releases_that_start_together_one_leads(api: FakeApi, client: Client) -> None:
    tasks = [
        asyncio.create_task(
            Leadership(client, release(client, name), Health(), clock=frozen()).acquire()
        )
        for name in ("one", "two")
    ]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert len(pending) == 1
    held = [
        name
        for name in ("one", "two")
        if api.objects[LEASE.path(name, "chekov")]["spec"]["holderIdentity"]
    ]
    assert held
    pending.pop().cancel()


async def test_releases_for_some_namespaces_lead_beside_each_other(
    api: FakeApi, client: Client
) -> None:
    for name in ("one", "two"):
        lease = release(client, name, scope=NAMESPACES_SCOPE)
        await Leadership(client, lease, Health()).acquire()
    assert [item.path for item in api.requests if item.path.endswith("/v1/leases")] == []


async def test_without_the_right_to_list_leases_it_leads(api: FakeApi, client: Client) -> None:
    for _ in range(2):
        api.fail("GET", "/v1/leases", 403, "Forbidden")
    await Leadership(client, release(client, "one"), Health()).acquire()


async def test_while_leases_cannot_be_listed_it_does_not_lead_beside_another_release(
    api: FakeApi, client: Client
) -> None:
    await Leadership(client, release(client, "one"), Health()).acquire()
    for _ in range(2):
        api.fail("GET", "/v1/leases", 500, "InternalError")
    health = Health()
    second = Leadership(client, release(client, "two"), health, clock=frozen())
    task = asyncio.create_task(second.acquire())
    await until(lambda: health.refused)
    assert not api.failures
    task.cancel()


async def test_a_lease_is_given_up_if_others_cannot_be_looked_for_after_it_was_taken(
    api: FakeApi, client: Client
) -> None:
    lease = release(client, "one")
    path = LEASE.path("one", "chekov")
    held: list[str] = []

    class Looking(Client):
        """Cannot list Leases right after the first one was taken."""

        async def list(self, *args: Any, **options: Any) -> Sequence[Object]:
            if path in api.objects and not held:
                held.append(api.objects[path]["spec"]["holderIdentity"])
                raise ApiUnavailable("nobody answers")
            if held:
                held.append(api.objects[path]["spec"]["holderIdentity"])
            return await client.list(*args, **options)

    looking = Looking.__new__(Looking)
    await Leadership(looking, lease, Health()).acquire()
    assert held == ["one", "", "one"]
