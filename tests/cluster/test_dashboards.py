"""Each query of each panel returns data of the bank under load."""

import json
import math
from collections.abc import Generator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dashboards.generated import TARGET
from dashboards.prometheus import Prometheus
from dashboards.queries import chosen_values, queries
from tests.cluster.bank import Bank, Load
from tests.cluster.kube.shell import wait_for


@pytest.fixture(scope="module")
def loaded(bank: Bank, observed: Prometheus) -> Generator[Prometheus]:
    """Prometheus, while the bank takes deposits and transfers."""
    load = Load(bank)
    load.start()
    _transfer(bank)
    wait_for("scrapes of the load", lambda: (observed.number(_rate(bank)) or 0) > 1, timeout=60)
    yield observed
    load.remove()


def _transfer(bank: Bank) -> None:
    source, target = str(uuid4()), str(uuid4())
    for account in (source, target):
        bank.command("OpenAccount", {"account_id": account, "owner": "Ada"})
    bank.command("Deposit", {"account_id": source, "amount": 25})
    transfer = {"transfer_id": str(uuid4()), "source": source, "target": target, "amount": 5}
    answer = bank.command("RequestTransfer", transfer)
    assert answer.status == 200, answer


def _rate(bank: Bank) -> str:
    return f'sum(rate(chekov_commands_total{{namespace="{bank.kubectl.namespace}"}}[30s]))'


@pytest.mark.parametrize("path", sorted(TARGET.iterdir()), ids=lambda path: path.stem)
def test_every_query_of_every_panel_returns_data(
    bank: Bank, loaded: Prometheus, path: Path
) -> None:
    dashboard = json.loads(path.read_text())
    found = list(queries(dashboard))
    assert len(found) > 5
    wanted = {"namespace": bank.kubectl.namespace, "bundle": bank.name, "store": "main"}

    def empty() -> list[str]:
        values = chosen_values(dashboard, loaded.label_values, wanted, rate_interval="30s")
        expressions = [query.with_values(values) for query in found]
        results = loaded.results(
            expressions, [query.instant for query in found], seconds=120, step=5
        )
        return [
            f"{query.panel}: {expression}"
            for query, expression, result in zip(found, expressions, results, strict=True)
            if not _has_data(result)
        ]

    missing: list[str] = []

    def complete() -> bool:
        _transfer(bank)  # more and more accounts are read from the store
        missing[:] = empty()
        return not missing

    try:
        wait_for("data of every panel", complete, timeout=60)
    except Exception as error:
        error.add_note("\n".join(missing))
        raise


def test_nothing_is_alarming_under_load(bank: Bank, loaded: Prometheus) -> None:
    """Not even for a moment; how long commands take is left out, since the machine may be busy."""
    found = loaded.alerts("pending", "firing")
    here = [each for each in found if each.get("namespace") == bank.kubectl.namespace]
    assert [each for each in here if each["alertname"] != "ChekovCommandsSlow"] == []


def _has_data(result: list[dict[str, Any]]) -> bool:
    """Whether a series has a number."""
    pairs = [pair for each in result for pair in each.get("values", [each.get("value")])]
    return any(not math.isnan(float(value)) for _, value in pairs)
