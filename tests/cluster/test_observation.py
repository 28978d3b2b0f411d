"""Prometheus discovers the pods and the operator, and scrapes the right values."""

from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.cluster.bank import Bank
from tests.cluster.chart import NAMESPACE
from tests.cluster.kube.shell import wait_for
from tests.cluster.manifests import prometheus

CONFIGURATION = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: bank
    dns_sd_configs:
      - {names: [bank-management.%s.svc.cluster.local], type: A, port: 9090, refresh_interval: 1s}
  - job_name: operator
    static_configs: [{targets: ["chekov-metrics.%s.svc:9090"]}]
"""


class Prometheus:
    """A Prometheus in the namespace of the bank."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def query(self, expression: str) -> dict[str, float]:
        """The value of an expression for each instance that was scraped."""
        address = self._bank.kubectl.get("pod", "prometheus")["status"]["podIP"]
        url = f"http://{address}:9090/api/v1/query?query={quote(expression)}"
        result = self._bank.fetch("GET", url).json()["data"]["result"]
        return {one["metric"].get("instance", ""): float(one["value"][1]) for one in result}


@pytest.fixture(scope="module")
def reading(bank: Bank) -> Prometheus:
    text = CONFIGURATION % (bank.kubectl.namespace, NAMESPACE)
    bank.kubectl.apply(*prometheus(bank.cluster.services_image, text))
    bank.kubectl.wait("condition=Ready", "pod/prometheus")
    return Prometheus(bank)


def test_every_pod_of_the_bank_is_scraped(bank: Bank, reading: Prometheus) -> None:
    pods = {f"{pod['status']['podIP']}:9090" for pod in bank.pods()}

    def scraped() -> bool:
        return reading.query('up{job="bank"} == 1').keys() == pods

    wait_for("Prometheus to scrape the pods", scraped)


def test_the_operator_is_scraped(reading: Prometheus) -> None:
    wait_for("the operator", lambda: reading.query('up{job="operator"} == 1') != {})
    wait_for("its metrics", lambda: reading.query('{job="operator",__name__=~"chekov_.*"}') != {})


def test_commands_are_counted(bank: Bank, reading: Prometheus) -> None:
    expression = 'sum(chekov_commands_total{command="OpenAccount",outcome="accepted"})'
    wait_for("the counter", lambda: reading.query(expression) != {})
    before = reading.query(expression)[""]
    bank.command("OpenAccount", {"account_id": str(uuid4()), "owner": "Ada"})
    wait_for("the count", lambda: reading.query(expression)[""] == before + 1)
