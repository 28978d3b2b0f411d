"""Projections: what the handler writes and the checkpoint commit in one database transaction."""

from collections.abc import Sequence
from uuid import UUID

from chekov.domain.context import Context, Sender
from chekov.domain.handler import Transaction, TransactionEnded
from chekov.engine.subscriptions.batch_limit import BatchLimit
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
from chekov.engine.subscriptions.time_slice import clock
from chekov.errors import StoreError, StoreUnavailable
from chekov.store.port import CheckpointMove, ReadModels, RecordedEvent


class Transactional(Invocation):
    """Handles a batch in one transaction, so the tables reflect each event exactly once."""

    kind = "projection"
    batch_size = 500

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._limit = BatchLimit(self.batch_size)

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
        """Handle the events, or the first of them if they take long; or none of them."""
        events = events[: self._limit.events]
        done = len(events)
        models = self._models
        move = CheckpointMove(events[-1].position, unpark=checkpoint.unparks)
        writes: DeferredWrites | None = None
        with failures(len(events)):
            try:
                async with models.transaction(
                    checkpoint.claim, move, search_path=models.schema_for(self.key)
                ) as connection:
                    self._limit.begin()
                    writes = DeferredWrites(
                        connection, independent=self.definition.independent_writes
                    )
                    # What user code raises must not look like a failure of the database outside.
                    with failures(len(events), models.rejects_value):
                        try:
                            handle = self._in_batches if self.routes.takes_batches else self._handle
                            done = await handle(checkpoint, events, writes, attempt)
                        except BaseException:
                            await writes.close()
                            raise
                    move.position = events[done - 1].position
                    move.parked = checkpoint.blocked_until(move.position)
            except StoreUnavailable as error:
                self._limit.lost(len(events))
                # The handler is at fault if the database ended a transaction that did nothing.
                if writes is not None and writes.idle_seconds >= models.longest_idle:
                    raise TransactionEnded(
                        f"the handler did not use its transaction for {writes.idle_seconds:.0f} s, "
                        f"and after {models.longest_idle:g} s the database ended it: do what takes "
                        "long outside of a projection"
                    ) from error
                raise
        self._limit.committed(done)
        checkpoint.committed(move.position, building=move.building)
        return done

    async def _handle(
        self,
        checkpoint: Progress,
        events: Sequence[RecordedEvent],
        writes: DeferredWrites,
        attempt: int,
    ) -> int:
        """Return how many events were handled."""
        decode = self.routes.decode
        methods = self.routes.methods
        limit = self._limit
        done = 0
        for recorded in events:
            transaction = self._transaction(checkpoint, recorded, writes, attempt)
            method = methods.get(recorded.type)
            if method is None:
                await self.routes.invoke_upcast(recorded, transaction)
            else:
                await method(decode(recorded), transaction)
            if writes.end_turn():
                await writes.settle()
            done += 1
            if clock() >= limit.pause_at and await limit.reached():
                break
        await writes.flush()
        return done

    async def _in_batches(
        self,
        checkpoint: Progress,
        events: Sequence[RecordedEvent],
        writes: DeferredWrites,
        attempt: int,
    ) -> int:
        """Return how many events were handled."""

        def context(recorded: RecordedEvent) -> Context:
            replaying = recorded.position <= checkpoint.replay_until
            return context_of(recorded, self.sender, attempt=attempt, replaying=replaying)

        limit = self._limit
        done = len(events)
        for run in self.routes.runs(events, context):
            last = events[run.end - 1]
            await run.call(self._transaction(checkpoint, last, writes, attempt, run.context.id))
            if writes.end_turn():
                await writes.settle()
            # Of an event that upcasters split, the last part may be in the next run.
            whole = run.end <= run.passed
            if clock() >= limit.pause_at and await limit.reached() and whole:
                done = run.passed
                break
        await writes.flush()
        return done

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
