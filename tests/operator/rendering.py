"""Charts as Helm renders them, as plain objects."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.kube.binaries import build_tool
from tests.cluster.kube.layout import Layout

CHARTS = Path(__file__).parents[2] / "charts"

Manifest = dict[str, Any]


class Refused(Exception):
    """Helm refused values or a chart; the message is what it said."""


def helm(*words: str | Path) -> str:
    """Run Helm and return what it printed.

    Raises:
        Refused: It ended with an error.
    """
    done = subprocess.run(
        [_program(), *words],
        env={**os.environ, "KUBECONFIG": os.devnull},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if done.returncode != 0:
        raise Refused(done.stderr)
    return done.stdout


def rendered(chart: str, *settings: str, values: Manifest | None = None) -> list[Manifest]:
    """The objects of a chart, for a release named chekov in the namespace chekov-system.

    Args:
        chart: The folder under charts/.
        settings: Values as `--set` takes them.
        values: Values as a file holds them.

    Raises:
        Refused: The values do not fit, or the chart does not render.
    """
    words = ["template", "chekov", str(CHARTS / chart), "--namespace=chekov-system"]
    words += [f"--set={setting}" for setting in settings]
    words += [f"--set-json={name}={json.dumps(value)}" for name, value in (values or {}).items()]
    return [found for found in yaml.safe_load_all(helm(*words)) if found]


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Those of one kind."""
    return [found for found in manifests if found["kind"] == kind]


def build_helm() -> None:
    """Build Helm unless the machine has one, which takes minutes: the fixture `helm_built`."""
    if shutil.which("helm") is None:
        build_tool(Layout.from_environment(), "helm")


def _program() -> str | Path:
    found = shutil.which("helm") or Layout.from_environment().binaries / "helm"
    assert Path(found).exists(), "a test that renders charts uses the fixture helm_built"
    return found
