"""Prometheus discovers the pods and the operator, and scrapes the right values."""

from uuid import uuid4

from dashboards.prometheus import Prometheus
from tests.cluster.bank import Bank
from tests.cluster.kube.shell import wait_for


def test_every_pod_of_the_bank_is_scraped(bank: Bank, observed: Prometheus) -> None:
    pods = {pod["metadata"]["name"] for pod in bank.pods()}
    expression = f'up{{job="chekov", bundle="{bank.name}", revision="{bank.revision()}"}} == 1'

    def scraped() -> bool:
        return {each["metric"]["pod"] for each in observed.query(expression)} == pods

    wait_for("Prometheus to scrape the pods", scraped)


def test_the_operator_is_scraped(bank: Bank, observed: Prometheus) -> None:
    ready = (
        'chekov_operator_condition{kind="DomainBundle", type="Ready", status="True", '
        f'namespace="{bank.kubectl.namespace}", name="{bank.name}"}}'
    )
    wait_for("the condition of the bank", lambda: observed.number(ready) == 1)
    store = f'chekov_operator_store_connections{{namespace="{bank.kubectl.namespace}"}}'
    wait_for("the connections of its store", lambda: (observed.number(store) or 0) > 0)


def test_commands_are_counted(bank: Bank, observed: Prometheus) -> None:
    expression = 'sum(chekov_commands_total{command="OpenAccount",outcome="accepted"})'
    wait_for("the counter", lambda: observed.number(expression) is not None)
    before = observed.number(expression) or 0
    bank.command("OpenAccount", {"account_id": str(uuid4()), "owner": "Ada"})
    wait_for("the count", lambda: observed.number(expression) == before + 1)
