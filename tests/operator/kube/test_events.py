"""Kubernetes Events: a repeated one is counted, and a refused one stops nothing."""

from typing import Any

from chekov_operator.kube.client import Client
from chekov_operator.kube.events import Events, warnings_about
from chekov_operator.kube.kinds import EVENT
from tests.operator.fake_api import FakeApi

EVENTS = "/api/v1/namespaces/shops/events"
BANK: dict[str, Any] = {
    "apiVersion": "chekov.dev/v1alpha1",
    "kind": "DomainBundle",
    "metadata": {"name": "bank", "namespace": "shops", "uid": "u-1"},
}


def written(api: FakeApi) -> list[dict[str, Any]]:
    return [body for path, body in api.objects.items() if path.startswith(EVENTS)]


async def test_an_event_names_its_object(api: FakeApi, client: Client) -> None:
    await Events(client, "operator-1").emit(BANK, "Normal", "Serving", "2 of 2 pods")
    (event,) = written(api)
    assert event["involvedObject"] == {
        "apiVersion": "chekov.dev/v1alpha1",
        "kind": "DomainBundle",
        "name": "bank",
        "namespace": "shops",
        "uid": "u-1",
    }
    assert (event["type"], event["reason"], event["message"], event["count"]) == (
        "Normal",
        "Serving",
        "2 of 2 pods",
        1,
    )
    assert event["reportingInstance"] == "operator-1"
    assert event["firstTimestamp"] == event["lastTimestamp"]


async def test_the_same_event_again_is_counted(api: FakeApi, client: Client) -> None:
    events = Events(client, "operator-1")
    for _ in range(3):
        await events.emit(BANK, "Warning", "ImportFailed", "no module bank")
    (event,) = written(api)
    assert event["count"] == 3


async def test_another_message_is_another_event(api: FakeApi, client: Client) -> None:
    events = Events(client, "operator-1")
    await events.emit(BANK, "Warning", "ImportFailed", "no module bank")
    await events.emit(BANK, "Warning", "ImportFailed", "no module shop")
    assert len(written(api)) == 2


async def test_an_event_that_expired_is_created_again(api: FakeApi, client: Client) -> None:
    events = Events(client, "operator-1")
    await events.emit(BANK, "Normal", "Serving", "2 of 2 pods")
    api.objects.clear()
    await events.emit(BANK, "Normal", "Serving", "2 of 2 pods")
    (event,) = written(api)
    assert event["count"] == 2


async def test_an_event_of_the_previous_leader_is_continued(api: FakeApi, client: Client) -> None:
    await Events(client, "operator-1").emit(BANK, "Normal", "Serving", "2 of 2 pods")
    await Events(client, "operator-2").emit(BANK, "Normal", "Serving", "2 of 2 pods")
    assert len(written(api)) == 1


async def test_a_long_message_is_cut_at_what_an_event_holds(api: FakeApi, client: Client) -> None:
    await Events(client, "operator-1").emit(BANK, "Normal", "Serving", "x" * 5000)
    assert len(written(api)[0]["message"]) <= 1024


async def test_a_refused_event_stops_nothing(api: FakeApi, client: Client) -> None:
    api.fail("POST", "/events", 403, "Forbidden")
    await Events(client, "operator-1").emit(BANK, "Normal", "Serving", "2 of 2 pods")
    assert written(api) == []


def warn(api: FakeApi, name: str, uid: str, message: str, **more: Any) -> None:
    event = {"type": "Warning", "message": message, "involvedObject": {"uid": uid}, **more}
    api.put(EVENT.path("shops", name), event)


async def test_the_last_warning_about_an_object_is_found(api: FakeApi, client: Client) -> None:
    warn(api, "a", "one", "old", lastTimestamp="2026-11-24T10:00:00Z")
    warn(api, "b", "one", "exceeded quota", lastTimestamp="2026-11-24T11:00:00Z")
    warn(api, "c", "one", "fine", type="Normal", lastTimestamp="2026-11-24T12:00:00Z")
    warn(api, "d", "two", "of another object")
    assert await warnings_about(client, "shops", ["one", "three"]) == {"one": "exceeded quota"}


async def test_without_the_right_to_read_events_nothing_is_said(
    api: FakeApi, client: Client
) -> None:
    api.fail("GET", "events", 403, "Forbidden")
    assert await warnings_about(client, "shops", ["one"]) == {}
