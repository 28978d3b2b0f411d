"""Installs peers on demand into `.cache/peers`, never into the project's environment."""

import asyncio
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "peers"
NODE = CACHE / "node"
NEWEST_MINOR = 19
"""Of the versions of Python that are looked for."""


class InstallError(Exception):
    """A peer could not be installed; the message ends with the installer's output."""


async def npm_packages() -> Path:
    """Install the packages that package.json pins; returns the folder of `node_modules`."""
    manifest = HERE / "package.json"
    if _is_current(NODE, manifest):
        return NODE
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise InstallError("node and npm are needed for Emmett and message-db")
    shutil.rmtree(NODE, ignore_errors=True)
    NODE.mkdir(parents=True)
    shutil.copy(manifest, NODE / "package.json")
    await _run(npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", cwd=NODE)
    _mark(NODE, manifest)
    return NODE


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """Packages of Python, and the oldest version that they run on.

    Attributes:
        folder: where in the cache it is.
        requirements: the file that pins the packages.
        minimum: the oldest version of Python that they run on.
        needed_by: the peers, as messages name them.
    """

    folder: str
    requirements: str
    minimum: tuple[int, int]
    needed_by: str


PYTHON = PythonEnvironment("eventsourcing", "requirements.txt", (3, 11), "eventsourcing and UmaDB")
PYTHON_3_13 = PythonEnvironment(
    "python-3.13",
    "requirements-3.13.txt",
    (3, 13),
    "eventsource-py and logicblocks-event-store",
)


async def python_environment(wanted: PythonEnvironment) -> Path:
    """Install the packages of an environment; returns its interpreter.

    Raises:
        InstallError: no interpreter on PATH is new enough, or a package cannot be installed.
    """
    requirements = HERE / wanted.requirements
    folder = CACHE / wanted.folder
    python = folder / "bin" / "python"
    if _is_current(folder, requirements):
        return python
    base = await interpreter(wanted)
    shutil.rmtree(folder, ignore_errors=True)
    await _run(base, "-m", "venv", str(folder))
    await _run(str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements))
    _mark(folder, requirements)
    return python


async def interpreter(wanted: PythonEnvironment) -> str:
    """The first Python that is new enough: the one that runs, or else one on PATH.

    Raises:
        InstallError: there is none.
    """
    if sys.version_info[:2] >= wanted.minimum:
        return sys.executable
    for path in _candidates(wanted.minimum):
        if await _is_new_enough(path, wanted.minimum):
            return path
    version = ".".join(map(str, wanted.minimum))
    raise InstallError(
        f"{wanted.needed_by} need Python {version} or newer, and none is on PATH: "
        f"put the folder of a python{version} there"
    )


def _candidates(minimum: tuple[int, int]) -> Iterator[str]:
    """Every interpreter on PATH whose name does not say that it is too old."""
    major, minor = minimum
    names = [f"python{major}.{number}" for number in range(minor, NEWEST_MINOR + 1)]
    for name in (*names, f"python{major}", "python"):
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            if folder and (found := shutil.which(name, path=folder)):
                yield found


async def _is_new_enough(path: str, minimum: tuple[int, int]) -> bool:
    """Ask it: a version manager's stand-in has the name of each version, and may run none."""
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            "-c",
            f"import sys; sys.exit(sys.version_info < {minimum})",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return False
    return await process.wait() == 0


def _is_current(folder: Path, source: Path) -> bool:
    mark = folder / "installed"
    return mark.exists() and mark.read_text() == _digest(source)


def _mark(folder: Path, source: Path) -> None:
    (folder / "installed").write_text(_digest(source))


def _digest(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()


async def _run(*command: str, cwd: Path | None = None) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise InstallError(f"{' '.join(command)}: {output.decode(errors='replace')[-2000:]}")
