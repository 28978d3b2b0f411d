"""Builds images without a registry, and loads them into the node."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.kube.archive import repack
from tests.cluster.kube.layout import PAUSE_IMAGE, Layout
from tests.cluster.kube.node import run_inside
from tests.cluster.kube.shell import run, step, succeeds

PYTHON_VERSION = "3.13"
PYTHON_IMAGE = f"docker.io/library/python:{PYTHON_VERSION}-slim-trixie"
SERVICES_IMAGE = "docker.io/chekov/test-services:2"
SERVICES = ("postgresql", "prometheus")
_RELEASE = "trixie"
_PYTHON = ("python3", "python3-venv", "python3-pip", "ca-certificates")
_NEEDLESS = ("usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*", "usr/share/info/*")
# Most of the size of these packages, which Postgres and Prometheus do not need to run.
_UNUSED = (
    "usr/lib/*/libLLVM*",
    "usr/lib/postgresql/*/lib/*llvmjit*",
    "usr/lib/postgresql/*/lib/bitcode",
    "usr/share/javascript",
    "usr/bin/promtool",
    "var/lib/postgresql/*/main",
)
_CACHED = ("var/cache/apt/archives/*.deb", "var/cache/apt/*.bin", "var/lib/apt/lists/*")


def make_pause(layout: Layout) -> None:
    """Build the pause image as an archive in the cache."""
    archive = layout.cache / "pause.tar"
    if archive.exists():
        return
    container = run("buildah", "from", "scratch").strip()
    run("buildah", "copy", "--quiet", container, layout.binaries / "pause", "/pause")
    _commit(container, PAUSE_IMAGE, entrypoint='["/pause"]')
    _export(PAUSE_IMAGE, archive)


def make_python() -> None:
    """Build the base image of the Dockerfile from Debian's Python, without a registry."""
    if _exists(PYTHON_IMAGE):
        return
    with step(f"making {PYTHON_IMAGE}"), tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        _bootstrap(root, _PYTHON)
        for name, target in (("python", "python3"), ("python3", "python3"), ("pip", "pip3")):
            (root / "usr/local/bin" / name).symlink_to(f"/usr/bin/{target}")
        for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()
        _from_folder(root, PYTHON_IMAGE)


def make_services() -> None:
    """Build an image with Debian's Postgres and Prometheus."""
    if _exists(SERVICES_IMAGE):
        return
    with step(f"making {SERVICES_IMAGE}"), tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        _bootstrap(root, SERVICES)
        for programs in root.glob("usr/lib/postgresql/*/bin/*"):
            (root / "usr/local/bin" / programs.name).symlink_to(f"/{programs.relative_to(root)}")
        _from_folder(root, SERVICES_IMAGE)


def build(context: Path, name: str, arguments: Mapping[str, str]) -> str:
    """Build a Dockerfile and return the image's name with a tag made from its content.

    The steps use the host's network, resolver and certificates.
    """
    shared = ("/etc/ssl/certs", "/etc/hosts", "/etc/resolv.conf")
    volumes = [f"--volume={path}:{path}:ro" for path in shared]
    values = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    isolation = ("--isolation=chroot", "--network=host", "--pull-never", "--layers", "--quiet")
    with step(f"building {name}"):
        built = run("buildah", "build", *isolation, *volumes, *values, context).strip()
    tag = f"{name}:{built[:12]}"
    run("buildah", "tag", built, tag)
    return tag


def load(layout: Layout, tag: str) -> None:
    """Load an image into the node, unless it has it already."""
    identity = run("buildah", "inspect", "--type=image", "--format={{.FromImageID}}", tag)
    stamp = layout.folder / "images" / tag.replace("/", "_")
    if stamp.exists() and stamp.read_text() == identity:
        return
    with (
        step(f"loading {tag} into {layout.node.name}"),
        tempfile.TemporaryDirectory(dir=layout.folder) as folder,
    ):
        whole, needed = Path(folder) / "whole.tar", Path(folder) / "needed.tar"
        _export(tag, whole)
        known = run_inside(layout, *client(layout), "content", "list", "--quiet").split()
        repack(whole, needed, tag, known)
        run_inside(layout, *client(layout), "images", "import", needed)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(identity)


def client(layout: Layout) -> Sequence[str]:
    """The command of containerd's client, to be run inside the node."""
    return ("ctr", f"--address={layout.containerd_socket}", "--namespace=k8s.io")


def _exists(tag: str) -> bool:
    return succeeds("buildah", "inspect", "--type=image", tag)


def _export(tag: str, archive: Path) -> None:
    run("buildah", "push", "--quiet", tag, f"docker-archive:{archive}:{tag}")


def _bootstrap(root: Path, packages: Sequence[str]) -> None:
    included = f"--include={','.join(packages)}"
    command = ("debootstrap", "--variant=minbase", included, _RELEASE, root)
    run(*command, env={"PATH": _system_path()})
    for pattern in (*_NEEDLESS, *_UNUSED, *_CACHED):
        for path in root.glob(pattern):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _system_path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _from_folder(root: Path, tag: str) -> None:
    container = run("buildah", "from", "scratch").strip()
    run("buildah", "copy", "--quiet", container, root, "/")
    _commit(container, tag)


def _commit(container: str, tag: str, **configuration: str) -> None:
    for name, value in configuration.items():
        run("buildah", "config", f"--{name}={value}", container)
    run("buildah", "commit", "--quiet", "--rm", container, tag)
