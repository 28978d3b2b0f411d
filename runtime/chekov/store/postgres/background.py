"""What runs in the background while a store is open: group commit and the listener."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from chekov.store.postgres.append.batch_sender import OnBatch
from chekov.store.postgres.append.committer import Committer
from chekov.store.postgres.listener import Listener
from chekov.store.postgres.polling_listener import PollingListener
from chekov.store.postgres.pool import opened
from chekov.store.postgres.schema import Schema


class BackgroundTasks:
    """The committer and the listener of an open store.

    Args:
        schema: of the store.
        on_batch: see `PostgresStore`.
    """

    def __init__(self, schema: Schema, on_batch: OnBatch | None) -> None:
        self._schema = schema
        self._on_batch = on_batch
        self._committer: Committer | None = None
        self._listener: Listener | None = None

    @property
    def committer(self) -> Committer:
        """Sends appends.

        Raises:
            StoreClosed: the store is not open.
        """
        return opened(self._committer)

    @property
    def listener(self) -> Listener:
        """Hears of new events, free subscriptions and deleted keys.

        Raises:
            StoreClosed: the store is not open.
        """
        return opened(self._listener)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run both; at the end, appends under way are finished first."""
        schema = self._schema
        options = schema.pool.options
        kind = PollingListener if options.pooled else Listener
        listener = kind(options, schema.name, schema.statements("events"))
        committer = Committer(
            schema,
            committed=listener.committed,
            alone=listener.alone,
            on_batch=self._on_batch,
        )
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(listener.run())
            committing = group.create_task(committer.run())
            self._committer, self._listener = committer, listener
            try:
                yield
            finally:
                self._committer = self._listener = None
                committer.close()
                listener.close()
                try:
                    await asyncio.wait([committing])
                finally:
                    committing.cancel()
                    listening.cancel()
