"""The files and addresses of the test cluster."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

LINK_PREFIX = 30
PODS = "10.245.0.0/16"
SERVICES = "10.97.0.0/16"
API_SERVICE = "10.97.0.1"
API_PORT = 6443
METRICS_PORT = 4443
BRIDGE = "chk0"
WORKER = "tests.chekov.dev/worker"
"""Labels workers, and keeps pods away that do not tolerate it."""
WORKER_TAINT = {"key": WORKER, "value": "true", "effect": "NoSchedule"}
PAUSE_IMAGE = "docker.io/chekov/pause:1"
SOURCES = Path(__file__).parent / "components"


@dataclass(frozen=True, slots=True)
class Node:
    """The name and the addresses of one node.

    Attributes:
        number: 0 of the first one, which also runs the control plane. The others are its workers,
            and reach everything through it.
    """

    number: int = 0

    @property
    def name(self) -> str:
        return f"chekov-{self.number}" if self.number else "chekov"

    @property
    def address(self) -> str:
        return f"10.246.{self.number}.2"

    @property
    def peer_address(self) -> str:
        """The other end of its link: of the host, or of the first node."""
        return f"10.246.{self.number}.1"

    @property
    def link(self) -> str:
        """The name of the other end of its link."""
        return f"chekov{self.number}"

    @property
    def pods(self) -> str:
        """The addresses of its pods."""
        return f"10.245.{self.number}.0/24"

    @property
    def gateway(self) -> str:
        """Its own address among them."""
        return f"10.245.{self.number}.1"

    @property
    def user(self) -> str:
        """Its user of the API."""
        return f"kubelet-{self.name}"


FIRST = Node()


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one node.

    Attributes:
        state: Files of the running cluster; removed with it, except for loaded images.
        cache: Files that are slow to build and shared by all clusters: binaries, base images.
        node: The node.
    """

    state: Path
    cache: Path
    node: Node = FIRST

    def worker(self, number: int) -> "Layout":
        """The folders of a worker of this cluster, counted from 1."""
        return replace(self, node=Node(number))

    @property
    def folder(self) -> Path:
        """The folder of what belongs to the node alone."""
        return self.state / "workers" / self.node.name if self.node.number else self.state

    @classmethod
    def from_environment(cls) -> "Layout":
        """The folders named by CHEKOV_CLUSTER_STATE and CHEKOV_CLUSTER_CACHE, or the usual ones."""
        caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        state = os.environ.get("CHEKOV_CLUSTER_STATE") or "/var/lib/chekov-cluster"
        cache = os.environ.get("CHEKOV_CLUSTER_CACHE") or f"{caches}/chekov-cluster"
        return cls(state=Path(state), cache=Path(cache))

    @property
    def binaries(self) -> Path:
        """The folder of kubectl, helm and the node's components."""
        return self.cache / "bin"

    @property
    def pki(self) -> Path:
        """The folder of keys and certificates."""
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        """The folder of logs, one per component."""
        return self.folder / "log"

    @property
    def containerd_socket(self) -> Path:
        """The socket of the node's containerd."""
        return self.folder / "containerd.sock"

    @property
    def init_pid(self) -> Path:
        """The file with the host's id of the process that holds the node's namespaces."""
        return self.folder / "pid"

    @property
    def ready(self) -> Path:
        """A file that exists once the node is ready."""
        return self.folder / "ready"

    @property
    def server(self) -> str:
        """The address of the API server, the same from the host, the node and its pods."""
        return f"https://{FIRST.address}:{API_PORT}"

    def kubeconfig(self, user: str = "admin") -> Path:
        """The kubeconfig of a user of the cluster."""
        return self.state / f"{user}.kubeconfig"

    def path(self) -> str:
        """The PATH that finds the cluster's own programs first."""
        system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return f"{self.binaries}:{os.environ.get('PATH', system)}:/usr/sbin:/sbin"
