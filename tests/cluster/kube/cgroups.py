"""The control groups of a node: created before it starts, removed after it has ended."""

from contextlib import suppress
from pathlib import Path


def _roots(name: str) -> list[Path]:
    top = Path("/sys/fs/cgroup")
    hierarchies = [top] if (top / "cgroup.procs").exists() else sorted(top.iterdir())
    return [path / name for path in hierarchies if (path / "cgroup.procs").exists()]


def make_cgroups(name: str) -> None:
    """Create the node's group in every hierarchy, for the groups of pods."""
    for group in _roots(name):
        group.mkdir(exist_ok=True)
        # In version 1 a group accepts processes only after its processors and memory nodes are set.
        for setting in ("cpuset.cpus", "cpuset.mems"):
            inherited = group.parent / setting
            if inherited.exists():
                (group / setting).write_text(inherited.read_text())
        # By default the node has the share of a single process of the host.
        for setting, weight in (("cpu.shares", "4096"), ("cpu.weight", "400")):
            if (group / setting).exists():
                (group / setting).write_text(weight)
        # In version 2 a controller has to be enabled for the groups below.
        available = group.parent / "cgroup.controllers"
        if available.exists():
            for controller in available.read_text().split():
                with suppress(OSError):
                    (group.parent / "cgroup.subtree_control").write_text(f"+{controller}")


def remove_cgroups(name: str) -> None:
    """Remove the node's groups, whose processes have all ended."""
    for group in _roots(name):
        for folder in sorted(group.glob("**/"), reverse=True):
            with suppress(OSError):
                folder.rmdir()
