"""What the server makes of an error, the client makes into the same error."""

import json
from uuid import UUID, uuid4

import pytest

from chekov import errors
from chekov.client import Problem, ProblemError, Unauthorized
from chekov.client.problems import error_of, problem_in, read_problem
from chekov.errors import ChekovError, Rejected
from chekov.server.problems import problem_of


class SoldOut(Rejected, code="sold-out-for-now"):
    """Nothing is left."""

    left: int
    article: UUID


ARTICLE = uuid4()
SAME = [
    errors.Forbidden("not yours"),
    errors.UnknownCommand("Close", ["Open"]),
    errors.InvalidCommand("a field is missing", "$.amount"),
    SoldOut(left=0, article=ARTICLE),
    errors.CommandTimeout("Open", 5, stored=False),
    errors.Overloaded("too many"),
    errors.RateLimited("ada", 3),
    errors.Draining("it ends"),
    errors.TagIndexIncomplete("Claimed", "name", "another process stores some without it"),
    errors.WrongExpectedVersion("account-7", 3, 4),
    errors.WrongExpectedVersion("account-7", "no stream", 4),
    errors.TooManyConflicts("account-7", 10),
    errors.TooManyRecurring("shop", 1000),
    errors.StreamNotFound("account-7"),
    errors.StreamDeleted("account-7"),
    errors.HistoryTruncated("account-7", 3),
    errors.CommandIdReused(UUID(int=7), "account-7", "Open"),
    errors.DuplicateEvent(),
    errors.InvalidAppend("too large"),
    errors.NewerRevision("opened@2", "account-7", 3, "newer code"),
    errors.UnusableState("no JSON"),
    errors.UnknownSubscription("welcome", ["stock"]),
]


@pytest.mark.parametrize("error", SAME, ids=lambda error: type(error).__name__)
def test_an_error_comes_through_as_it_is(error: ChekovError) -> None:
    ids = {name: str(uuid4()) for name in ("correlation_id", "request_id", "trace_id")}
    problem = read_problem(problem_of(error).document(**ids))
    assert problem is not None
    received = error_of(problem, command_id=UUID(int=7))
    assert type(received) is type(error)
    assert str(received) == str(error)
    ignored = {"domain", "sender", "seconds"}  # not said over HTTP
    ours, theirs = (
        {name: value for name, value in vars(item).items() if name not in ignored}
        for item in (error, received)
    )
    assert theirs == ours


def test_a_store_that_is_away_says_whether_it_stored() -> None:
    for stored in (False, None):
        document = problem_of(errors.StoreUnavailable("secret host", stored=stored)).document()
        problem = read_problem(document)
        assert problem is not None
        received = error_of(problem)
        assert isinstance(received, errors.StoreUnavailable)
        assert received.stored is stored


def test_a_problem_without_an_error_of_its_own_keeps_its_members() -> None:
    problem = Problem("urn:chekov:problem:new-kind", "New", 409, "detail", {"left": 3})
    received = error_of(problem)
    assert isinstance(received, ProblemError)
    assert received.problem.members["left"] == 3
    assert str(received) == "detail (409 new-kind)"
    assert isinstance(
        error_of(Problem("urn:chekov:problem:unauthorized", "", 401, "")), Unauthorized
    )


def test_a_problem_that_says_less_than_expected_is_an_error_all_the_same() -> None:
    problem = Problem("urn:chekov:problem:stream-deleted", "Deleted", 410, "")
    received = error_of(problem)
    assert isinstance(received, ProblemError)
    assert str(received) == "Deleted (410 stream-deleted)"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"type":"about:blank","status":404}'])
def test_anything_else_is_no_problem_document(body: bytes) -> None:
    assert read_problem(body) is None
    if body.startswith((b"[", b"{")):
        assert problem_in(json.loads(body)) is None
