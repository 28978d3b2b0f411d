"""The clusters that tests can run on: the one built here, kind, or one that the user names."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.cluster import manifests
from tests.cluster.kube import images, node
from tests.cluster.kube.binaries import build_binaries
from tests.cluster.kube.layout import FIRST, METRICS_PORT, Layout
from tests.cluster.kube.packages import install_packages
from tests.cluster.kube.shell import CommandFailed, run, step
from tests.cluster.kubectl import Kubectl

REPOSITORY = Path(__file__).parents[2]
RUNTIME_IMAGE = "docker.io/chekov/chekov"
BANK_IMAGE = "docker.io/chekov/bank"
BANK = REPOSITORY / "examples/bank"


class Cluster(Protocol):
    """A Kubernetes cluster for tests.

    Attributes:
        image: The image of the runtime and the operator; its tag is a hash of its content.
        bank_image: The bank on top of it.
        services_image: An image with Debian's Postgres and Prometheus.
    """

    image: str
    bank_image: str
    services_image: str

    def environment(self) -> dict[str, str]:
        """The environment variables for kubectl and helm."""
        ...

    def is_up(self) -> bool:
        """Whether it runs."""
        ...

    def up(self) -> None:
        """Start it, unless it runs."""
        ...

    def down(self) -> None:
        """Stop it, if it was started here."""
        ...

    def provide_images(self) -> None:
        """Build the images from the work tree and load them into the cluster."""
        ...


class OwnCluster:
    """A node on this machine, which needs Debian and root, but neither Docker nor a registry."""

    image = RUNTIME_IMAGE
    bank_image = BANK_IMAGE
    services_image = images.SERVICES_IMAGE

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout or Layout.from_environment()

    def environment(self) -> dict[str, str]:
        """The environment variables for kubectl and helm."""
        return {"KUBECONFIG": str(self.layout.kubeconfig()), "PATH": self.layout.path()}

    def is_up(self) -> bool:
        """Whether the node runs."""
        return node.is_up(self.layout)

    def build(self) -> None:
        """Build the node's programs and the base images."""
        install_packages()
        build_binaries(self.layout)
        images.make_pause(self.layout)
        images.make_python()
        images.make_services()

    def up(self) -> None:
        """Start the node, unless it runs."""
        self.build()
        if not self.is_up():
            node.start(self.layout)
            metrics = manifests.metrics_api(FIRST.address, METRICS_PORT)
            Kubectl(self.environment(), "kube-system").apply(*metrics)

    def add_workers(self, count: int) -> Sequence[str]:
        """Start nodes beside the first one, with the runtime's image, and return their names.

        They have the label `WORKER`, and a taint by that name.
        """
        workers = [self.layout.worker(number) for number in range(1, count + 1)]
        for worker in workers:
            node.start_worker(worker)
            images.load(worker, self.image)
        return [worker.node.name for worker in workers]

    def remove_workers(self) -> None:
        """Stop the workers, and have the API server forget them."""
        for worker in node.running_workers(self.layout):
            node.stop_worker(worker)
            kubectl = Kubectl(self.environment())
            kubectl.delete("node", worker.node.name, "--ignore-not-found")

    def down(self) -> None:
        """Stop the node with everything on it."""
        node.stop(self.layout)

    def provide_images(self) -> None:
        """Build the image of the work tree and load it, with the one of the services."""
        images.make_python()
        python = {"PYTHON_VERSION": images.PYTHON_VERSION}
        self.image = images.build(REPOSITORY, RUNTIME_IMAGE, python)
        self.bank_image = images.build(BANK, BANK_IMAGE, {"RUNTIME": self.image})
        for tag in (self.services_image, self.image, self.bank_image):
            images.load(self.layout, tag)


