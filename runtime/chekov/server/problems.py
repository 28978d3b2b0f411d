"""The problem table: which error becomes which RFC 9457 problem, with its stable type."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final, Literal, NamedTuple

from chekov import errors
from chekov.engine.subscriptions.abandoned import SubscriptionInUse
from chekov.errors.rejection import fields_of
from chekov.serialization.json import plain_values, to_json
from chekov.store.port import (
    GenerationRefused,
    ProjectionBuilding,
    QueriesOverloaded,
    QueryTimeout,
    RewindRefused,
)

CONTENT_TYPE: Final = "application/problem+json"
FIRST_SERVER_ERROR: Final = 500


class Kind(NamedTuple):
    """A kind of problem, with the `type`, `title` and `status` of its documents."""

    slug: str
    status: int
    title: str

    @property
    def type(self) -> str:
        """The stable URI of this kind."""
        return f"urn:chekov:problem:{self.slug}"


MALFORMED: Final = Kind("malformed-request", 400, "The request is malformed")
INVALID_COMMAND: Final = Kind("invalid-command", 400, "The command does not fit its type")
UNAUTHORIZED: Final = Kind("unauthorized", 401, "A token is required")
FORBIDDEN: Final = Kind("forbidden", 403, "The principal may not do this")
NOT_FOUND: Final = Kind("not-found", 404, "Nothing was found at this address")
UNKNOWN_COMMAND: Final = Kind("unknown-command", 404, "The domain has no such command")
UNKNOWN_SUBSCRIPTION: Final = Kind(
    "unknown-subscription", 404, "The domain has no such subscription"
)
STREAM_NOT_FOUND: Final = Kind("stream-not-found", 404, "The stream does not exist")
METHOD_NOT_ALLOWED: Final = Kind("method-not-allowed", 405, "The method is not allowed here")
REQUEST_TIMEOUT: Final = Kind("request-timeout", 408, "The request did not arrive in time")
UNUSABLE_STATE: Final = Kind("unusable-state", 406, "The state has no JSON form")
VERSION_CONFLICT: Final = Kind("version-conflict", 409, "The stream is at another version")
BEYOND_THE_LOG: Final = Kind("beyond-the-log", 409, "The log ends before this position")
TOO_MANY_CONFLICTS: Final = Kind("too-many-conflicts", 409, "Others kept changing the stream")
TOO_MANY_RECURRING: Final = Kind(
    "too-many-recurring", 409, "The domain has as many recurring commands as it may have"
)
DUPLICATE_EVENT: Final = Kind("duplicate-event", 409, "An event with this id is already stored")
DUPLICATE_COMMAND: Final = Kind("duplicate-command", 409, "The command was executed before")
HISTORY_TRUNCATED: Final = Kind("history-truncated", 410, "The required events were truncated")
STREAM_DELETED: Final = Kind("stream-deleted", 410, "The stream was deleted")
TOO_LARGE: Final = Kind("content-too-large", 413, "The content is too large")
UNSUPPORTED: Final = Kind("unsupported-media-type", 415, "The content type is not supported")
REJECTED: Final = Kind("rejected", 422, "The domain rejected the command")
COMMAND_ID_REUSED: Final = Kind("command-id-reused", 422, "The id belongs to another command")
NOT_STORABLE: Final = Kind("not-storable", 422, "The resulting events cannot be stored")
OVERLOADED: Final = Kind("overloaded", 429, "Too many commands are in flight")
RATE_LIMITED: Final = Kind("rate-limited", 429, "The principal sends too many commands")
INTERNAL: Final = Kind("internal-error", 500, "The service failed")
UNDECODABLE: Final = Kind("undecodable-event", 500, "A stored event cannot be decoded")
DRAINING: Final = Kind("draining", 503, "This process is shutting down")
NEWER_REVISION: Final = Kind("newer-revision", 503, "Newer code stored an event of this instance")
AUTHENTICATION_UNAVAILABLE: Final = Kind(
    "authentication-unavailable", 503, "Tokens cannot be verified now"
)
NOT_READY: Final = Kind("not-ready", 503, "This process is not ready")
UNAVAILABLE: Final = Kind("store-unavailable", 503, "The event store is unavailable")
PROJECTION_BUILDING: Final = Kind(
    "projection-building", 503, "The tables of the projection are being built"
)
PROJECTION_BEHIND: Final = Kind(
    "projection-behind", 503, "The projection has not reached the position"
)
QUERIES_OVERLOADED: Final = Kind(
    "queries-overloaded", 503, "All database connections for queries are in use"
)
TAG_INDEX_INCOMPLETE: Final = Kind(
    "tag-index-incomplete", 503, "Not every event that the decision depends on is found yet"
)
TOO_MANY_CONNECTIONS: Final = Kind("too-many-connections", 503, "Too many connections are open")
TOO_MANY_EVENT_STREAMS: Final = Kind(
    "too-many-event-streams", 503, "Too many clients follow events at this process"
)
QUERY_TIMED_OUT: Final = Kind("query-timed-out", 504, "The query took too long")
GENERATION_REFUSED: Final = Kind(
    "generation-refused", 409, "The generations of the projection do not allow this"
)
REWIND_REFUSED: Final = Kind("rewind-refused", 409, "The subscription cannot begin again")
SUBSCRIPTION_IN_USE: Final = Kind(
    "subscription-in-use", 409, "Processes run the handler of the subscription"
)
TIMED_OUT: Final = Kind("timed-out", 504, "The command did not finish in time")

KINDS: Final = tuple(item for item in list(globals().values()) if isinstance(item, Kind))

_SOON: Final = {"Retry-After": "1"}
_LATER: Final = {"Retry-After": "5"}
_LONGEST_WAIT: Final = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, as the client sees it."""

    kind: Kind
    detail: str
    members: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further members of the document."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def document(self, **further: str) -> bytes:
        """The JSON document."""
        known = {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
        }
        try:
            return to_json({**known, **self.members, **further})
        except (TypeError, ValueError, RecursionError):
            return to_json({**known, **plain_values(self.members), **further})


