"""Starting is cheap: who asks for help loads neither the cluster's client nor the runtime."""

import subprocess
import sys

import pytest

HELP = """
import sys
from chekov_operator.plugin import main
try:
    main({words})
finally:
    sys.stderr.write("\\n" + " ".join({{name.partition(".")[0] for name in sys.modules}}))
    sys.stderr.flush()
"""
LOADED = """
import importlib, pkgutil, sys
import chekov_operator.plugin as plugin
for module in pkgutil.iter_modules(plugin.__path__):
    importlib.import_module(f"{plugin.__name__}.{module.name}")
print(*sorted(sys.modules))
"""


@pytest.mark.parametrize("words", [["--help"], ["status", "--help"], ["bundle"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    script = HELP.format(words=words)
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    loaded = set(answer.stderr.splitlines()[-1].split())
    assert "argparse" in loaded
    heavy = {"chekov", "aiohttp", "kubernetes", "yaml", "asyncio", "kopf", "opentelemetry"}
    assert heavy.isdisjoint(loaded)


def test_no_command_loads_the_operator_or_the_server() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    loaded = set(answer.stdout.split())
    assert "chekov_operator.plugin.report" in loaded
    assert {"kopf", "chekov.server", "chekov.cli", "asyncpg"}.isdisjoint(loaded)
