"""A store to export from and one to import into."""

import pytest

from chekov.store.postgres.migrator import migrate
from tests.integration.transfer.stores import Store, fill


@pytest.fixture
def source(dsn: str) -> Store:
    return Store(dsn, "chekov")


@pytest.fixture
async def target(dsn: str) -> Store:
    """Another store in the same database."""
    await migrate(dsn, "moved")
    return Store(dsn, "moved")


@pytest.fixture
async def filled(source: Store) -> Store:
    async with source.opened() as store:
        await fill(store, 2000)
    return source
