"""The shipped suite against the stores that are shipped."""

from collections.abc import AsyncGenerator

import pytest

from chekov.store.memory import MemoryStore
from chekov.store.postgres import PostgresStore
from chekov.store.sealing.master import MasterKeys
from chekov.store.sealing.store import SealedStore
from chekov.testing.contract import (
    ConditionsContract,
    GenerationsContract,
    NodeSessionsContract,
    ProcessesContract,
    ReadModelsContract,
    SchedulesContract,
    SetAsideContract,
    StoreContract,
)
from tests.unit.engine.processes.transfers import domain


class TestMemoryStore(StoreContract, NodeSessionsContract):
    @pytest.fixture
    def store(self, memory_store: MemoryStore) -> MemoryStore:
        return memory_store


class TestPostgresStore(
    StoreContract, NodeSessionsContract, ReadModelsContract, GenerationsContract
):
    @pytest.fixture
    def store(self, postgres_store: PostgresStore) -> PostgresStore:
        return postgres_store


class TestSealedConditions(ConditionsContract):
    @pytest.fixture
    async def store(self, memory_store: MemoryStore) -> AsyncGenerator[SealedStore]:
        async with SealedStore(memory_store, domain, MasterKeys(), lambda: None) as sealed:
            yield sealed


class TestSealedConditionsInPostgres(ConditionsContract):
    @pytest.fixture
    async def store(self, postgres_store: PostgresStore) -> AsyncGenerator[SealedStore]:
        async with SealedStore(postgres_store, domain, MasterKeys(), lambda: None) as sealed:
            yield sealed


class TestSealedProcesses(ProcessesContract, SetAsideContract, SchedulesContract):
    @pytest.fixture
    async def store(self, memory_store: MemoryStore) -> AsyncGenerator[SealedStore]:
        async with SealedStore(memory_store, domain, MasterKeys(), lambda: None) as sealed:
            yield sealed


class TestSealedProcessesInPostgres(ProcessesContract, SetAsideContract, SchedulesContract):
    @pytest.fixture
    async def store(self, postgres_store: PostgresStore) -> AsyncGenerator[SealedStore]:
        async with SealedStore(postgres_store, domain, MasterKeys(), lambda: None) as sealed:
            yield sealed
