"""Starts and stops the node, and runs programs inside it, from the host."""

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.cluster.kube import cgroups
from tests.cluster.kube.certificates import make_certificates
from tests.cluster.kube.configuration import write_configuration
from tests.cluster.kube.layout import (
    HOST_ADDRESS,
    LINK_PREFIX,
    NODE_ADDRESS,
    PODS,
    SERVICES,
    Layout,
)
from tests.cluster.kube.shell import CommandFailed, run, step, wait_for

LINK = "chekov0"
REPOSITORY = Path(__file__).parents[3]


def is_up(layout: Layout) -> bool:
    """Whether the node runs and is ready."""
    return layout.ready.exists() and _first_process(layout) is not None


def start(layout: Layout) -> None:
    """Start a clean node; what a previous one left is removed.

    Raises:
        CommandFailed: It did not start; the message holds the end of its log.
    """
    stop(layout)
    with step("starting Kubernetes"):
        layout.logs.mkdir(parents=True, exist_ok=True)
        make_certificates(layout)
        write_configuration(layout)
        cgroups.make_cgroups()
        holder, go = _launch(layout)
        with os.fdopen(go, "wb") as waiting:
            wait_for("the node's first process", lambda: _first_process(layout) is not None)
            _lay_link(layout)
            waiting.write(b"\n")
        wait_for("the node", lambda: _ready_or_dead(layout, holder), timeout=180)


def stop(layout: Layout) -> None:
    """Stop the node with everything on it, and keep its images."""
    if (pid := _holder(layout)) is not None:
        with step("stopping Kubernetes"):
            os.kill(pid, signal.SIGKILL)
            wait_for("the node's end", lambda: not Path(f"/proc/{pid}/ns/net").exists())
            _ended(pid)
    # The kernel removes a network some time after its last process has ended.
    if Path(f"/sys/class/net/{LINK}").exists():
        run("ip", "link", "delete", LINK)
    for path in (layout.ready, layout.init_pid, layout.containerd_socket):
        path.unlink(missing_ok=True)
    for folder in ("etcd", "kubelet", "addresses", "log"):
        shutil.rmtree(layout.state / folder, ignore_errors=True)
    cgroups.remove_cgroups()


def run_inside(layout: Layout, *command: str | Path) -> str:
    """Run a program of the host in the namespaces of the node.

    Raises:
        CommandFailed: The node is not up, or the program ended with an error.
    """
    pid = _first_process(layout)
    if pid is None:
        raise CommandFailed("the test cluster is not up; start it with: make cluster")
    return run("nsenter", f"--target={pid}", "--net", "--mount", "--pid", "--uts", *command)


def _launch(layout: Layout) -> tuple[int, int]:
    """Start the node's holder; return its process id and the pipe on which it waits for a line."""
    # When the holder dies, so does the first process, and with it everything in its namespaces.
    spaces = ("--net", "--mount", "--pid", "--uts", "--ipc", "--mount-proc", "--kill-child")
    program = (sys.executable, "-m", "tests.cluster.kube.inside")
    command = ["env", f"--chdir={REPOSITORY}", "unshare", *spaces, *program]
    folders = {
        "CHEKOV_CLUSTER_STATE": str(layout.state),
        "CHEKOV_CLUSTER_CACHE": str(layout.cache),
    }
    awaited, go = os.pipe()
    try:
        with (layout.logs / "node.log").open("wb") as log:
            # The node outlives this process, so no Popen object may wait for it.
            holder = os.posix_spawnp(
                command[0],
                command,
                {**os.environ, **folders},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, awaited, 0),
                    (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                    (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
                ],
                setsid=True,
            )
    finally:
        os.close(awaited)
    layout.init_pid.write_text(str(holder))
    return holder, go


def _lay_link(layout: Layout) -> None:
    peer = ("peer", "name", "eth0", "netns", str(_first_process(layout)))
    run("ip", "link", "add", LINK, "type", "veth", *peer)
    run("ip", "address", "add", f"{HOST_ADDRESS}/{LINK_PREFIX}", "dev", LINK)
    run("ip", "link", "set", LINK, "up")
    for addresses in (PODS, SERVICES):
        run("ip", "route", "replace", addresses, "via", NODE_ADDRESS)


def _ready_or_dead(layout: Layout, holder: int) -> bool:
    if _ended(holder):
        log = (layout.logs / "node.log").read_text()[-3000:]
        raise CommandFailed(f"the node did not start; its logs are in {layout.logs}\n{log}")
    return layout.ready.exists()


def _ended(pid: int) -> bool:
    """Whether a process has ended; a child of this process is reaped."""
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    return not Path(f"/proc/{pid}").exists()


def _holder(layout: Layout) -> int | None:
    """The host's id of the process that holds the node's namespaces, if it runs."""
    with suppress(OSError, ValueError):
        pid = int(layout.init_pid.read_text())
        if b"tests.cluster.kube.inside" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def _first_process(layout: Layout) -> int | None:
    """The id, on the host, of process 1 of the node."""
    if (pid := _holder(layout)) is None:
        return None
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    return None
