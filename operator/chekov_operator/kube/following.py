"""Following the changes of a collection, over one stream after the other."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from http import HTTPStatus
from typing import Final

from chekov.backoff import Backoff
from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.objects import Object, nested

_FIRST_RETRY_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 60.0
_BETWEEN_STREAMS_SECONDS: Final = 0.2
_BOOKMARK: Final = "BOOKMARK"

_log = logging.getLogger(__name__)


async def follow(
    begin: Callable[[], Awaitable[str]],
    changes: Callable[[str], AsyncGenerator[tuple[str, Object]]],
    deliver: Callable[[str, Object], None],
    end: Callable[[], None] = lambda: None,
    *,
    what: str,
    longest_pause: float = _LONGEST_RETRY_SECONDS,
) -> None:
    """Deliver changes, until cancelled.

    Args:
        begin: takes in what there is; returns the version that changes are to follow.
        changes: a stream of them, which ends from time to time.
        deliver: takes in one, with `ADDED`, `MODIFIED` or `DELETED`.
        end: called when changes are no longer followed, until `begin` is called again.
        what: names the collection in the log.
        longest_pause: seconds between two tries.
    """
    backoff = Backoff(min(_FIRST_RETRY_SECONDS, longest_pause), longest_pause)
    reported = ""
    while True:
        begun = time.monotonic()
        try:
            version = await begin()
            reported = ""
            await _deliver(changes, deliver, version)
        except (ApiError, ApiUnavailable) as error:
            # A namespace that is gone would be reported again and again.
            if getattr(error, "status", None) != HTTPStatus.GONE and str(error) != reported:
                reported = str(error)
                _log.warning(
                    "changes are not followed", extra={"resource": what, "error": reported}
                )
        end()
        if time.monotonic() - begun > longest_pause:
            backoff.reset()
        await backoff.wait()


async def _deliver(
    changes: Callable[[str], AsyncGenerator[tuple[str, Object]]],
    deliver: Callable[[str, Object], None],
    version: str,
) -> None:
    while True:
        # A server that ends streams at once should not be asked without a pause.
        await asyncio.sleep(_BETWEEN_STREAMS_SECONDS)
        async for change, body in changes(version):
            version = str(nested(body, "metadata", "resourceVersion") or version)
            if change != _BOOKMARK:
                deliver(change, body)
