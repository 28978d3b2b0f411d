"""A query is found by the names of its projection and method, and takes its own arguments only."""

import pytest

from chekov import (
    ChekovError,
    Connection,
    Context,
    InvalidArgument,
    Projection,
    UnknownQuery,
    handle,
    query,
)
from chekov.domain.queries import check_arguments, find_query
from tests.unit.domain.messages import Left


class Balances(Projection, name="balances"):
    tables = "create table t ()"

    @handle
    async def left(self, event: Left, context: Context) -> None:
        pass

    @query
    async def balance(self, connection: Connection, account: str, at: int = 0) -> int:
        raise AssertionError((connection, account, at))


BALANCES = Balances()
METHOD = find_query([BALANCES], "balances", "balance")[1]


def test_a_query_is_found() -> None:
    found, method = find_query([BALANCES], "balances", "balance")
    assert found is BALANCES
    assert method.name == "balance"


@pytest.mark.parametrize("names", [("nothing", "balance"), ("balances", "nothing")])
def test_one_that_is_not_there_is_named_with_those_that_are(names: tuple[str, str]) -> None:
    with pytest.raises(UnknownQuery, match="it has balances/balance") as caught:
        find_query([BALANCES], *names)
    assert caught.value.query == "/".join(names)
    assert isinstance(caught.value, LookupError)


def test_a_domain_without_projections_has_none() -> None:
    with pytest.raises(UnknownQuery, match="it has none"):
        find_query([], "balances", "balance")


def test_parameters_with_a_default_may_be_left_out() -> None:
    check_arguments("balances/balance", METHOD, {"account": "7"})
    check_arguments("balances/balance", METHOD, {"account": "7", "at": 3})


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({}, "'account' is missing"),
        ({"account": "7", "wrong": 1}, "it has no parameter 'wrong'"),
        ({"account": "7", "connection": None}, "it has no parameter 'connection'"),
        ({"account": "7", "self": None}, "it has no parameter 'self'"),
    ],
)
def test_other_arguments_are_refused(given: dict[str, object], fault: str) -> None:
    with pytest.raises(InvalidArgument, match=fault) as caught:
        check_arguments("balances/balance", METHOD, given)
    assert isinstance(caught.value, ChekovError)
    assert isinstance(caught.value, TypeError)