class RequestError(Exception):
    """The request itself is wrong; carries the problem to respond with."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.problem = Problem(kind, detail, members or {}, headers or {})
        super().__init__(detail)


def malformed(
    place: Literal["header", "path"], name: str, fault: str, value: str | None = None
) -> RequestError:
    """The error of a header, or of a parameter or field (`path`), that cannot be used."""
    given = "" if value is None else f", got {value[:100]!r}"
    return RequestError(MALFORMED, f"{name}: {fault}{given}", {place: name})


def problem_of(error: BaseException) -> Problem:
    """The problem that an error becomes; an unknown error reveals no details."""
    for kind in type(error).__mro__:
        if kind in _TABLE:
            return _TABLE[kind](error)
    return Problem(INTERNAL, "The service failed on this request; its log has the details.")


def log_failure(
    log: logging.Logger, message: str, problem: Problem, error: BaseException, **extra: object
) -> None:
    """Log why a problem is the service's own fault; a client is not shown the reason."""
    if problem.kind in (INTERNAL, UNDECODABLE):
        log.error(message, extra={**extra, **problem.members}, exc_info=error)


def _rejected(error: Any) -> Problem:
    members = {"rejection": error.__chekov__.code, **plain_values(fields_of(error))}
    return Problem(REJECTED, str(error), members)


def _conflict(error: Any) -> Problem:
    members = {"stream": error.stream, "expected": error.expected, "actual": error.actual}
    return Problem(VERSION_CONFLICT, str(error), members)


def _too_many_conflicts(error: Any) -> Problem:
    members = {"stream": error.stream, "attempts": error.attempts, "stored": False}
    return Problem(TOO_MANY_CONFLICTS, str(error), members, _SOON)


def _tag_index_incomplete(error: Any) -> Problem:
    members = {"event_type": error.event, "tag": error.kind, "stored": False}
    return Problem(TAG_INDEX_INCOMPLETE, str(error), members, _LATER)


def _undecodable(error: Any) -> Problem:
    return Problem(
        UNDECODABLE,
        f"{error.type} at {error.stream} version {error.version} cannot be decoded.",
        {"event_type": error.type, "stream": error.stream, "version": error.version},
    )


