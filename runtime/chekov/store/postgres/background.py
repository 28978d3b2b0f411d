"""What runs in the background while a store is open: group commit and the listener."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from chekov.errors import StoreClosed
from chekov.store.changes import Changes
from chekov.store.port import CommitReport
from chekov.store.postgres.append.committer import Committer
from chekov.store.postgres.listener import Listener
from chekov.store.postgres.log_watch import LogWatch
from chekov.store.postgres.polling_listener import PollingListener
from chekov.store.postgres.pool import opened
from chekov.store.postgres.schema import Schema
from chekov.store.tail import Tail
from chekov.store.troubles import Troubles
from chekov.store.validation import HIGHEST


class BackgroundTasks:
    """The committer and the listener of an open store.

    Args:
        schema: of the store.
        changes: are counted here.
        tail: is given what is appended, and learns of what is heard.
        troubles: what keeps them from their work is noted here.
    """

    def __init__(self, schema: Schema, changes: Changes, tail: Tail, troubles: Troubles) -> None:
        self._schema = schema
        self._changes = changes
        self._tail = tail
        self._troubles = troubles
        self._reports: list[CommitReport] = []
        self._committer: Committer | None = None
        self._listener: Listener | None = None
        self._group: asyncio.TaskGroup | None = None

    @property
    def committer(self) -> Committer:
        """Sends appends.

        Raises:
            StoreClosed: the store is not open.
        """
        return opened(self._committer)

    @property
    def listener(self) -> Listener:
        """Hears of what other processes change.

        Raises:
            StoreClosed: the store is not open.
        """
        return opened(self._listener)

    def check_open(self) -> None:
        """Raise unless the store is open.

        Raises:
            StoreClosed: it is not.
        """
        opened(self._committer)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that is finished before the store is closed.

        Raises:
            StoreClosed: the store is not open.
        """
        try:
            group = opened(self._group)
        except StoreClosed:
            work.close()
            raise
        group.create_task(work)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run both; at the end, appends under way are finished first."""
        schema = self._schema
        pooled = schema.pool.options.pooled
        kind = PollingListener if pooled else Listener
        log = LogWatch(self._tail, self._restored)
        listener = kind(schema, self._changes, self._tail, log, self._troubles)
        committer = Committer(
            schema,
            committed=listener.committed,
            others=self._tail.learn,
            drops=self._tail.drops,
            followed=lambda: None if pooled or listener.alone() else self._tail.followed,
            newest=lambda: HIGHEST if pooled else self._tail.head.value,
            alone=listener.alone,
            on_batch=self._report,
            troubles=self._troubles,
        )
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(listener.run())
            committing = group.create_task(committer.run())
            self._committer, self._listener, self._group = committer, listener, group
            try:
                yield
            finally:
                self._committer = self._listener = self._group = None
                committer.close()
                self._changes.wake_all()
                try:
                    await asyncio.wait([committing])
                finally:
                    committing.cancel()
                    listening.cancel()

    @contextmanager
    def reporting_commits(self, report: CommitReport) -> Generator[None]:
        """See `Store.reporting_commits`."""
        self._reports.append(report)
        try:
            yield
        finally:
            self._reports.remove(report)

    def _restored(self, head: int) -> None:
        """Forget what was known of a log that was restored to an earlier state."""
        self.committer.forget()
        self._tail.reset(head)
        self._changes.subscriptions.bump()

    def _report(self, appends: int, events: int, seconds: float) -> None:
        for report in self._reports:
            report(appends, events, seconds)
