"""What the README and the tutorial tell people to type does what they say."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.integration.server_process import BANK, Server, chekov
from tests.packages import provide

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```(python|console)\n(.*?)```", re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """The code of one language on a page, in order."""
    return [code for kind, code in BLOCK.findall((ROOT / page).read_text()) if kind == language]


def commands(page: str, beginning: str) -> list[str]:
    """The commands on a page that begin so, their continued lines joined."""
    lines = "\n".join(blocks(page, "console")).replace("\\\n", " ").splitlines()
    found = [line.removeprefix("$ ") for line in lines]
    return [line for line in found if line.startswith(beginning)]


@pytest.fixture(scope="module", autouse=True)
def curl() -> None:
    """What the pages tell people to type starts with it."""
    provide({"curl": "curl"}, otherwise="Elsewhere, put curl on the PATH")


async def run(line: str, server: Server) -> str:
    """Run one command as it stands, but for the ports; what it prints."""
    line = line.replace("localhost:8080", server.api("").removeprefix("http://"))
    line = line.replace("localhost:9090", server.management("").removeprefix("http://"))
    shell = await asyncio.create_subprocess_shell(line, stdout=asyncio.subprocess.PIPE)
    output, _ = await shell.communicate()
    assert shell.returncode == 0, line
    return output.decode()


async def python(code: str, folder: Path) -> None:
    """Run a program in a folder."""
    (folder / "program.py").write_text(code)
    child = await asyncio.create_subprocess_exec(sys.executable, "program.py", cwd=folder)
    assert await child.wait() == 0


async def test_the_first_five_minutes_of_the_readme(tmp_path: Path) -> None:
    options = ("--data", str(tmp_path), "--http-port=0", "--management-port=0", "--output=json")
    async with chekov("run", str(BANK / "bundle.yaml"), *options) as server:
        await server.serving()
        answers = [await run(line, server) for line in commands("README.md", "curl")]
    opened, paid, stream, balance, metrics, refused = answers
    assert '"version":1' in opened
    assert '"version":2' in paid
    assert "AccountOpened" in stream
    assert balance.strip() == "25"
    assert 'chekov_commands_total{command="Deposit",outcome="accepted"} 1.0' in metrics
    assert '"rejection":"Overdrawn"' in refused


async def test_the_domain_of_the_readme(tmp_path: Path) -> None:
    await python("\n".join(blocks("README.md", "python")), tmp_path)


async def test_the_guide_to_changing_events(tmp_path: Path) -> None:
    await python("\n".join(blocks("docs/how-to/change-events.md", "python")), tmp_path)


async def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = blocks("docs/tutorial.md", "python")
    (tmp_path / "shop.py").write_text("\n".join(part for part in code if "Spec(" not in part))
    spec = next(part for part in code if "Spec(" in part)
    await python(f"from shop import *\n{spec}", tmp_path)
    monkeypatch.chdir(tmp_path)
    options = ("--data", str(tmp_path), "--http-port=0", "--management-port=0", "--output=json")
    async with chekov("run", "shop:domain", *options) as server:
        await server.serving()
        *lines, query = commands("docs/tutorial.md", "curl")
        answers = [await run(line, server) for line in lines]
        assert '"version":1' in answers[0]
        assert '"items":2' in answers[2]
        async with asyncio.timeout(30):
            while await run(query, server) != "2":  # the read model follows by itself
                pass
