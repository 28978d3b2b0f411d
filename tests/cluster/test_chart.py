"""The release of the chart is tested and upgraded as its README says."""

from tests.cluster.bank import Bank
from tests.cluster.chart import NAMESPACE
from tests.cluster.clusters import REPOSITORY, Cluster
from tests.cluster.kube.shell import run
from tests.cluster.kubectl import Kubectl


def helm(cluster: Cluster, *words: str) -> str:
    return run("helm", *words, f"--namespace={NAMESPACE}", env=cluster.environment(), timeout=180)


def test_the_test_of_the_release_passes(cluster: Cluster, system: Kubectl) -> None:
    assert "Succeeded" in helm(cluster, "test", "chekov", "--timeout=120s")


def test_an_upgrade_that_keeps_the_values_disturbs_no_bundle(
    cluster: Cluster, system: Kubectl, bank: Bank
) -> None:
    pods = {pod["metadata"]["uid"] for pod in bank.pods()}
    for chart in ("chekov-crds", "chekov"):
        place = str(REPOSITORY / "charts" / chart)
        for reuse in ("--reuse-values", "--reset-then-reuse-values"):
            helm(cluster, "upgrade", chart, place, reuse, "--wait", "--timeout=120s")
    [deployment] = system.list("deployments", "app.kubernetes.io/name=chekov-operator")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == cluster.image
    bank.wait_until_served()
    assert {pod["metadata"]["uid"] for pod in bank.pods()} == pods


def test_the_api_server_accepts_what_kustomize_builds(system: Kubectl) -> None:
    how = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    applied = system.run("apply", *how, f"--kustomize={REPOSITORY / 'deploy'}")
    assert "deployment.apps/chekov serverside-applied (server dry run)" in applied
    assert applied.count("customresourcedefinition") == len(list(REPOSITORY.glob("crds/*.yaml")))
