"""Middleware that comes with Chekov: hooks around commands, their log, a limit on their rate."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from math import ceil, inf
from time import monotonic
from typing import Any, ClassVar, Final

from chekov.domain.definitions import definition_of
from chekov.domain.envelope import CommandEnvelope
from chekov.domain.middleware import Next
from chekov.errors import InvalidArgument, RateLimited, Rejected

_MOST_SENDERS: Final = 100_000


class CommandHooks:
    """Middleware of which a subclass overrides what it needs.

    To halt a command, `before` raises: `Rejected`, or what else the sender is to see.
    """

    async def before(self, envelope: CommandEnvelope[Any]) -> CommandEnvelope[Any]:
        """Return the envelope to go on with, which is the same by default."""
        return envelope

    async def after(self, envelope: CommandEnvelope[Any], dispatched: Any) -> None:
        """See what a command stored, a `Dispatched`. What this raises is the answer instead."""

    async def failed(self, envelope: CommandEnvelope[Any], error: Exception) -> None:
        """See why a command failed or was refused, before its sender gets the error."""

    async def __call__(self, envelope: CommandEnvelope[Any], proceed: Next, /) -> Any:
        """Call the hooks around the rest of the pipeline."""
        envelope = await self.before(envelope)
        try:
            dispatched = await proceed(envelope)
        except Exception as error:
            await self.failed(envelope, error)
            raise
        await self.after(envelope, dispatched)
        return dispatched


class CommandLog(CommandHooks):
    """Middleware that logs how each command ended: not what is in it, which may be personal.

    Args:
        log: where to; the logger `chekov.commands` by default.
    """

    default: ClassVar = logging.getLogger("chekov.commands")

    def __init__(self, log: logging.Logger | None = None) -> None:
        self._log = log or self.default

    async def after(self, envelope: CommandEnvelope[Any], dispatched: Any) -> None:
        """Log what was stored."""
        details = {"stream": dispatched.stream, "version": dispatched.version}
        self._log.info("a command was executed", extra={**_extra(envelope), **details})

    async def failed(self, envelope: CommandEnvelope[Any], error: Exception) -> None:
        """Log why nothing is known to be stored."""
        details = {"error": type(error).__qualname__, "reason": str(error)}
        level = logging.INFO if isinstance(error, Rejected) else logging.WARNING
        self._log.log(level, "a command failed", extra={**_extra(envelope), **details})


class RateLimit:
    """Middleware that refuses commands of a sender who sends too many, in this process.

    A sender may send `burst` at once, and gets `per_second` further ones each second. Commands of
    the program itself, without a principal, are not limited.

    Args:
        per_second: how many commands a sender may send in a second, on average.
        burst: how many at once; as many as in a second by default, at least one.
        by: the key that a sender is counted under; `None` is not limited. The principal's subject
            by default, so that all who were not authenticated share one limit.

    Raises:
        InvalidArgument: a limit is not a number, or too small for any command.
    """

    def __init__(
        self,
        per_second: float,
        *,
        burst: int | None = None,
        by: Callable[[CommandEnvelope[Any]], Hashable | None] | None = None,
    ) -> None:
        if not 0 < per_second < inf:
            raise InvalidArgument(f"per_second={per_second!r}: expected a number greater than 0")
        self._burst = max(1, ceil(per_second)) if burst is None else burst
        if self._burst < 1:
            raise InvalidArgument(f"burst={burst!r}: expected 1 or more")
        self._per_second = per_second
        self._by = by or _subject
        self._full: OrderedDict[Hashable, float] = OrderedDict()
        """Sender → when all of its burst is free again, in the seconds of `time.monotonic`."""

    async def __call__(self, envelope: CommandEnvelope[Any], proceed: Next, /) -> Any:
        """Go on with the command, or refuse it with `RateLimited`."""
        sender = self._by(envelope)
        if sender is not None:
            self._take(sender)
        return await proceed(envelope)

    def _take(self, sender: Hashable) -> None:
        now = monotonic()
        full = max(self._full.get(sender, now), now) + 1 / self._per_second
        wait = full - now - self._burst / self._per_second
        # Of rounding, a burst may seem to be a tiny bit more than it is.
        if wait > 1e-9:
            raise RateLimited(str(sender), wait)
        self._full[sender] = full
        self._full.move_to_end(sender)
        if len(self._full) > _MOST_SENDERS:
            self._full.popitem(last=False)


def _subject(envelope: CommandEnvelope[Any]) -> str | None:
    return None if envelope.principal is None else envelope.principal.subject


def _extra(envelope: CommandEnvelope[Any]) -> dict[str, Any]:
    return {
        "command": definition_of(type(envelope.command)).name,
        "command_id": str(envelope.command_id),
        "correlation_id": str(envelope.correlation_id),
        "principal": _subject(envelope),
    }
