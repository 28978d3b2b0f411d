"""The role of a store that keeps the tables of projections; only a database has it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chekov.domain.connection import Connection
from chekov.errors import StoreError
from chekov.store.port.conditions import NoneSince
from chekov.store.port.event_store import Appended, Expected, ExpectedVersion, NewEvent
from chekov.store.port.generations import Generations
from chekov.store.port.parking import ParkingEntry
from chekov.store.port.subscription_key import SubscriptionKey
from chekov.store.port.subscriptions import Claim


class RejectedValue(StoreError):
    """The database does not take a value that a query was given."""


class QueriesOverloaded(StoreError):
    """All database connections for queries are in use, by slow queries or by many. Ask again later.

    Attributes:
        waited: seconds.
    """

    def __init__(self, waited: float) -> None:
        self.waited = waited
        super().__init__(
            f"no database connection for queries was free within {waited:g} s: others are slow, or "
            "too many; ask again later, or raise CHEKOV_POOL_SIZE"
        )


class QueryTimeout(StoreError, TimeoutError):
    """A statement of a query took too long and was cancelled.

    Attributes:
        seconds: that it may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"a statement of the query took longer than {seconds:g} s and was cancelled: give it "
            "an index, ask for less, or raise CHEKOV_QUERY_TIMEOUT"
        )


@dataclass(slots=True)
class CheckpointMove:
    """What a transaction does to the checkpoint as it commits, as it stands then.

    Attributes:
        position: where to.
        parked: events that are set aside as it commits.
        unpark: instead of moving the checkpoint, remove the parked event at `position`.
        building: whether the generation is still being built after that; known once it is done.
    """

    position: int
    parked: Sequence[ParkingEntry] = ()
    unpark: bool = False
    building: bool = False


class ReadModels(Protocol):
    """Gives projections their tables, and transactions that commit with their checkpoints."""

    @property
    def longest_idle(self) -> float:
        """Seconds after which the database ends a transaction in which nothing is executed."""
        ...

    @property
    def generations(self) -> Generations:
        """The builds of the tables."""
        ...

    def serving(self, key: SubscriptionKey) -> AbstractAsyncContextManager[Connection]:
        """A connection in a read-only transaction, whose names resolve in the serving generation.

        The number of the generation in `key` is not used.

        Raises:
            ProjectionBuilding: none of this version serves yet.
            QueriesOverloaded: no connection for queries is free.
            QueryTimeout: a statement in the block took too long.
            RejectedValue: a statement in the block was given a value that its type cannot hold.
        """
        ...

    async def create_tables(self, schema_name: str, tables: str) -> None:
        """Create a database schema and run the SQL `tables` in it, once; later calls do nothing.

        Raises:
            DefinitionError: the database refuses the SQL, or it differs from what was run before.
        """
        ...

    def schema_for(self, key: SubscriptionKey) -> str:
        """The name of the database schema that holds a projection's tables."""
        ...

    def transaction(
        self,
        claim: Claim,
        move: CheckpointMove,
        *,
        search_path: str | None = None,
    ) -> AbstractAsyncContextManager[Connection]:
        """A database transaction that moves the checkpoint as it commits.

        Args:
            claim: under which the checkpoint moves.
            move: where to; it is looked at last, so it may be changed in the block.
            search_path: names a database schema that unqualified names resolve to first.

        Raises:
            Fenced: the claim is stale, the checkpoint is there already, or somebody discarded the
                parked event; everything written is rolled back.
            StoreUnavailable: the connection was lost; claim again to learn the checkpoint.
        """
        ...

    def rejects_value(self, error: BaseException) -> bool:
        """Whether the database refused a value that no column of its type holds.

        Trying the same statement again cannot change that.
        """
        ...

    def read_connection(
        self, *, search_path: str | None = None
    ) -> AbstractAsyncContextManager[Connection]:
        """A connection in a read-only transaction, for queries.

        Raises:
            QueriesOverloaded: no connection for queries is free.
            QueryTimeout: a statement in the block took too long.
            RejectedValue: a statement in the block was given a value that its type cannot hold.
        """
        ...

    async def append_in_transaction(
        self,
        connection: Connection,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> Appended:
        """Append within the caller's transaction: the events commit with what else it writes.

        All other appends to the store wait until that transaction ends. Its isolation level must be
        `read committed`, the default. After a refusal the transaction remains usable.

        Args:
            connection: inside a transaction, to the store's database: one of `transaction`, or a
                connection of asyncpg.
            stream: as in `EventStore.append`, which raises the same errors.
            events: as in `EventStore.append`.
            expected: as in `EventStore.append`.
            command_id: as in `EventStore.append`.
            condition: as in `EventStore.append`.
            unchanged: as in `EventStore.append`.

        Raises:
            StoreError: as `EventStore.append`, or the isolation level is another one.
            StoreUnavailable: other writers kept winning the race; the transaction is usable.
            asyncpg.PostgresError: the connection failed, or the database refuses the statement; the
                transaction is over.
            asyncpg.InterfaceError: the connection is closed, or busy with another statement.
        """
        ...
