"""Process 1 of a node: sets up its namespaces, starts its components, reaps zombies.

It runs in namespaces of its own. When it ends, the kernel ends every process, mount and network
device of the node.
"""

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.kube import components
from tests.cluster.kube.components import Component
from tests.cluster.kube.layout import (
    BRIDGE,
    LINK_PREFIX,
    PAUSE_IMAGE,
    Layout,
    Node,
)
from tests.cluster.kube.shell import run, succeeds, wait_for


def main() -> None:
    """Set up the node, start it, and run until killed."""
    layout = Layout.from_environment().worker(int(sys.argv[1]))
    os.environ["PATH"] = layout.path()
    _mount(layout)
    sys.stdin.readline()  # The network link has been laid.
    _network(layout.node)
    names = _start_worker(layout) if layout.node.number else _start(layout)
    layout.ready.touch()
    _bury(names)


def _mount(layout: Layout) -> None:
    # No mount propagates to the host, and the kubelet can share mounts with containers.
    run("mount", "--make-rprivate", "/")
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    pod_logs = layout.logs / "var"
    pod_logs.mkdir(parents=True, exist_ok=True)
    run("mount", "--bind", pod_logs, "/var/log")
    run("hostname", layout.node.name)


def _network(node: Node) -> None:
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", f"{node.address}/{LINK_PREFIX}", "dev", "eth0")
    run("ip", "link", "set", "eth0", "up")
    run("ip", "route", "add", "default", "via", node.peer_address)
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{node.gateway}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    # Pods on one bridge reach each other through a Service only if its traffic passes iptables.
    filtering = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if filtering.exists() or succeeds("modprobe", "br_netfilter"):
        filtering.write_text("1")


def _start(layout: Layout) -> dict[int, str]:
    _forget_containers(layout)
    first = (components.etcd(layout), components.containerd(layout), components.apiserver(layout))
    names = _start_all(layout, first)
    _load_pause(layout)
    rest = (
        components.controller_manager(layout),
        components.scheduler(layout),
        components.coredns(layout),
        components.kube_proxy(layout),
        components.kubelet(layout),
        components.metrics_server(layout),
    )
    names |= _start_all(layout, rest)
    # It looks for its node when it starts.
    return names | _start_all(layout, (components.kube_router(layout),))


def _start_worker(layout: Layout) -> dict[int, str]:
    """Start what runs pods. NetworkPolicies are enforced on the first node only."""
    _forget_containers(layout)
    names = _start_all(layout, (components.containerd(layout),))
    _load_pause(layout)
    rest = (components.kube_proxy(layout), components.kubelet(layout))
    return names | _start_all(layout, rest)


def _start_all(layout: Layout, wanted: Sequence[Component]) -> dict[int, str]:
    started = {_spawn(layout, component): component for component in wanted}
    for process, component in started.items():

        def ready(process: subprocess.Popen[bytes] = process, of: Component = component) -> bool:
            if process.poll() is not None:
                raise ChildProcessError(f"{of.name} ended at once: see {layout.logs}/{of.name}.log")
            return of.ready()

        wait_for(component.name, ready, timeout=120)
    return {process.pid: component.name for process, component in started.items()}


def _spawn(layout: Layout, component: Component) -> "subprocess.Popen[bytes]":
    with (layout.logs / f"{component.name}.log").open("wb") as log:
        return subprocess.Popen(
            [str(word) for word in component.command],
            cwd=layout.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def _running(layout: Layout, component: Component) -> Generator[None]:
    process = _spawn(layout, component)
    try:
        wait_for(component.name, component.ready)
        yield
    finally:
        process.terminate()
        process.wait()


def _forget_containers(layout: Layout) -> None:
    """Remove what a previous cluster left, except images."""
    if not (layout.folder / "containerd").exists():
        return
    client = ("ctr", "-a", layout.containerd_socket, "-n", "k8s.io", "containers")
    with _running(layout, components.containerd(layout, configuration="cleaning.toml")):
        if left := run(*client, "list", "--quiet").split():
            run(*client, "delete", *left)


def _load_pause(layout: Layout) -> None:
    client = ("ctr", "-a", layout.containerd_socket, "-n", "k8s.io", "images")
    if PAUSE_IMAGE not in run(*client, "list", "--quiet").split():
        run(*client, "import", layout.cache / "pause.tar")


def _bury(names: dict[int, str]) -> None:
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid in names:
            code = os.waitstatus_to_exitcode(status)
            sys.stderr.write(f"{names[pid]} ended with {code}\n")
            sys.stderr.flush()


if __name__ == "__main__":
    if os.getpid() != 1:
        sys.exit("this is the first process of a node; start the cluster with: make cluster")
    main()
