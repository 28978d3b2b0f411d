"""The shipped suite against the stores that are shipped."""

import pytest

from chekov.store.memory import MemoryStore
from chekov.store.postgres import PostgresStore
from chekov.testing.contract import GenerationsContract, ReadModelsContract, StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self, memory_store: MemoryStore) -> MemoryStore:
        return memory_store


class TestPostgresStore(StoreContract, ReadModelsContract, GenerationsContract):
    @pytest.fixture
    def store(self, postgres_store: PostgresStore) -> PostgresStore:
        return postgres_store
