"""Installs the charts of the work tree as the README describes."""

from tests.cluster.clusters import REPOSITORY, Cluster
from tests.cluster.kube.shell import run, step

NAMESPACE = "chekov-system"


def install(cluster: Cluster) -> None:
    """Install or upgrade both charts with the cluster's image, and wait until they are ready."""
    repository, _, tag = cluster.image.rpartition(":")
    values = {
        "image.repository": repository,
        "image.tag": tag,
        "image.pullPolicy": "IfNotPresent",
    }
    settings = [f"--set={name}={value}" for name, value in values.items()]
    options = (f"--namespace={NAMESPACE}", "--create-namespace", "--wait", "--timeout=120s")
    with step("installing the charts"):
        for chart, given in (("chekov-crds", []), ("chekov", settings)):
            words = ("upgrade", "--install", chart, REPOSITORY / "charts" / chart)
            run("helm", *words, *options, *given, env=cluster.environment())
