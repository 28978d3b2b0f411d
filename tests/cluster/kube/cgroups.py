"""The control groups of the node: made before it starts, removed after it ended."""

from contextlib import suppress
from pathlib import Path

NAME = "chekov"


def _roots() -> list[Path]:
    top = Path("/sys/fs/cgroup")
    hierarchies = [top] if (top / "cgroup.procs").exists() else sorted(top.iterdir())
    return [path / NAME for path in hierarchies if (path / "cgroup.procs").exists()]


def make_cgroups() -> None:
    """Make the node's group in every hierarchy, ready to hold groups of pods."""
    for group in _roots():
        group.mkdir(exist_ok=True)
        # Version 1 lets nobody into a group whose processors and memory were not named.
        for setting in ("cpuset.cpus", "cpuset.mems"):
            inherited = group.parent / setting
            if inherited.exists():
                (group / setting).write_text(inherited.read_text())
        # The whole node competes as one with each single process of the host.
        for setting, weight in (("cpu.shares", "4096"), ("cpu.weight", "400")):
            if (group / setting).exists():
                (group / setting).write_text(weight)
        # Version 2 hands a controller down only where it was asked to.
        available = group.parent / "cgroup.controllers"
        if available.exists():
            for controller in available.read_text().split():
                with suppress(OSError):
                    (group.parent / "cgroup.subtree_control").write_text(f"+{controller}")


def remove_cgroups() -> None:
    """Remove the node's groups, whose processes have all ended."""
    for group in _roots():
        for folder in sorted(group.glob("**/"), reverse=True):
            with suppress(OSError):
                folder.rmdir()
