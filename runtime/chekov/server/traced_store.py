"""The store in Postgres with a span around each append."""

from collections.abc import Sequence
from uuid import UUID

from chekov.server.tracing import Tracing
from chekov.store.port import Appended, Expected, ExpectedVersion, NewEvent
from chekov.store.postgres import PostgresStore


def traced(tracing: Tracing) -> type[PostgresStore]:
    """A store that tells how long appends wait and commit, within their commands' spans."""

    class TracedStore(PostgresStore):
        """A store in Postgres whose appends are traced."""

        async def append(
            self,
            stream: str,
            events: Sequence[NewEvent],
            *,
            expected: ExpectedVersion = Expected.ANY,
            command_id: UUID | None = None,
        ) -> Appended:
            with tracing.append(stream, len(events)):
                return await super().append(
                    stream, events, expected=expected, command_id=command_id
                )

    return TracedStore
