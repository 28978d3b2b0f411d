"""The files and addresses of the test cluster."""

import os
from dataclasses import dataclass
from pathlib import Path

NODE = "chekov"
HOST_ADDRESS = "10.246.0.1"
NODE_ADDRESS = "10.246.0.2"
LINK_PREFIX = 30
PODS = "10.245.0.0/24"
GATEWAY = "10.245.0.1"
SERVICES = "10.97.0.0/16"
API_SERVICE = "10.97.0.1"
API_PORT = 6443
METRICS_PORT = 4443
BRIDGE = "chk0"
PAUSE_IMAGE = "docker.io/chekov/pause:1"
SOURCES = Path(__file__).parent / "components"


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one cluster.

    Attributes:
        state: Files of the running cluster; removed with it, except for loaded images.
        cache: Files that are slow to build and shared by all clusters: binaries, base images.
    """

    state: Path
    cache: Path

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
        return self.state / "log"

    @property
    def containerd_socket(self) -> Path:
        """The socket of the node's containerd."""
        return self.state / "containerd.sock"

    @property
    def init_pid(self) -> Path:
        """The file with the host's id of the process that holds the node's namespaces."""
        return self.state / "pid"

    @property
    def ready(self) -> Path:
        """A file that exists once the node is ready."""
        return self.state / "ready"

    @property
    def server(self) -> str:
        """The address of the API server, the same from the host, the node and its pods."""
        return f"https://{NODE_ADDRESS}:{API_PORT}"

    def kubeconfig(self, user: str = "admin") -> Path:
        """The kubeconfig of a user of the cluster."""
        return self.state / f"{user}.kubeconfig"

    def path(self) -> str:
        """The PATH that finds the cluster's own programs first."""
        system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return f"{self.binaries}:{os.environ.get('PATH', system)}:/usr/sbin:/sbin"
