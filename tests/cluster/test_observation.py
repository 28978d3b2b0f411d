"""Prometheus finds the pods and the operator, and what it reads is true."""

from collections.abc import Generator
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
  - job_name: pods
    kubernetes_sd_configs: [{role: pod, namespaces: {names: [%s, %s]}}]
    relabel_configs:
      - {source_labels: [__meta_kubernetes_pod_container_port_name], regex: %s, action: keep}
      - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_name], target_label: app}
      - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
"""


class Prometheus:
    """A Prometheus in the namespace of the bank."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def query(self, expression: str) -> dict[str, float]:
        """The value of an expression for each pod."""
        address = self._bank.kubectl.get("pod", "prometheus")["status"]["podIP"]
        url = f"http://{address}:9090/api/v1/query?query={quote(expression)}"
        result = self._bank.fetch("GET", url).json()["data"]["result"]
        return {one["metric"].get("pod", ""): float(one["value"][1]) for one in result}


@pytest.fixture(scope="module")
def reading(bank: Bank) -> Generator[Prometheus]:
    namespace = bank.kubectl.namespace
    text = CONFIGURATION % (namespace, NAMESPACE, "management|metrics")
    objects = prometheus(bank.cluster.services_image, text, namespace)
    bank.kubectl.apply(*objects)
    bank.kubectl.wait("condition=Ready", "pod/prometheus")
    yield Prometheus(bank)
    for kind in ("clusterrolebinding", "clusterrole"):
        bank.kubectl.delete(kind, f"{namespace}-prometheus")


def test_every_pod_of_the_bank_is_scraped(bank: Bank, reading: Prometheus) -> None:
    names = {pod["metadata"]["name"] for pod in bank.pods()}

    def scraped() -> bool:
        return reading.query('up{app="chekov-runtime"} == 1').keys() == names

    wait_for("Prometheus to scrape the pods", scraped)


def test_the_operator_is_scraped(bank: Bank, reading: Prometheus) -> None:
    names = {pod["metadata"]["name"] for pod in bank.kubectl.within(NAMESPACE).list("pods")}

    def scraped() -> bool:
        return reading.query('up{app="chekov-operator"} == 1').keys() == names

    wait_for("Prometheus to scrape the operator", scraped)


def test_commands_are_counted(bank: Bank, reading: Prometheus) -> None:
    expression = 'sum(chekov_commands_total{command="OpenAccount",outcome="done"})'
    wait_for("the counter", lambda: reading.query(expression) != {})
    before = reading.query(expression)[""]
    bank.command("OpenAccount", {"account_id": str(uuid4()), "owner": "Ada"})
    wait_for("the count", lambda: reading.query(expression)[""] == before + 1)