class KindCluster:
    """A cluster made by kind in the Docker of this machine."""

    image = RUNTIME_IMAGE
    bank_image = BANK_IMAGE
    services_image = images.SERVICES_IMAGE
    name = "chekov"

    def environment(self) -> dict[str, str]:
        """The environment variables for kubectl and helm."""
        return {"KUBECONFIG": str(self._kubeconfig())}

    def is_up(self) -> bool:
        """Whether kind lists the cluster."""
        return self.name in run("kind", "get", "clusters").split()

    def up(self) -> None:
        """Create the cluster, unless it exists."""
        self._kubeconfig().parent.mkdir(parents=True, exist_ok=True)
        if self.is_up():
            run("kind", "export", "kubeconfig", f"--name={self.name}", env=self.environment())
            return
        with step("making a cluster with kind"):
            run("kind", "create", "cluster", f"--name={self.name}", env=self.environment())

    def down(self) -> None:
        """Delete the cluster."""
        run("kind", "delete", "cluster", f"--name={self.name}")

    def provide_images(self) -> None:
        """Build the images with Docker and load them."""
        self._provide(self.services_image, Path(__file__).parent / "services")
        self.image = self._provide(RUNTIME_IMAGE, REPOSITORY)
        self.bank_image = self._provide(BANK_IMAGE, BANK, f"--build-arg=RUNTIME={self.image}")

    def _provide(self, name: str, context: Path, *options: str) -> str:
        with step(f"building and loading {name}"):
            built = run("docker", "build", "--quiet", *options, context, timeout=1800).strip()
            tag = name if ":" in name else f"{name}:{built.removeprefix('sha256:')[:12]}"
            run("docker", "tag", built, tag)
            run("kind", "load", "docker-image", tag, f"--name={self.name}")
        return tag

    def _kubeconfig(self) -> Path:
        return Layout.from_environment().cache / "kind.kubeconfig"


class NamedCluster:
    """The user's own cluster, which pulls images that the user has pushed."""

    def __init__(self, context: str) -> None:
        self._context = context
        self.image = _required("CHEKOV_TEST_IMAGE")
        self.bank_image = _required("CHEKOV_TEST_BANK_IMAGE")
        self.services_image = _required("CHEKOV_TEST_SERVICES_IMAGE")

    def environment(self) -> dict[str, str]:
        """The environment variables for kubectl and helm."""
        return {"KUBECONFIG": str(self._kubeconfig()), "HELM_KUBECONTEXT": self._context}

    def is_up(self) -> bool:
        """Always true, since the user manages the cluster."""
        return True

    def up(self) -> None:
        """Write a kubeconfig with this context only."""
        shown = ("config", "view", "--minify", "--flatten", f"--context={self._context}")
        self._kubeconfig().parent.mkdir(parents=True, exist_ok=True)
        self._kubeconfig().write_text(run("kubectl", *shown))

    def down(self) -> None:
        """Do nothing, since the user manages the cluster."""

    def provide_images(self) -> None:
        """Do nothing, since the cluster pulls the images."""

    def _kubeconfig(self) -> Path:
        return Layout.from_environment().cache / "named.kubeconfig"


def _required(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise CommandFailed(
            f"a cluster named by CHEKOV_TEST_CONTEXT needs {variable}: an image it can pull "
            "(built from Dockerfile, examples/bank/Dockerfile, tests/cluster/services/Dockerfile)"
        )
    return value


def _usual() -> str:
    has_kind = shutil.which("kind") is not None and shutil.which("docker") is not None
    return "kind" if has_kind and os.geteuid() != 0 else "own"


def chosen_cluster() -> Cluster:
    """The cluster that the environment variables select.

    CHEKOV_TEST_CONTEXT names a context of the user's kubeconfig. CHEKOV_TEST_CLUSTER asks for kind
    on the Docker of this machine, or for a node of our own making, which takes root; where it is
    not set, kind is taken by who is not root and has it.

    Raises:
        CommandFailed: What was asked for is unknown or incomplete.
    """
    if context := os.environ.get("CHEKOV_TEST_CONTEXT"):
        return NamedCluster(context)
    kind = os.environ.get("CHEKOV_TEST_CLUSTER") or _usual()
    if kind not in ("own", "kind"):
        raise CommandFailed(f"CHEKOV_TEST_CLUSTER is 'own' or 'kind', not {kind!r}")
    return KindCluster() if kind == "kind" else OwnCluster()
