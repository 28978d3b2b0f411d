"""Each error has one problem; an unknown error reveals no details."""

import json
from uuid import UUID

import pytest

from chekov import errors
from chekov.server.problems import KINDS, RequestError, problem_of
from tests.unit.serialization.test_refusals import Missing


class Overdrawn(errors.Rejected):
    """The account does not hold that much."""


@pytest.mark.parametrize(
    ("error", "status", "slug", "members"),
    [
        (errors.UnknownCommand("Fly"), 404, "unknown-command", {"command": "Fly"}),
        (errors.InvalidCommand("no", "$.amount"), 400, "invalid-command", {"path": "$.amount"}),
        (Overdrawn(), 422, "rejected", {"rejection": "Overdrawn"}),
        (
            Missing(order=UUID(int=1), lines=()),
            422,
            "rejected",
            {"rejection": "missing-lines", "order": str(UUID(int=1)), "lines": [], "until": None},
        ),
        (errors.Forbidden("no"), 403, "forbidden", {}),
        (errors.RateLimited("ada", 1.2), 429, "rate-limited", {}),
        (
            errors.WrongExpectedVersion("account-1", 3, 5),
            409,
            "version-conflict",
            {"stream": "account-1", "expected": 3, "actual": 5},
        ),
        (
            errors.TooManyConflicts("account-1", 11),
            409,
            "too-many-conflicts",
            {"stream": "account-1", "attempts": 11, "stored": False},
        ),
        (errors.StreamNotFound("x-1"), 404, "stream-not-found", {"stream": "x-1"}),
        (errors.StreamDeleted("x-1"), 410, "stream-deleted", {"stream": "x-1"}),
        (errors.DuplicateEvent(), 409, "duplicate-event", {}),
        (errors.InvalidAppend("too large"), 422, "not-storable", {}),
        (errors.CommandTimeout("Open", 5, stored=None), 504, "timed-out", {"stored": None}),
        (errors.CommandTimeout("Open", 5, stored=False), 504, "timed-out", {"stored": False}),
        (errors.Overloaded("full"), 429, "overloaded", {}),
        (
            errors.TagIndexIncomplete("Claimed", "name", "reason"),
            503,
            "tag-index-incomplete",
            {"event_type": "Claimed", "tag": "name", "stored": False},
        ),
        (errors.Draining("bye"), 503, "draining", {"stored": False}),
        (
            errors.StoreUnavailable("host db:5432", stored=None),
            503,
            "store-unavailable",
            {"stored": None},
        ),
        (
            errors.Undecodable("opened", "x-1", 2, "secret value"),
            500,
            "undecodable-event",
            {"event_type": "opened", "stream": "x-1", "version": 2},
        ),
    ],
)
def test_an_error_has_a_stable_problem(
    error: Exception, status: int, slug: str, members: dict[str, object]
) -> None:
    problem = problem_of(error)
    document = json.loads(problem.document())
    assert document["status"] == status
    assert document["type"] == f"urn:chekov:problem:{slug}"
    assert document["title"]
    assert document["detail"]
    assert members.items() <= document.items()


@pytest.mark.parametrize(
    "error",
    [
        errors.Overloaded("full"),
        errors.Draining("bye"),
        errors.StoreUnavailable("away"),
        errors.TooManyConflicts("account-1", 11),
    ],
)
def test_what_passes_by_itself_says_when_to_come_again(error: Exception) -> None:
    assert problem_of(error).headers["Retry-After"] == "1"


def test_an_incomplete_tag_takes_longer() -> None:
    error = errors.TagIndexIncomplete("Claimed", "name", "reason")
    assert problem_of(error).headers["Retry-After"] == "5"


@pytest.mark.parametrize(("seconds", "header"), [(0.01, "1"), (1.2, "2"), (7, "7")])
def test_a_rate_limit_says_when_to_come_again(seconds: float, header: str) -> None:
    assert problem_of(errors.RateLimited("ada", seconds)).headers["Retry-After"] == header


@pytest.mark.parametrize(
    "error",
    [
        ValueError("password=hunter2"),
        errors.Undecodable("opened", "x-1", 2, "password=hunter2"),
        errors.StoreUnavailable("postgres://u:hunter2@host"),
    ],
)
def test_the_inside_of_a_fault_stays_inside(error: Exception) -> None:
    assert b"hunter2" not in problem_of(error).document()


def test_a_request_error_carries_its_own_problem() -> None:
    error = RequestError(KINDS[0], "no", {"path": "limit"}, {"Allow": "GET"})
    assert json.loads(problem_of(error).document())["path"] == "limit"
    assert problem_of(error).headers == {"Allow": "GET"}


def test_no_two_kinds_share_a_type() -> None:
    assert len({kind.type for kind in KINDS}) == len(KINDS)
