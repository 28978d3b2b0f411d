"""What the operator counts."""

from chekov_operator.metrics import Metrics
from chekov_operator.resources import Key

BANK = Key("DomainBundle", "shops", "bank")
SHOP = Key("DomainBundle", "shops", "shop")
MAIN = Key("EventStore", "shops", "main")


def objects(metrics: Metrics, kind: str, ready: str) -> float | None:
    labels = {"kind": kind, "ready": ready}
    return metrics.registry.get_sample_value("chekov_operator_objects", labels)


def test_objects_are_counted_by_kind_and_readiness(metrics: Metrics) -> None:
    metrics.told(BANK, "True")
    metrics.told(SHOP, "False")
    metrics.told(MAIN, "True")
    assert objects(metrics, "DomainBundle", "True") == 1
    assert objects(metrics, "DomainBundle", "False") == 1
    assert objects(metrics, "EventStore", "True") == 1


def test_an_object_that_turns_is_counted_once(metrics: Metrics) -> None:
    for ready in ("False", "True", "True"):
        metrics.told(BANK, ready)
    assert objects(metrics, "DomainBundle", "False") == 0
    assert objects(metrics, "DomainBundle", "True") == 1


def test_an_object_that_is_gone_is_no_longer_counted(metrics: Metrics) -> None:
    metrics.told(BANK, "True")
    metrics.gone(BANK)
    metrics.gone(BANK)
    assert objects(metrics, "DomainBundle", "True") == 0


def test_an_object_of_which_nothing_is_known_is_not_counted(metrics: Metrics) -> None:
    metrics.told(BANK, "True")
    metrics.told(BANK, None)
    assert objects(metrics, "DomainBundle", "True") == 0


def test_two_operators_in_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.told(BANK, "True")
    assert objects(other, "DomainBundle", "True") is None
    assert b'chekov_operator_objects{kind="DomainBundle",ready="True"} 1.0' in one.exposition()
