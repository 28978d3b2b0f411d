"""Event handlers: each event at least once, alone or in batches; the checkpoint follows."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from chekov.domain.context import Context
from chekov.engine.subscriptions.checkpoint import Progress
from chekov.engine.subscriptions.invocation import Invocation, Subject, context_of, failure_of
from chekov.engine.subscriptions.sender import RefusingSender
from chekov.store.port import RecordedEvent


class AtLeastOnce(Invocation):
    """Awaits the handler call by call; after a crash the last ones are repeated."""

    kind = "handler"
    batch_size = 100

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._batch_sender = RefusingSender(
            subject.domain,
            type(subject.handler).__qualname__,
            "the context of a batch cannot, since the events may be in other batches when they are "
            "delivered again; use that of one event: `delivered.context.dispatch(…)`",
        )

    async def invoke(
        self, checkpoint: Progress, events: Sequence[RecordedEvent], *, attempt: int
    ) -> int:
        """Handle events until the checkpoint has to be saved."""
        if self.routes.takes_batches:
            return await self._in_batches(checkpoint, events, attempt)
        done = 0
        task = asyncio.current_task()
        decode = self.routes.decode
        methods = self.routes.methods
        sender = self.sender
        replay_until = checkpoint.replay_until
        keys = self.keys
        try:
            for recorded in events:
                if keys is not None:
                    keys.check(recorded)
                replaying = recorded.position <= replay_until
                context = context_of(recorded, sender, attempt=attempt, replaying=replaying)
                method = methods.get(recorded.type)
                if method is None:
                    await self.routes.invoke_upcast(recorded, context)
                else:
                    await method(decode(recorded), context)
                done += 1
                if not checkpoint.advance(recorded.position):
                    break
        except BaseException as error:
            failed = failure_of(error, task, done=done)
            if failed is None:
                raise
            raise failed from error
        return done

    async def _in_batches(
        self, checkpoint: Progress, events: Sequence[RecordedEvent], attempt: int
    ) -> int:
        def context_for(recorded: RecordedEvent) -> Context:
            replaying = recorded.position <= checkpoint.replay_until
            return context_of(recorded, self.sender, attempt=attempt, replaying=replaying)

        task = asyncio.current_task()
        done = 0
        for run in self.routes.runs(events, context_for):
            context = run.context
            if run.together:
                context = replace(context, _sender=self._batch_sender)
            try:
                if self.keys is not None:
                    for recorded in events[run.first : run.end]:
                        self.keys.check(recorded)
                await run.call(context)
            except BaseException as error:
                together = run.end - run.first
                failed = failure_of(error, task, done=run.first, together=together)
                if failed is None:
                    raise
                raise failed from error
            if run.passed > done:
                done = run.passed
                if not checkpoint.advance(events[done - 1].position):
                    return done
        return len(events)
