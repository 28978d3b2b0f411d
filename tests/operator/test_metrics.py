"""What the operator counts."""

from chekov_operator.kube.kinds import Key
from chekov_operator.metrics import Metrics

BANK = Key("DomainBundle", "shops", "bank")
READY = {"Ready": ("True", "Serving")}
FAILED = {"Ready": ("False", "PodsNotReady"), "Degraded": ("True", "PodsNotReady")}


def condition(metrics: Metrics, kind: str, status: str, reason: str) -> float | None:
    labels = {
        "kind": BANK.kind,
        "namespace": BANK.namespace,
        "name": BANK.name,
        "type": kind,
        "status": status,
        "reason": reason,
    }
    return metrics.registry.get_sample_value("chekov_operator_condition", labels)


def test_each_condition_of_an_object_is_a_series(metrics: Metrics) -> None:
    metrics.set_conditions(BANK, FAILED)
    assert condition(metrics, "Ready", "False", "PodsNotReady") == 1
    assert condition(metrics, "Degraded", "True", "PodsNotReady") == 1


def test_a_condition_that_turns_leaves_no_series_behind(metrics: Metrics) -> None:
    metrics.set_conditions(BANK, FAILED)
    metrics.set_conditions(BANK, READY)
    assert condition(metrics, "Ready", "True", "Serving") == 1
    assert condition(metrics, "Ready", "False", "PodsNotReady") is None


def test_an_object_that_is_gone_has_no_series(metrics: Metrics) -> None:
    metrics.set_conditions(BANK, READY)
    metrics.forget(BANK)
    metrics.forget(BANK)
    assert condition(metrics, "Ready", "True", "Serving") is None


def test_two_operators_in_one_process_count_for_themselves(metrics: Metrics) -> None:
    other = Metrics()
    metrics.set_conditions(BANK, READY)
    assert condition(other, "Ready", "True", "Serving") is None
    assert b'reason="Serving"' in metrics.exposition()
