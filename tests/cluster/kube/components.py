"""The programs of the node, how each is started and when it is ready."""

import socket
import ssl
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.kube.layout import (
    API_PORT,
    FIRST,
    METRICS_PORT,
    PODS,
    SERVICES,
    WORKER,
    Layout,
)
from tests.cluster.kube.shell import succeeds


def _at_once() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Component:
    """One program of the node.

    Attributes:
        name: Names its log.
        command: The program and its arguments.
        ready: Says whether those that need it can start.
    """

    name: str
    command: Sequence[str | Path]
    ready: Callable[[], bool] = _at_once


def containerd(layout: Layout, *, configuration: str = "containerd.toml") -> Component:
    """Runs containers."""

    def listens() -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(layout.containerd_socket))
            return True
        return False

    command = ["containerd", "--config", layout.folder / configuration]
    return Component("containerd", command, listens)


def etcd(layout: Layout) -> Component:
    """Stores the objects; a test cluster need not survive a power failure."""
    folder = layout.state / "etcd"
    return Component("etcd", ["etcd", "--data-dir", folder, "--unsafe-no-fsync"])


def apiserver(layout: Layout) -> Component:
    """Serves the API on every address of the node."""
    pki = layout.pki
    command = [
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={FIRST.address}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICES}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        f"--kubelet-client-certificate={pki / 'admin.crt'}",
        f"--kubelet-client-key={pki / 'admin.key'}",
        # No resolver knows the name of the node.
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC",
        # It passes requests for metrics on, in the name of who makes them.
        f"--requestheader-client-ca-file={pki / 'ca.crt'}",
        "--requestheader-allowed-names=aggregator",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki / 'aggregator.crt'}",
        f"--proxy-client-key-file={pki / 'aggregator.key'}",
        "--enable-aggregator-routing",
        "--enable-admission-plugins=NodeRestriction",
    ]
    return Component("apiserver", command, lambda: _api_ready(layout))


def _api_ready(layout: Layout) -> bool:
    trust = ssl.create_default_context(cafile=layout.pki / "ca.crt")
    trust.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
    with suppress(OSError):
        url = f"{layout.server}/readyz"
        with urllib.request.urlopen(url, context=trust, timeout=2) as answer:
            return answer.status == 200
    return False


def controller_manager(layout: Layout) -> Component:
    """Runs the controllers: deployments, jobs, endpoints, garbage."""
    command = [
        "kube-controller-manager",
        f"--kubeconfig={layout.kubeconfig('controller-manager')}",
        f"--service-account-private-key-file={layout.pki / 'service-accounts.key'}",
        f"--root-ca-file={layout.pki / 'ca.crt'}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        # By default an autoscaler looks each 15 s, and not at pods of the first five minutes.
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
    ]
    return Component("controller-manager", command)


def scheduler(layout: Layout) -> Component:
    """Assigns pods to nodes."""
    config = f"--kubeconfig={layout.kubeconfig('scheduler')}"
    return Component("scheduler", ["kube-scheduler", config, "--leader-elect=false"])


def coredns(layout: Layout) -> Component:
    """Resolves the names of Services."""
    return Component("coredns", ["coredns", "-conf", layout.state / "Corefile"])


def kubelet(layout: Layout) -> Component:
    """Runs the pods of the node."""

    def registered() -> bool:
        ready = ("wait", "--for=condition=Ready", f"node/{layout.node.name}", "--timeout=1s")
        return succeeds("kubectl", "--kubeconfig", layout.kubeconfig(), *ready)

    command = [
        "kubelet",
        f"--config={layout.folder / 'kubelet.json'}",
        f"--kubeconfig={layout.kubeconfig(layout.node.user)}",
        f"--hostname-override={layout.node.name}",
        f"--node-ip={layout.node.address}",
        f"--root-dir={layout.folder / 'kubelet'}",
        *([f"--node-labels={WORKER}=true"] if layout.node.number else []),
    ]
    return Component("kubelet", command, registered)


def metrics_server(layout: Layout) -> Component:
    """Tells autoscalers how much processor time pods use."""

    def listens() -> bool:
        with suppress(OSError), socket.create_connection((FIRST.address, METRICS_PORT), timeout=1):
            return True
        return False

    kubeconfig = layout.kubeconfig()
    command = [
        "metrics-server",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={FIRST.address}",
        f"--secure-port={METRICS_PORT}",
        f"--cert-dir={layout.state / 'metrics'}",
        f"--kubelet-certificate-authority={layout.pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        # The shortest resolution that it takes, which has to be longer than a request.
        "--metric-resolution=10s",
        "--kubelet-request-timeout=5s",
    ]
    return Component("metrics", command, listens)


def kube_router(layout: Layout) -> Component:
    """Enforces NetworkPolicies, and nothing else of what it can do."""
    command = [
        "kube-router",
        f"--kubeconfig={layout.kubeconfig()}",
        f"--hostname-override={layout.node.name}",
        f"--service-cluster-ip-range={SERVICES}",
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
    ]
    return Component("router", command)


def kube_proxy(layout: Layout) -> Component:
    """Routes the addresses of Services to pods."""
    command = [
        "kube-proxy",
        f"--kubeconfig={layout.kubeconfig('proxy')}",
        f"--hostname-override={layout.node.name}",
        f"--cluster-cidr={PODS}",
        # Both need rights that root in a sandbox may lack.
        "--conntrack-max-per-core=0",
        "--oom-score-adj=0",
    ]
    return Component("proxy", command)
