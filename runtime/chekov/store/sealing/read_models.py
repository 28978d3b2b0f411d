"""The role `read_models` of a sealing store: appends in transactions are sealed as well."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from chekov.domain.connection import Connection
from chekov.store.port import (
    Appended,
    Expected,
    ExpectedVersion,
    NewEvent,
    NoneSince,
    ReadModels,
    StreamAppend,
)
from chekov.store.sealing.event_store import SealedEventStore, restored


class SealedReadModels:
    """Passes tables and transactions through, and seals what is appended.

    Args:
        read_models: of the store that holds what is sealed.
        events: seals the appends.
    """

    def __init__(self, read_models: ReadModels, events: SealedEventStore) -> None:
        self._read_models = read_models
        self._events = events
        self.generations = read_models.generations
        self.longest_idle = read_models.longest_idle
        self.serving = read_models.serving
        self.create_tables = read_models.create_tables
        self.schema_for = read_models.schema_for
        self.transaction = read_models.transaction
        self.read_connection = read_models.read_connection
        self.rejects_value = read_models.rejects_value

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
        """Append events, sealed, within the caller's transaction."""
        # The transaction may yet roll back, so the snapshots must not count these events as seen.
        [append], _ = await self._events.sealed([StreamAppend(stream, events, expected)])
        appended = await self._read_models.append_in_transaction(
            connection,
            stream,
            append.events,
            expected=expected,
            command_id=command_id,
            condition=await self._events.condition(condition),
            unchanged=unchanged,
        )
        return restored(events, appended)
