"""Installs peers on demand into `.cache/peers`, never into the project's environment."""

import asyncio
import hashlib
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "peers"
NODE = CACHE / "node"
ENVIRONMENT = CACHE / "eventsourcing"


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


async def python_environment() -> Path:
    """Install the packages that requirements.txt pins; returns the environment's interpreter."""
    requirements = HERE / "requirements.txt"
    python = ENVIRONMENT / "bin" / "python"
    if _is_current(ENVIRONMENT, requirements):
        return python
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    await _run(sys.executable, "-m", "venv", str(ENVIRONMENT))
    await _run(str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements))
    _mark(ENVIRONMENT, requirements)
    return python


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
