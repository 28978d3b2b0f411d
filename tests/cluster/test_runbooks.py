"""The commands of the runbooks work, on a bank and an operator that have no trouble."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cluster.bank import Bank
from tests.cluster.clusters import REPOSITORY
from tests.cluster.kube.shell import run

PAGES = sorted((REPOSITORY / "docs" / "runbooks").glob("[a-z]*.md"))
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def commands(page: Path) -> list[str]:
    """Those of a page, without the prompt."""
    blocks = CONSOLE.findall(page.read_text())
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_command_can_be_executed(bank: Bank, page: Path) -> None:
    found = commands(page)
    assert found
    for line in found:
        words = shlex.split(line)
        assert words[0] == "kubectl"
        here = [
            word.replace("--namespace=shop", f"--namespace={bank.kubectl.namespace}")
            for word in words
        ]
        run(*here, env=bank.cluster.environment(), timeout=150)
