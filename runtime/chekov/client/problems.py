"""Which error a problem document becomes: the one that a `Runtime` would raise, where it has one.

It is the counterpart of the table in the server's `problems`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast
from uuid import UUID

from chekov import errors
from chekov.client.errors import Problem, ProblemError, Unauthorized
from chekov.errors import ChekovError
from chekov.errors.rejection import MEMBERS
from chekov.serialization.json import from_json
from chekov.serialization.rejections import rejection_of

_OWN: Final = frozenset({"type", "title", "status", "detail"})
_NO_ID: Final = UUID(int=0)


def read_problem(body: bytes) -> Problem | None:
    """The problem in the content of a response; `None` if there is none."""
    try:
        document = from_json(body)
    except ValueError:
        return None
    return problem_in(document)


def problem_in(document: object) -> Problem | None:
    """The problem that a JSON value is, if it is one."""
    if not isinstance(document, dict):
        return None
    given = cast("dict[str, Any]", document)
    match given:
        case {"type": str(type_), "status": int(status)} if type_.startswith("urn:chekov:problem:"):
            members = {name: value for name, value in given.items() if name not in _OWN}
            title, detail = (str(given.get(name, "")) for name in ("title", "detail"))
            return Problem(type_, title, status, detail, members)
        case _:
            return None


def error_of(problem: Problem, *, command_id: UUID | None = None) -> ChekovError:
    """The error of a problem, with the words of the service.

    Args:
        problem: what the service answers.
        command_id: of the command that it is about.
    """
    make = _TABLE.get(problem.slug)
    if make is None:
        return ProblemError(problem)
    try:
        error = make(problem)
    except KeyError:  # another version of the service, which says less about it
        return ProblemError(problem)
    if isinstance(error, errors.CommandIdReused) and command_id is not None:
        error.command_id = command_id
    if not isinstance(error, ProblemError):
        error.args = (problem.detail,)
    return error


def _rejected(problem: Problem) -> ChekovError:
    fields = {name: value for name, value in problem.members.items() if name not in MEMBERS}
    return rejection_of(str(problem.members["rejection"]), problem.detail, fields)


def _invalid(problem: Problem) -> ChekovError:
    return errors.InvalidCommand(problem.detail, str(problem.members.get("path", "")))


def _timed_out(problem: Problem) -> ChekovError:
    return errors.CommandTimeout("a command", 0, stored=problem.members["stored"])


def _unavailable(problem: Problem) -> ChekovError:
    return errors.StoreUnavailable(problem.detail, stored=problem.members.get("stored"))


def _conflict(problem: Problem) -> ChekovError:
    given = problem.members
    return errors.WrongExpectedVersion(given["stream"], given["expected"], given["actual"])


def _undecodable(kind: type[errors.Undecodable]) -> Callable[[Problem], ChekovError]:
    def make(problem: Problem) -> ChekovError:
        given = problem.members
        return kind(given["event_type"], given["stream"], given["version"], problem.detail)

    return make


_TABLE: Final[Mapping[str, Callable[[Problem], ChekovError]]] = {
    "unauthorized": Unauthorized,
    "forbidden": lambda problem: errors.Forbidden(problem.detail),
    "unknown-command": lambda problem: errors.UnknownCommand(problem.members["command"]),
    "unknown-subscription": lambda problem: errors.UnknownSubscription(
        problem.members["subscription"]
    ),
    "invalid-command": _invalid,
    "rejected": _rejected,
    "timed-out": _timed_out,
    "overloaded": lambda problem: errors.Overloaded(problem.detail),
    "rate-limited": lambda _: errors.RateLimited("", 0),
    "draining": lambda problem: errors.Draining(problem.detail),
    "tag-index-incomplete": lambda problem: errors.TagIndexIncomplete(
        problem.members["event_type"], problem.members["tag"], problem.detail
    ),
    "version-conflict": _conflict,
    "too-many-conflicts": lambda problem: errors.TooManyConflicts(
        problem.members["stream"], problem.members["attempts"]
    ),
    "too-many-recurring": lambda problem: errors.TooManyRecurring("", problem.members["most"]),
    "stream-not-found": lambda problem: errors.StreamNotFound(problem.members["stream"]),
    "stream-deleted": lambda problem: errors.StreamDeleted(problem.members["stream"]),
    "history-truncated": lambda problem: errors.HistoryTruncated(
        problem.members["stream"], problem.members["first"]
    ),
    "beyond-the-log": lambda problem: errors.CheckpointAhead(problem.detail),
    "command-id-reused": lambda problem: errors.CommandIdReused(
        _NO_ID, problem.members["stream"], problem.members["command"]
    ),
    "duplicate-event": lambda _: errors.DuplicateEvent(),
    "not-storable": lambda problem: errors.InvalidAppend(problem.detail),
    "undecodable-event": _undecodable(errors.Undecodable),
    "newer-revision": _undecodable(errors.NewerRevision),
    "unusable-state": lambda problem: errors.UnusableState(problem.detail),
    "store-unavailable": _unavailable,
}
