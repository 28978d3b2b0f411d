"""Others' checks of what the charts render: Helm 4, kubeconform and kube-score."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cluster.kube.binaries import build_tool, kubernetes_source, kubernetes_version
from tests.cluster.kube.layout import Layout
from tests.operator import kubernetes_schemas
from tests.operator.rendering import CHARTS, Manifest, rendered

pytestmark = pytest.mark.usefixtures("helm_built")

EVERYTHING = (
    "podMonitor.enabled=true",
    "prometheusRule.enabled=true",
    "dashboards.enabled=true",
)
NAMESPACED = ("watchNamespaces={bank,shop}", "replicaCount=1", "networkPolicy.enabled=false")
OF_THE_PROMETHEUS_OPERATOR = "PodMonitor,PrometheusRule"

# What kube-score would like, and why it is not done.
NOT_WANTED = {
    "container-image-pull-policy": "a version is never pushed again, so a node need not ask again",
    "container-resources": "a limit of the CPU slows down what is in a hurry; memory has one",
    "container-ephemeral-storage-request-and-limit": "the only volume to write to has a limit",
    "pod-networkpolicy": "egress is open unless values say where stores are",
}


@pytest.fixture(scope="session")
def tools(helm_built: None) -> Path:
    """The folder with the programs, built by whichever test needs them first."""
    layout = Layout.from_environment()
    for name in ("helm4", "kube-score", "kubeconform"):
        build_tool(layout, name)
    return layout.binaries


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schemas of the Kubernetes that the cluster of the tests runs."""
    source = kubernetes_source(Layout.from_environment())
    folder = tmp_path_factory.mktemp("schemas")
    kubernetes_schemas.write(source / "api" / "openapi-spec" / "swagger.json", folder)
    return folder


def checked(*words: str | Path, stdin: str = "") -> str:
    done = subprocess.run(
        words, input=stdin, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def of_both_charts(*settings: str) -> str:
    return yaml.safe_dump_all([*rendered("chekov-crds"), *rendered("chekov", *settings)])


@pytest.mark.parametrize("settings", [(), EVERYTHING, NAMESPACED])
def test_helm_4_renders_the_same(tools: Path, settings: tuple[str, ...]) -> None:
    words = [f"--set={setting}" for setting in settings]
    place = CHARTS / "chekov"
    shown = checked(
        tools / "helm4", "template", "chekov", place, "--namespace=chekov-system", *words
    )
    found: list[Manifest] = [each for each in yaml.safe_load_all(shown) if each]

    def ordered(manifests: list[Manifest]) -> list[Manifest]:
        return sorted(manifests, key=lambda each: (each["kind"], str(each["metadata"])))

    assert ordered(found) == ordered(rendered("chekov", *settings))
    assert "0 chart(s) failed" in checked(tools / "helm4", "lint", "--strict", place)


@pytest.mark.parametrize("settings", [(), EVERYTHING, NAMESPACED])
def test_kubeconform_finds_nothing(tools: Path, schemas: Path, settings: tuple[str, ...]) -> None:
    location = f"-schema-location={schemas}/{kubernetes_schemas.LOCATION}"
    shown = checked(
        tools / "kubeconform",
        "-summary",
        f"-kubernetes-version={kubernetes_version().removeprefix('v')}",
        f"-skip={OF_THE_PROMETHEUS_OPERATOR}",
        location,
        "-",
        stdin=of_both_charts(*settings),
    )
    assert "Invalid: 0, Errors: 0" in shown


def test_kubeconform_would_find_something(tools: Path, schemas: Path) -> None:
    wrong = of_both_charts().replace("replicas: 2", "replica: 2")
    location = f"-schema-location={schemas}/{kubernetes_schemas.LOCATION}"
    with pytest.raises(AssertionError, match="replica"):
        checked(tools / "kubeconform", location, "-", stdin=wrong)


@pytest.mark.parametrize("settings", [(), EVERYTHING, NAMESPACED])
def test_kube_score_finds_nothing(tools: Path, settings: tuple[str, ...]) -> None:
    ignored = [f"--ignore-test={name}" for name in NOT_WANTED]
    checked(tools / "kube-score", "score", *ignored, "-", stdin=of_both_charts(*settings))
