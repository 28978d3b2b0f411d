"""Whether a failing event is retried, and what happens to it in the end."""

import logging
from typing import Any, Final

from chekov.domain.failure import DECISIONS, Again, Decision, OnFailure, Retry, Stop
from chekov.engine.subscriptions.invocation import DeliveryFailed, Invocation
from chekov.errors import Undecodable
from chekov.store.port import RecordedEvent

_MOST_DOUBLINGS: Final = 40

_log: Final = logging.getLogger(__name__)


class RetryPolicy:
    """Decides for one handler.

    Args:
        invocation: of the handler, which may decide itself.
        retry: how often it tries, if the handler does not say.
        on_failure: what happens then.
    """

    def __init__(self, invocation: Invocation, retry: Retry, on_failure: OnFailure) -> None:
        self._invocation = invocation
        self._retry = retry
        self._final = DECISIONS[on_failure]

    def begin(self, event: RecordedEvent, *, replaying: bool, attempt: int = 1) -> "Retries":
        """Begin to decide about an event whose attempt number `attempt` was made or is next."""
        return Retries(
            self._invocation, self._retry, self._final, event, replaying=replaying, attempt=attempt
        )


class Retries:
    """Decides about one event.

    Attributes:
        attempt: the number of the last attempt, or of the next one.
        position: of the event.
        stops: whether the subscription stops at the event if it keeps failing.
    """

    def __init__(
        self,
        invocation: Invocation,
        retry: Retry,
        final: Decision,
        event: RecordedEvent,
        *,
        replaying: bool,
        attempt: int,
    ) -> None:
        self.position = event.position
        self.stops = isinstance(final, Stop)
        self._invocation = invocation
        self._retry = retry
        self._final = final
        self._event = event
        self._replaying = replaying
        self._backoff = retry.backoff()
        self.attempt = attempt
        for _ in range(1, min(attempt, _MOST_DOUBLINGS)):
            self._backoff.next()

    def after(self, failed: DeliveryFailed) -> Decision:
        """Decide what follows an attempt that failed; `Again` begins the next one."""
        if failed.excused:
            return Again(self._backoff.next())
        decision = self._asked(failed) or self._by_default(failed)
        if isinstance(decision, Again):
            self.attempt += 1
        return decision

    def _by_default(self, failed: DeliveryFailed) -> Decision:
        if failed.hopeless or self.attempt >= self._retry.attempts:
            return self._final
        return Again(self._backoff.next())

    def _asked(self, failed: DeliveryFailed) -> Decision | None:
        """What the handler says; `None` when it does not, or cannot since it fails itself."""
        if not self._invocation.decides:
            return None
        error = failed.error
        if not isinstance(error, Exception) or isinstance(error, Undecodable):
            return None
        about = {"subscription": self._invocation.key.name, "type": self._event.type}
        try:
            decision: Any = self._invocation.on_error(
                error, self._event, attempt=self.attempt, replaying=self._replaying
            )
        except Exception:  # noqa: BLE001 whatever user code raises
            _log.exception("on_error failed itself, so the class keywords decide", extra=about)
            return None
        if decision is None or isinstance(decision, Decision):
            return decision
        _log.error(
            "on_error returned neither a decision nor None, so the class keywords decide",
            extra={**about, "returned": repr(decision)},
        )
        return None
