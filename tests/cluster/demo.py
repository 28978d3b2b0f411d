"""Runs the bank on the test cluster as the README describes, to try it by hand."""

from tests.cluster import chart, manifests, prometheus
from tests.cluster.bank import INSIDE, Bank
from tests.cluster.clusters import REPOSITORY, chosen_cluster
from tests.cluster.kube.shell import print_progress, step
from tests.cluster.kubectl import Kubectl

NAMESPACE = "bank"
_GUIDE = """
The bank runs on Kubernetes. In a shell:

  eval "$({python} -m tests.cluster env)"
  kubectl config set-context --current --namespace={namespace}
  kubectl get bundles,eventstores,pods
  kubectl port-forward service/bank 8080 &

  curl -s localhost:8080/commands/OpenAccount --json \\
    '{{"account_id": "0192f0c1-0000-7000-8000-000000000001", "owner": "Ada"}}'
  curl -s localhost:8080/commands/Deposit --json \\
    '{{"account_id": "0192f0c1-0000-7000-8000-000000000001", "amount": 25}}'
  curl -s localhost:8080/queries/balances/total

Prometheus watches it, with the alerts of the chart, at http://localhost:9091:

  kubectl port-forward service/prometheus 9091:9090 &
  curl -s localhost:9091/api/v1/query --data-urlencode 'query=chekov_commands_total'

`make cluster-load` moves money for ten minutes.

`make cluster-down` ends it all.
"""
_LOAD_SECONDS = 600


def load() -> None:
    """Deposit and transfer money for a while, so that there is something to look at."""
    bank = Bank(Kubectl(chosen_cluster().environment(), NAMESPACE), chosen_cluster())
    [image] = {pod["spec"]["containers"][0]["image"] for pod in bank.pods()}
    words = (bank.url, "--transfers", f"--seconds={_LOAD_SECONDS}")
    script = (INSIDE / "load.py").read_text()
    bank.kubectl.delete("pod", "load", "--ignore-not-found", "--now")
    bank.kubectl.apply(*manifests.script_pod("load", image, script, *words))


def show(python: str) -> None:
    """Start the cluster, install the charts, apply the bank, and print how to use it."""
    cluster = chosen_cluster()
    cluster.up()
    cluster.provide_images()
    chart.install(cluster)
    kubectl = Kubectl(cluster.environment(), NAMESPACE)
    with step("applying the bank"):
        kubectl.apply(manifests.named("Namespace", "v1", NAMESPACE))
        kubectl.apply(*manifests.postgres(cluster.services_image, NAMESPACE))
        kubectl.run("rollout", "status", "statefulset/postgres", "--timeout=60s")
        kubectl.run("apply", f"--filename={REPOSITORY / 'examples/bank/bundle-inline.yaml'}")
        kubectl.wait("condition=Ready", "domainbundle/bank", timeout=120)
    with step("starting Prometheus"):
        prometheus.start(kubectl, cluster, prometheus.rules())
    print_progress(_GUIDE.format(python=python, namespace=NAMESPACE))
