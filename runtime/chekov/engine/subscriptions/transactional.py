"""Projections: what the handler writes and the checkpoint commit in one database transaction."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Final

from chekov.domain.context import Context
from chekov.domain.handler import Transaction, TransactionEnded
from chekov.engine.subscriptions.checkpoint import Progress
from chekov.engine.subscriptions.deferred_writes import DeferredWrites
from chekov.engine.subscriptions.invocation import Invocation, context_of, failures, metadata_of
from chekov.errors import StoreError, StoreUnavailable
from chekov.store.port import ReadModels, RecordedEvent

_OF_CONTEXT: Final = tuple(field.name for field in fields(Context))


class Transactional(Invocation):
    """Handles a batch in one transaction, so the tables reflect each event exactly once."""

    kind = "projection"
    batch_size = 500

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
            transaction = Transaction(
                stream=recorded.stream,
                version=recorded.version,
                position=recorded.position,
                id=recorded.id,
                time=recorded.time,
                correlation_id=recorded.correlation_id,
                causation_id=recorded.causation_id,
                metadata=metadata_of(recorded),
                replaying=recorded.position <= checkpoint.replay_until,
                attempt=attempt,
                _writes=writes,
                _turn=writes.turn,
            )
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
            return context_of(recorded, attempt=attempt, replaying=replaying)

        for run in self.routes.runs(events, context):
            about = {name: getattr(run.context, name) for name in _OF_CONTEXT}
            await run.call(Transaction(**about, _writes=writes, _turn=writes.turn))
            await writes.end_turn()
        await writes.flush()

    @property
    def _models(self) -> ReadModels:
        models = self.store.read_models
        if models is None:
            raise StoreError(
                "projections keep their tables in Postgres, and the store in memory has none: give "
                f"Runtime a Postgres DSN to run {self.key.name}, or subscriptions=False"
            )
        return models
