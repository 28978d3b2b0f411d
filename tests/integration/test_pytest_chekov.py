"""The fixtures that Chekov brings for pytest, as the tests of a domain use them."""

import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from chekov import StateChanged
from examples.bank.bank import domain
from pytest_chekov import RuntimeFactory
from tests.unit.domain.test_purity import DOMAIN, Add


@pytest.fixture(scope="session")
def chekov_postgres(server: str) -> str:
    """That of this project; the tests of the documentation start one of their own."""
    return server


async def test_a_domain_runs_in_memory_and_is_watched(in_memory_runtime: RuntimeFactory) -> None:
    async with in_memory_runtime(DOMAIN) as runtime:
        with pytest.raises(StateChanged):
            await runtime.dispatch(Add(basket="1", item="pen"))
    async with in_memory_runtime(DOMAIN, debug=False) as runtime:
        assert (await runtime.dispatch(Add(basket="1", item="pen"))).version == 1


async def test_a_domain_runs_in_postgres_and_leaves_nothing(
    postgres_runtime: RuntimeFactory, chekov_postgres: str
) -> None:
    async with postgres_runtime(domain, node="ours") as runtime:
        assert await runtime.query("balances", "total", {}) == 0
        assert await runtime.store.head() == 0
    async with postgres_runtime(DOMAIN) as runtime:
        with pytest.raises(StateChanged):
            await runtime.dispatch(Add(basket="1", item="pen"))
    connection = await asyncpg.connect(chekov_postgres)
    try:
        left = "select count(*) from pg_namespace where nspname like 'temporary%'"
        assert await connection.fetchval(left) == 0
    finally:
        await connection.close()


def test_a_project_that_uses_no_fixture_imports_nothing_of_chekov(tmp_path: Path) -> None:
    """pytest loads the plugin by its entry point, in every project of the environment."""
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\n\ndef test_nothing(pytestconfig):\n"
        '    assert pytestconfig.pluginmanager.hasplugin("chekov")\n'
        '    tops = {name.partition(".")[0] for name in sys.modules}\n'
        '    assert "pytest_chekov" in tops\n'
        '    assert tops.isdisjoint({"chekov", "asyncpg", "msgspec", "aiohttp"})\n'
    )
    only = ("-p", "no:asyncio", "-p", "no:hypothesispytest", "-p", "no:schemathesis")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *only, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