def _newer(error: Any) -> Problem:
    members = {**_undecodable(error).members, "stored": False}
    return Problem(NEWER_REVISION, str(error), members, _SOON)


def _unavailable(error: Any) -> Problem:
    members = {"stored": getattr(error, "stored", False)}
    return Problem(UNAVAILABLE, "The event store does not answer.", members, _SOON)


def _rate_limited(error: Any) -> Problem:
    return Problem(RATE_LIMITED, str(error), {}, {"Retry-After": str(max(1, ceil(error.seconds)))})


def _building(error: Any) -> Problem:
    generation = error.generation
    if generation is None:
        return Problem(PROJECTION_BUILDING, str(error), {"ratio": 0.0}, _SOON)
    left = generation.seconds_left
    members = {"ratio": round(generation.ratio, 4), "seconds_left": left and round(left, 1)}
    wait = str(min(max(round(left or 1), 1), _LONGEST_WAIT))
    return Problem(PROJECTION_BUILDING, str(error), members, {"Retry-After": wait})


_TABLE: Final[Mapping[type, Callable[[Any], Problem]]] = {
    RequestError: lambda error: error.problem,
    errors.UnknownCommand: lambda error: Problem(
        UNKNOWN_COMMAND, str(error), {"command": error.command}
    ),
    errors.UnknownSubscription: lambda error: Problem(
        UNKNOWN_SUBSCRIPTION, str(error), {"subscription": error.name}
    ),
    errors.InvalidCommand: lambda error: Problem(
        INVALID_COMMAND, str(error), {"path": error.path} if error.path else {}
    ),
    errors.Rejected: _rejected,
    errors.Forbidden: lambda error: Problem(FORBIDDEN, str(error)),
    errors.CommandTimeout: lambda error: Problem(TIMED_OUT, str(error), {"stored": error.stored}),
    errors.Overloaded: lambda error: Problem(OVERLOADED, str(error), {}, _SOON),
    errors.RateLimited: _rate_limited,
    errors.Draining: lambda error: Problem(DRAINING, str(error), {"stored": False}, _SOON),
    errors.TagIndexIncomplete: _tag_index_incomplete,
    errors.WrongExpectedVersion: _conflict,
    errors.TooManyConflicts: _too_many_conflicts,
    errors.TooManyRecurring: lambda error: Problem(
        TOO_MANY_RECURRING, str(error), {"most": error.most}
    ),
    errors.StreamNotFound: lambda error: Problem(
        STREAM_NOT_FOUND, str(error), {"stream": error.stream}
    ),
    errors.StreamDeleted: lambda error: Problem(
        STREAM_DELETED, str(error), {"stream": error.stream}
    ),
    errors.HistoryTruncated: lambda error: Problem(
        HISTORY_TRUNCATED, str(error), {"stream": error.stream, "first": error.first}
    ),
    errors.CommandIdReused: lambda error: Problem(
        COMMAND_ID_REUSED, str(error), {"stream": error.stream, "command": error.command}
    ),
    errors.DuplicateCommand: lambda error: Problem(DUPLICATE_COMMAND, str(error)),
    errors.DuplicateEvent: lambda error: Problem(DUPLICATE_EVENT, str(error)),
    errors.InvalidAppend: lambda error: Problem(NOT_STORABLE, str(error)),
    errors.Undecodable: _undecodable,
    errors.NewerRevision: _newer,
    errors.UnusableState: lambda error: Problem(UNUSABLE_STATE, str(error)),
    ProjectionBuilding: _building,
    QueriesOverloaded: lambda error: Problem(QUERIES_OVERLOADED, str(error), {}, _SOON),
    QueryTimeout: lambda error: Problem(QUERY_TIMED_OUT, str(error)),
    SubscriptionInUse: lambda error: Problem(
        SUBSCRIPTION_IN_USE, str(error), {"nodes": error.nodes}
    ),
    GenerationRefused: lambda error: Problem(GENERATION_REFUSED, str(error)),
    RewindRefused: lambda error: Problem(REWIND_REFUSED, str(error)),
    errors.StoreUnavailable: _unavailable,
    errors.StoreClosed: _unavailable,
}
