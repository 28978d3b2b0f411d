"""Debian packages that tests need and machines may lack."""

import os
import shutil
from collections.abc import Mapping

from tests.cluster.kube.shell import CommandFailed, run, step


def provide(needed: Mapping[str, str], *, otherwise: str) -> None:
    """Install what the machine lacks.

    Args:
        needed: The program or file that shows that a package is there, and the package.
        otherwise: What to do where that cannot be.

    Raises:
        CommandFailed: Some lack and this is not root on a Debian machine, or apt-get failed.
    """
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [package for sign, package in needed.items() if shutil.which(sign, path=path) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise CommandFailed(
            f"these tests need {', '.join(missing)}; on Debian, root gets them by itself. "
            f"{otherwise}"
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {', '.join(missing)}"):
        run("apt-get", "update", "-qq", env=quiet)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, env=quiet)
