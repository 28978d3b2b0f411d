"""Projections: what the handler writes and the checkpoint commit in one database transaction."""

from collections.abc import Sequence
from uuid import UUID

from chekov.domain.context import Context, Sender
from chekov.domain.handler import Transaction, TransactionEnded
from chekov.engine.subscriptions.checkpoint import Progress
from chekov.engine.subscriptions.deferred_writes import DeferredWrites
from chekov.engine.subscriptions.invocation import (
    Invocation,
    Subject,
    context_of,
    draft_of,
    failures,
)
from chekov.engine.subscriptions.sender import RefusingSender
from chekov.errors import StoreError, StoreUnavailable
from chekov.store.port import ReadModels, RecordedEvent


class Transactional(Invocation):
    """Handles a batch in one transaction, so the tables reflect each event exactly once."""

    kind = "projection"
    batch_size = 500

    def _sender(self, subject: Subject) -> Sender:
        return RefusingSender(
            subject.domain,
            type(subject.handler).__qualname__,
            "a projection only writes its tables, in a transaction that may be rolled back and is "
            "repeated for every rebuild; dispatch in an EventHandler or a ProcessManager",
        )

    async def prepare(self, *, registered: bool = False) -> None:
        """Create the tables of the projection's first generation, unless it has one.

        Raises:
            StoreError: the store has no tables.
            DefinitionError: the database refuses the SQL, it has changed, or the log does not reach
                to where the projection is to start.
        """
        generations = self._models.generations
        start = await self._start(registered=registered)
        await generations.begin(self.key, self.definition.tables, start=start)

    async def invoke(
        self, checkpoint: Progress, events: Sequence[RecordedEvent], *, attempt: int
    ) -> int:
        """Handle all events, or none of them."""
        last = events[-1].position
        models = self._models
        writes: DeferredWrites | None = None
        with failures(len(events)):
            try:
                async with models.transaction(
                    checkpoint.claim,
                    last,
                    search_path=models.schema_for(self.key),
                    parked=checkpoint.blocked_until(last),
                    unpark=checkpoint.unparks,
                ) as connection:
                    writes = DeferredWrites(
                        connection, independent=self.definition.independent_writes
                    )
                    # What user code raises must not look like a failure of the database outside.
                    with failures(len(events), models.rejects_value):
                        try:
                            handle = self._in_batches if self.routes.takes_batches else self._handle
                            await handle(checkpoint, events, writes, attempt)
                        except BaseException:
                            await writes.close()
                            raise
            except StoreUnavailable as error:
                # The handler is at fault if the database ended a transaction that did nothing.
                if writes is not None and writes.idle_seconds >= models.longest_idle:
                    raise TransactionEnded(
                        f"the handler did not use its transaction for {writes.idle_seconds:.0f} s, "
                        f"and after {models.longest_idle:g} s the database ended it: do what takes "
                        "long outside of a projection"
                    ) from error
                raise
        checkpoint.committed(last)
        return len(events)

    async def _handle(
        self,
        checkpoint: Progress,
        events: Sequence[RecordedEvent],
        writes: DeferredWrites,
        attempt: int,
    ) -> None:
        decode = self.routes.decode
        methods = self.routes.methods
        for recorded in events:
            transaction = self._transaction(checkpoint, recorded, writes, attempt)
            method = methods.get(recorded.type)
            if method is None:
                await self.routes.invoke_upcast(recorded, transaction)
            else:
                await method(decode(recorded), transaction)
            await writes.end_turn()
        await writes.flush()

    async def _in_batches(
        self,
        checkpoint: Progress,
        events: Sequence[RecordedEvent],
        writes: DeferredWrites,
        attempt: int,
    ) -> None:
        def context(recorded: RecordedEvent) -> Context:
            replaying = recorded.position <= checkpoint.replay_until
            return context_of(recorded, self.sender, attempt=attempt, replaying=replaying)

        for run in self.routes.runs(events, context):
            last = events[run.end - 1]
            await run.call(self._transaction(checkpoint, last, writes, attempt, run.context.id))
            await writes.end_turn()
        await writes.flush()

    def _transaction(
        self,
        checkpoint: Progress,
        recorded: RecordedEvent,
        writes: DeferredWrites,
        attempt: int,
        event_id: UUID | None = None,
    ) -> Transaction:
        replaying = recorded.position <= checkpoint.replay_until
        made = draft_of(recorded, self.sender, attempt=attempt, replaying=replaying)
        if event_id is not None:  # of a part of an event that an upcaster split
            made.id = event_id
        made._writes = writes  # noqa: SLF001 a draft is filled from outside
        made._turn = writes.turn  # noqa: SLF001
        made.__class__ = Transaction
        return made

    @property
    def _models(self) -> ReadModels:
        models = self.store.read_models
        if models is None:
            raise StoreError(
                "projections keep their tables in Postgres, and the store in memory has none: give "
                f"Runtime a Postgres DSN to run {self.key.name}, or subscriptions=False"
            )
        return models
