"""Starts and stops nodes, and runs programs inside them, from the host."""

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.cluster.kube import cgroups
from tests.cluster.kube.certificates import make_certificates, make_node_certificate
from tests.cluster.kube.configuration import write_configuration
from tests.cluster.kube.layout import FIRST, LINK_PREFIX, PODS, SERVICES, Layout
from tests.cluster.kube.shell import CommandFailed, run, step, succeeds, wait_for

REPOSITORY = Path(__file__).parents[3]
# Of its own; mounts and network devices end with the last process in them.
_SPACES = ("--net", "--mount", "--pid", "--uts", "--ipc", "--mount-proc", "--kill-child")


def is_up(layout: Layout) -> bool:
    """Whether the node runs and is ready."""
    return layout.ready.exists() and _first_process(layout) is not None


def start(layout: Layout) -> None:
    """Start a clean first node; what a previous one left is removed.

    Raises:
        CommandFailed: It did not start; the message holds the end of its log.
    """
    stop(layout)
    with step("starting Kubernetes"):
        layout.logs.mkdir(parents=True, exist_ok=True)
        make_certificates(layout)
        write_configuration(layout)
        _bring_up(layout, ("unshare", *_SPACES))


def start_worker(layout: Layout) -> None:
    """Start a clean worker beside the first node, on which it depends and with which it ends.

    Raises:
        CommandFailed: It did not start; the message holds the end of its log.
    """
    first = _first_process(layout.worker(FIRST.number))
    if first is None:
        raise CommandFailed("a worker needs the first node, which is not up")
    stop_worker(layout)
    with step(f"starting {layout.node.name}"):
        layout.logs.mkdir(parents=True, exist_ok=True)
        make_node_certificate(layout)
        write_configuration(layout)
        _bring_up(layout, (*_within(first), "unshare", *_SPACES))


def stop(layout: Layout) -> None:
    """Stop the first node with everything on it, also the workers, and keep their images."""
    if (pid := _holder(layout)) is not None:
        with step("stopping Kubernetes"):
            _end(pid)
    # The kernel removes a network some time after its last process has ended.
    if Path(f"/sys/class/net/{FIRST.link}").exists():
        run("ip", "link", "delete", FIRST.link)
    _clean(layout)
    for worker in _workers(layout):
        _clean(worker)


def stop_worker(layout: Layout) -> None:
    """Stop a worker with everything on it, and keep its images."""
    if (pid := _holder(layout)) is not None:
        with step(f"stopping {layout.node.name}"):
            _end(pid)
            link = ("ip", "link", "delete", layout.node.link)
            if (first := _first_process(layout.worker(FIRST.number))) is not None:
                succeeds(*_in_network(first), *link)
    _clean(layout)


def running_workers(layout: Layout) -> list[Layout]:
    """The workers that run."""
    return [worker for worker in _workers(layout) if _holder(worker) is not None]


def _workers(layout: Layout) -> list[Layout]:
    """Those that run, and those that ran and left files."""
    names = sorted((layout.state / "workers").glob("*"))
    return [layout.worker(int(path.name.rpartition("-")[2])) for path in names]


def _bring_up(layout: Layout, namespaces: Sequence[str]) -> None:
    cgroups.make_cgroups(layout.node.name)
    holder, go = _launch(layout, namespaces)
    with os.fdopen(go, "wb") as waiting:

        def begun() -> bool:
            return _ready_or_dead(layout, holder) or _first_process(layout) is not None

        wait_for(f"the first process of {layout.node.name}", begun)
        _lay_link(layout)
        waiting.write(b"\n")
    wait_for(layout.node.name, lambda: _ready_or_dead(layout, holder), timeout=180)


def _end(holder: int) -> None:
    """Kill what holds the namespaces of a node, and so everything in them."""
    # The last of them is process 1 of the node, or what kills it when it ends.
    for pid in (*_descent(holder), holder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for("the node's end", lambda: not Path(f"/proc/{holder}/ns/net").exists())
    _ended(holder)


def _clean(layout: Layout) -> None:
    for path in (layout.ready, layout.init_pid, layout.containerd_socket):
        path.unlink(missing_ok=True)
    for folder in ("etcd", "kubelet", "addresses", "log"):
        shutil.rmtree(layout.folder / folder, ignore_errors=True)
    cgroups.remove_cgroups(layout.node.name)


def run_inside(layout: Layout, *command: str | Path) -> str:
    """Run a program of the host in the namespaces of the node.

    Raises:
        CommandFailed: The node is not up, or the program ended with an error.
    """
    pid = _first_process(layout)
    if pid is None:
        raise CommandFailed("the test cluster is not up; start it with: make cluster")
    return run(*_within(pid), *command)


def _within(pid: int) -> Sequence[str]:
    """The words before a command that is to run in the namespaces of a node."""
    return ("nsenter", f"--target={pid}", "--net", "--mount", "--pid", "--uts")


def _in_network(pid: int) -> Sequence[str]:
    return ("nsenter", f"--target={pid}", "--net")


def _launch(layout: Layout, namespaces: Sequence[str]) -> tuple[int, int]:
    """Start the node's holder; return its process id and the pipe on which it waits for a line."""
    program = (sys.executable, "-m", "tests.cluster.kube.inside", str(layout.node.number))
    # Entering the mounts of another node leads to its root folder.
    command = [*namespaces, "env", f"--chdir={REPOSITORY}", *program]
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
    """Link the first node to the host, or a worker to the first node."""
    node, first = layout.node, _first_process(layout.worker(FIRST.number))
    reached = (node.pods,) if node.number else (PODS, SERVICES)
    peer = ("peer", "name", "eth0", "netns", str(_first_process(layout)))
    ip = (*_in_network(first), "ip") if node.number and first else ("ip",)
    run(*ip, "link", "add", node.link, "type", "veth", *peer)
    run(*ip, "address", "add", f"{node.peer_address}/{LINK_PREFIX}", "dev", node.link)
    run(*ip, "link", "set", node.link, "up")
    for addresses in reached:
        run(*ip, "route", "replace", addresses, "via", node.address)


def _ready_or_dead(layout: Layout, holder: int) -> bool:
    if _ended(holder):
        log = (layout.logs / "node.log").read_text()[-3000:]
        message = f"{layout.node.name} did not start; its logs are in {layout.logs}"
        raise CommandFailed(f"{message}\n{log}")
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
    holder = _holder(layout)
    last = _descent(holder)[-1:] if holder is not None else []
    return last[0] if last and _is_first(last[0]) else None


def _descent(pid: int) -> list[int]:
    """The first child of a process, the first child of that, and so on to process 1 of a node."""
    found: list[int] = []
    with suppress(OSError, IndexError):
        while not _is_first(pid):
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
            found.append(pid)
    return found


def _is_first(pid: int) -> bool:
    """Whether a process is process 1 of namespaces of its own, and runs the node's program."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        is_own = len(numbers) > 2 and numbers[-1] == "1"
        # Before it is Python, it is what prepares the namespaces.
        return is_own and command[1:3] == [b"-m", b"tests.cluster.kube.inside"]
    return False
