"""Events: told once, then counted, and never in the way."""

from typing import Any

from chekov_operator.client import Client
from chekov_operator.recorder import Recorder
from tests.operator.fake_api import FakeApi

EVENTS = "/api/v1/namespaces/shops/events"
BANK: dict[str, Any] = {
    "apiVersion": "chekov.dev/v1alpha1",
    "kind": "DomainBundle",
    "metadata": {"name": "bank", "namespace": "shops", "uid": "u-1"},
}


def events(api: FakeApi) -> list[dict[str, Any]]:
    return [body for path, body in api.objects.items() if path.startswith(EVENTS)]


async def test_an_event_tells_what_happened_to_which_object(api: FakeApi, client: Client) -> None:
    await Recorder(client, "operator-1").record(BANK, "Normal", "Serving", "2 of 2 pods")
    (event,) = events(api)
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
    recorder = Recorder(client, "operator-1")
    for _ in range(3):
        await recorder.record(BANK, "Warning", "ImportFailed", "no module bank")
    (event,) = events(api)
    assert event["count"] == 3


async def test_other_words_are_another_event(api: FakeApi, client: Client) -> None:
    recorder = Recorder(client, "operator-1")
    await recorder.record(BANK, "Warning", "ImportFailed", "no module bank")
    await recorder.record(BANK, "Warning", "ImportFailed", "no module shop")
    assert len(events(api)) == 2


async def test_an_event_that_ran_out_is_told_again(api: FakeApi, client: Client) -> None:
    recorder = Recorder(client, "operator-1")
    await recorder.record(BANK, "Normal", "Serving", "2 of 2 pods")
    api.objects.clear()
    await recorder.record(BANK, "Normal", "Serving", "2 of 2 pods")
    (event,) = events(api)
    assert event["count"] == 2


async def test_an_event_of_an_operator_before_is_taken_over(api: FakeApi, client: Client) -> None:
    await Recorder(client, "operator-1").record(BANK, "Normal", "Serving", "2 of 2 pods")
    await Recorder(client, "operator-2").record(BANK, "Normal", "Serving", "2 of 2 pods")
    assert len(events(api)) == 1


async def test_a_long_message_is_cut_at_what_an_event_holds(api: FakeApi, client: Client) -> None:
    await Recorder(client, "operator-1").record(BANK, "Normal", "Serving", "x" * 5000)
    assert len(events(api)[0]["message"]) <= 1024


async def test_a_refused_event_stops_nothing(api: FakeApi, client: Client) -> None:
    api.fail("POST", "/events", 403, "Forbidden")
    await Recorder(client, "operator-1").record(BANK, "Normal", "Serving", "2 of 2 pods")
    assert events(api) == []
