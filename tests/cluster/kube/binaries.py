"""Builds the programs of the node from Go modules, once for each version."""

import fcntl
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.cluster.kube.layout import SOURCES, Layout
from tests.cluster.kube.packages import go
from tests.cluster.kube.shell import run, step

COMPONENTS = (
    "etcd",
    "kubectl",
    "kubelet",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
)
TOOLS = {
    "helm": "helm.sh/helm/v3/cmd/helm",
    "coredns": "./coredns",
    # Ends at once with the libraries of that module.
    "metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server@v0.8.0",
    "kube-router": "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
}
"""Packages of the module in `SOURCES`, which share its Kubernetes libraries, or modules.

Most of the time goes into these: Helm 4 took 228 s of a processor with its own, and takes 29 s.
"""
CHART_TOOLS = {
    "helm4": "helm.sh/helm/v4/cmd/helm",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
    # Does not compile with the libraries of that module.
    "kube-score": "github.com/zegl/kube-score/cmd/kube-score@v1.20.0",
}
"""What checks the charts, and no node needs."""
_MODULE = ("go.mod", "go.sum")


def kubernetes_version() -> str:
    """The version of Kubernetes that is built, like v1.35.4."""
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (SOURCES / "go.mod").read_text())
    if found is None:
        raise LookupError(f"{SOURCES / 'go.mod'} requires no k8s.io/kubernetes")
    return found.group(1)


def build_binaries(layout: Layout) -> None:
    """Build what is missing in the cache; with an empty cache that takes minutes."""
    layout.binaries.mkdir(parents=True, exist_ok=True)
    for name in TOOLS:
        build_tool(layout, name)
    build_components(layout)


def build_components(layout: Layout) -> None:
    """Build Kubernetes and etcd alone, unless they are in the cache."""
    layout.binaries.mkdir(parents=True, exist_ok=True)
    files = (SOURCES / name for name in (*_MODULE, "main.go", "pause/main.go"))
    _once(layout, "kubebin", _fingerprint(files), _build_components)


def build_everything(layout: Layout) -> None:
    """Build all that tests need, in the order in which they need it."""
    for name in ("helm", *CHART_TOOLS):
        build_tool(layout, name)
    build_binaries(layout)


def build_tool(layout: Layout, name: str) -> Path:
    """Build one of `TOOLS` or `CHART_TOOLS`, unless it is in the cache; return its path."""
    layout.binaries.mkdir(parents=True, exist_ok=True)
    target = layout.binaries / name
    package = {**TOOLS, **CHART_TOOLS}[name]

    def install(layout: Layout, _: str) -> None:
        _go(layout, "install", "-ldflags", "-s -w", package)

    def build(layout: Layout, _: str) -> None:
        _go(layout, "build", "-mod=readonly", "-ldflags", "-s -w", "-o", target, package)

    if "@" in package:
        _once(layout, name, package, install)
    else:
        files = (SOURCES / name for name in (*_MODULE, "coredns/main.go"))
        _once(layout, name, f"{package} {_fingerprint(files)}", build)
    return target


def build_program(layout: Layout, source: Path) -> Path:
    """Build the Go module in a folder, unless it was built from the same files; return its path."""
    layout.binaries.mkdir(parents=True, exist_ok=True)
    target = layout.binaries / source.name

    def build(layout: Layout, _: str) -> None:
        flags = ("-mod=readonly", "-ldflags", "-s -w")
        _go(layout, "build", *flags, "-o", target, cwd=source)

    files = sorted(item for item in source.iterdir() if item.suffix in (".go", ".mod", ".sum"))
    _once(layout, source.name, _fingerprint(files), build)
    return target


def kubernetes_source(layout: Layout) -> Path:
    """The folder of the module of Kubernetes, with its descriptions of the API."""
    shown = run(
        go(layout), "mod", "download", "-json", "k8s.io/kubernetes", cwd=SOURCES, timeout=600
    )
    return Path(json.loads(shown)["Dir"])


def _fingerprint(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _once(layout: Layout, name: str, wanted: str, build: Callable[[Layout, str], None]) -> None:
    stamp = layout.binaries / f".{name}.built"
    # Whoever needs it while another process builds it waits for that.
    with (layout.binaries / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        with step(f"building {name}"):
            build(layout, wanted)
        stamp.write_text(wanted)


def _build_components(layout: Layout, _: str) -> None:
    version = kubernetes_version()
    major, minor, _patch = version.removeprefix("v").split(".")
    about = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = " ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in about.items())
    target = layout.binaries / "kubebin"
    _go(layout, "build", "-mod=readonly", "-ldflags", f"-s -w {flags}", "-o", target)
    for name in COMPONENTS:
        link = layout.binaries / name
        link.unlink(missing_ok=True)
        link.symlink_to(target.name)
    pause = layout.binaries / "pause"
    _go(layout, "build", "-mod=readonly", "-ldflags", "-s -w", "-o", pause, "./pause")


def _go(layout: Layout, *words: str | Path, cwd: Path = SOURCES) -> None:
    settings = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOBIN": str(layout.binaries)}
    run(go(layout), *words, cwd=cwd, env=settings, timeout=3000)
