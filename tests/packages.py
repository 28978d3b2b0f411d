"""Debian packages that tests need."""

import os
import shutil
from collections.abc import Mapping

from tests.cluster.kube.shell import CommandFailed, run, step


def provide(needed: Mapping[str, str], *, otherwise: str) -> None:
    """Install missing packages.

    Args:
        needed: the package by a program or file that it provides.
        otherwise: advice for machines where packages cannot be installed.

    Raises:
        CommandFailed: packages are missing and this is not root on Debian, or apt-get failed.
    """
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [
        package for program, package in needed.items() if shutil.which(program, path=path) is None
    ]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise CommandFailed(
            f"these tests need {', '.join(missing)}; root on Debian gets them automatically. "
            f"{otherwise}"
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {', '.join(missing)}"):
        run("apt-get", "update", "-qq", env=quiet)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, env=quiet)
