"""Fixtures for pytest, which finds this plugin by itself: runtimes of a domain, for one test each.

pytest loads it with every test run, also of projects that use none of it. So it is a package of its
own, and imports `chekov`, which takes 200 modules and what they need, only once a fixture is used.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from chekov.domain.domain import Domain
    from chekov.runtime import Runtime

RuntimeFactory: TypeAlias = "Callable[..., AbstractAsyncContextManager[Runtime]]"
"""Called with a domain, and with settings of `Runtime` by name; used as an `async with` block."""

_DSN = "chekov_dsn"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        _DSN,
        "Postgres for `postgres_runtime`, in whose database schemas may be made; otherwise an "
        "embedded one is started",
    )


@pytest.fixture
def in_memory_runtime() -> RuntimeFactory:
    """Runs a domain over a store of its own in memory, and finds executors that change the state.

    For a domain with projections, which need a database, give `subscriptions=False`.
    """
    from chekov.runtime import Runtime  # noqa: PLC0415 see above
    from chekov.store.memory import MemoryStore  # noqa: PLC0415

    def run(domain: "Domain", **settings: Any) -> "Runtime":
        return Runtime(domain, store=MemoryStore(), **_debugging(settings))

    return run


@pytest.fixture(scope="session")
def chekov_postgres(request: pytest.FixtureRequest) -> Generator[str]:
    """The DSN of a Postgres for all tests: the ini option `chekov_dsn`, or an embedded one."""
    dsn = str(request.config.getini(_DSN))
    if dsn:
        yield dsn
        return
    from chekov.embedded_postgres import embedded_postgres  # noqa: PLC0415 see above

    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="chekov-") as folder:
        postgres = embedded_postgres(Path(folder))
        try:
            yield runner.run(postgres.__aenter__())
        finally:
            runner.run(postgres.__aexit__(None, None, None))


@pytest.fixture
def postgres_runtime(chekov_postgres: str) -> RuntimeFactory:
    """Runs a domain over a store of its own in Postgres, as a service does.

    Its schemas are dropped when the block ends. Executors that change the state are found.
    """
    from chekov.runtime import Runtime  # noqa: PLC0415 see above
    from chekov.store.postgres.temporary_schema import temporary_schema  # noqa: PLC0415

    @asynccontextmanager
    async def run(domain: "Domain", **settings: Any) -> "AsyncGenerator[Runtime]":
        async with (
            temporary_schema(chekov_postgres) as schema,
            Runtime(
                domain, store=chekov_postgres, schema=schema, **_debugging(settings)
            ) as runtime,
        ):
            yield runtime

    return run


def _debugging(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"debug": True, **settings}
