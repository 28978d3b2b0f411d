"""What the operator counts."""

from chekov_operator.kube.kinds import Key
from chekov_operator.metrics import Metrics

BANK = Key("DomainBundle", "shops", "bank")
SHOP = Key("DomainBundle", "shops", "shop")
MAIN = Key("EventStore", "shops", "main")


def objects(metrics: Metrics, kind: str, ready: str) -> float | None:
    labels = {"kind": kind, "ready": ready}
    return metrics.registry.get_sample_value("chekov_operator_objects", labels)


def test_objects_are_counted_by_kind_and_readiness(metrics: Metrics) -> None:
    metrics.set_ready(BANK, "True")
    metrics.set_ready(SHOP, "False")
    metrics.set_ready(MAIN, "True")
    assert objects(metrics, "DomainBundle", "True") == 1
    assert objects(metrics, "DomainBundle", "False") == 1
    assert objects(metrics, "EventStore", "True") == 1


def test_an_object_that_turns_is_counted_once(metrics: Metrics) -> None:
    for ready in ("False", "True", "True"):
        metrics.set_ready(BANK, ready)
    assert objects(metrics, "DomainBundle", "False") == 0
    assert objects(metrics, "DomainBundle", "True") == 1


def test_an_object_that_is_gone_is_no_longer_counted(metrics: Metrics) -> None:
    metrics.set_ready(BANK, "True")
    metrics.forget(BANK)
    metrics.forget(BANK)
    assert objects(metrics, "DomainBundle", "True") == 0


def test_an_object_of_which_nothing_is_known_is_not_counted(metrics: Metrics) -> None:
    metrics.set_ready(BANK, "True")
    metrics.set_ready(BANK, None)
    assert objects(metrics, "DomainBundle", "True") == 0


def test_two_operators_in_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.set_ready(BANK, "True")
    assert objects(other, "DomainBundle", "True") is None
    assert b'chekov_operator_objects{kind="DomainBundle",ready="True"} 1.0' in one.exposition()
