"""The gauges of stores."""

from prometheus_client import CollectorRegistry

from chekov.store.postgres.inspect import StoreStatus
from chekov_operator.api.fault import Fault
from chekov_operator.kube.kinds import Key
from chekov_operator.metrics import Metrics
from chekov_operator.stores.poller import Reading
from chekov_operator.stores.store_metrics import store_metrics

MAIN = Key("EventStore", "shops", "main")
STATE = StoreStatus(
    "18.4", 22, 22, position=7, streams=3, bytes=4096, connections=90, connection_limit=97
)


def exposed(*readings: tuple[Key, Reading]) -> CollectorRegistry:
    metrics = Metrics()
    metrics.watch(lambda: store_metrics(readings))
    return metrics.registry


def test_a_store_that_was_read_has_its_figures() -> None:
    registry = exposed((MAIN, Reading(state=STATE)))
    figures = {
        name: registry.get_sample_value(
            f"chekov_operator_store_{name}", {"namespace": "shops", "name": "main"}
        )
        for name in ("position", "streams", "bytes", "connections", "connection_limit")
    }
    assert figures == {
        "position": 7,
        "streams": 3,
        "bytes": 4096,
        "connections": 90,
        "connection_limit": 97,
    }


def test_a_store_that_cannot_be_read_has_none() -> None:
    registry = exposed((MAIN, Reading(unreachable=Fault("Unreachable", "no answer"))))
    labels = {"namespace": "shops", "name": "main"}
    assert registry.get_sample_value("chekov_operator_store_position", labels) is None


def test_a_changed_number_of_connections_is_no_news() -> None:
    other = StoreStatus("18.4", 22, 22, position=7, streams=3, bytes=4096, connections=91)
    assert Reading(state=STATE) == Reading(state=other)
