"""Writes docs/reference/metrics.md from the metrics themselves: `python docs/metrics.py`."""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry

from chekov.server.metrics import Metrics
from chekov.server.runtime_collector import RuntimeCollector
from chekov_operator.metrics import Metrics as OperatorMetrics

TARGET = Path(__file__).parent / "reference" / "metrics.md"

HEAD = """# Metrics

In the Prometheus text format: of each runtime pod on port 9090 at `/metrics`, of the operator on its management port.
Pods carry the `prometheus.io/*` annotations; the chart can make PodMonitors. Counters end in `_total`. This page is
written by `python docs/metrics.py`.
"""


def page() -> str:
    runtime = Metrics(["Deposit"], ["balances"])
    runtime.watch(RuntimeCollector().collect)
    runtime.describe(version="", domain="", bundle="", revision="", node="", python="")
    return (
        HEAD + _table("Runtime", runtime.registry) + _table("Operator", OperatorMetrics().registry)
    )


def _table(title: str, registry: CollectorRegistry) -> str:
    rows = sorted(_rows(registry))
    return (
        f"\n## {title}\n| metric | type | meaning |\n|---|---|---|\n"
        + "".join(rows)
        + "\n`process_*` and `python_info` describe the process.\n"
    )


def _rows(registry: CollectorRegistry) -> Iterable[str]:
    for family in registry.collect():
        if family.name.startswith("chekov"):
            name = family.name + ("_total" if family.type == "counter" else "")
            yield f"| `{name}` | {family.type} | {family.documentation} |\n"


if __name__ == "__main__":
    TARGET.write_text(page())
