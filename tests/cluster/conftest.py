"""One cluster for all of these tests, and for each module a namespace with a Postgres and a bank.

The cluster is brought up by the first test that needs it. One that ran before goes on running.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from _pytest.capture import CaptureManager

from dashboards.prometheus import Prometheus
from tests.cluster import chart, manifests, prometheus
from tests.cluster.bank import SOURCE, Answer, Bank
from tests.cluster.clusters import REPOSITORY, Cluster, OwnCluster, chosen_cluster
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl

_HERE = Path(__file__).parent
_MEASURED: list[str] = []


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave the drains out where no nodes can be added, and nobody's own should be emptied."""
    is_left_out = collection_path.name == "test_drain.py"
    return True if is_left_out and not isinstance(chosen_cluster(), OwnCluster) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests last, since they take longest, and give each more time."""
    slow = [item for item in items if item.path.is_relative_to(_HERE)]
    for item in slow:
        item.add_marker(pytest.mark.cluster)
        # Fixtures do not count: building the cluster takes minutes.
        item.add_marker(pytest.mark.timeout(900, func_only=True))
    items[:] = [item for item in items if item not in slow] + slow


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the cluster consists of beside the tests before it, which leave a core idle."""
    of_cluster = [item for item in session.items if item.path.is_relative_to(_HERE)]
    has_others = len(of_cluster) < len(session.items)
    if of_cluster and has_others and not session.config.option.collectonly:
        session.config.add_cleanup(_building())


def _building() -> Callable[[], None]:
    """Begin to build; the result ends what is not done."""
    if not isinstance(chosen_cluster(), OwnCluster):
        return lambda: None
    # What fails is built again, and then shown, where it is needed.
    builder = subprocess.Popen(
        ["nice", "-n", "10", sys.executable, "-m", "tests.cluster", "programs"],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(builder.pid, signal.SIGTERM)
        builder.wait()

    return end


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured on the cluster."""
    for line in _MEASURED:
        terminalreporter.write_line(f"cluster: {line}")


@contextmanager
def _measured(what: str) -> Generator[None]:
    began = time.monotonic()
    yield
    _MEASURED.append(f"{what}: {time.monotonic() - began:.1f} s")


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Generator[Cluster]:
    """The cluster, up, with images built from this work tree."""
    found = chosen_cluster()
    ran_before = found.is_up()
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert isinstance(capture, CaptureManager)
    # Show progress, because this can take minutes.
    with capture.global_and_fixture_disabled():
        found.up()
        found.provide_images()
    yield found
    if not ran_before:
        found.down()


@pytest.fixture(scope="session")
def system(cluster: Cluster) -> Kubectl:
    """The namespace of the operator, installed from the charts."""
    with _measured("charts installed and operator ready after"):
        chart.install(cluster)
    return Kubectl(cluster.environment(), chart.NAMESPACE)


@pytest.fixture(scope="session")
def killer(system: Kubectl, cluster: Cluster) -> Generator[Kubectl]:
    """A namespace with a pod that may kill processes."""
    with _namespace(system, "killer") as kubectl:
        kubectl.apply(manifests.killer(cluster.image))
        kubectl.wait("condition=Ready", "pod/killer")
        yield kubectl


@contextmanager
def _namespace(kubectl: Kubectl, prefix: str) -> Generator[Kubectl]:
    name = f"{prefix}-{uuid4().hex[:6]}"
    kubectl.run("create", "namespace", name)
    try:
        yield kubectl.within(name)
    finally:
        kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def kubectl(
    system: Kubectl, cluster: Cluster, request: pytest.FixtureRequest
) -> Generator[Kubectl]:
    """A namespace for the module, with a Postgres and a pod that sends requests."""
    with _namespace(system, request.path.stem.replace("_", "-")) as namespace:
        namespace.apply(*manifests.postgres(cluster.services_image, namespace.namespace))
        namespace.apply(manifests.toolbox(cluster.image))
        for pod in ("pod/postgres-0", "pod/toolbox"):
            _wait_for_pod(namespace, pod)
        yield namespace


def _wait_for_pod(kubectl: Kubectl, pod: str) -> None:
    kubectl.run("wait", "--for=create", pod, "--timeout=30s")
    kubectl.wait("condition=Ready", pod)


@pytest.fixture(scope="module")
def bank(kubectl: Kubectl, cluster: Cluster) -> Bank:
    """The bank with inline code, ready; the time until then is printed after the run."""
    found = Bank(kubectl, cluster)
    with _measured("EventStore and bundle (2 pods, image present) ready after apply in"):
        kubectl.apply(
            manifests.event_store(), manifests.bundle(found.name, manifests.inline(SOURCE))
        )
        found.wait_until_ready()
    found.wait_until_served()
    return found


@pytest.fixture(scope="module")
def alerts() -> manifests.Manifest:
    """The alerts that the Prometheus beside the bank evaluates."""
    return prometheus.rules()


@pytest.fixture(scope="module")
def observed(bank: Bank, alerts: manifests.Manifest) -> Generator[Prometheus]:
    """A Prometheus beside the bank."""
    prometheus.start(bank.kubectl, bank.cluster, alerts)
    address = f"http://prometheus:{prometheus.PORT}"

    def fetch_all(paths: Sequence[str]) -> list[Any]:
        found: list[Answer] = []

        def are_all_answered() -> bool:
            found[:] = bank.fetch_all([address + path for path in paths])
            return all(each.status for each in found)

        # The nodes learn of its Service a moment after it is ready.
        wait_for("Prometheus to answer", are_all_answered)
        return [each.json() for each in found]

    yield Prometheus(fetch_all)
    prometheus.stop(bank.kubectl)


@pytest.fixture(scope="session")
def notes() -> list[str]:
    """Lines to print after the run."""
    return _MEASURED
