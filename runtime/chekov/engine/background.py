"""The background tasks of a process: how they end."""

import asyncio
import logging

_log = logging.getLogger(__name__)


def report_failure(task: asyncio.Task[None]) -> None:
    """Log which task failed, since its error ends the process."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a background task failed", extra={"task": task.get_name()}, exc_info=error)


async def cancelled(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks, and return once they have ended."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
