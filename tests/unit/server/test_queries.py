"""Query strings become the arguments of a projection's query, in their types."""

from datetime import date
from uuid import UUID

import pytest
from aiohttp.test_utils import make_mocked_request

from chekov import Connection, Domain, Event, Projection, Transaction, handle, query
from chekov.server.problems import RequestError
from chekov.server.queries import arguments, queries


class Sold(Event):
    amount: int


class Sales(Projection, name="sales", version=1):
    tables = "create table sales (amount int)"

    @handle
    async def sold(self, event: Sold, transaction: Transaction) -> None:
        del event, transaction

    @query
    async def between(
        self, connection: Connection, shop: UUID, days: list[date], limit: int = 10
    ) -> int | None:
        """How much was sold.

        On these days.
        """
        del connection, shop, days
        return limit


(FOUND,) = queries(Domain("shop", handlers=[Sales()]))
SHOP = "0192f0c1-0000-7000-8000-000000000001"


def asked(text: str) -> dict[str, object]:
    return dict(arguments(FOUND, make_mocked_request("GET", f"/queries/sales/between?{text}")))


def test_a_query_is_described_by_its_method() -> None:
    assert (FOUND.projection, FOUND.name) == ("sales", "between")
    assert FOUND.summary.startswith("How much was sold.")
    assert [(item.name, item.required) for item in FOUND.parameters] == [
        ("shop", True),
        ("days", True),
        ("limit", False),
    ]


def test_arguments_get_their_types() -> None:
    assert asked(f"shop={SHOP}&days=2026-01-02&days=2026-01-03&limit=7") == {
        "shop": UUID(SHOP),
        "days": [date(2026, 1, 2), date(2026, 1, 3)],
        "limit": 7,
    }


def test_a_parameter_with_a_default_may_be_left_out() -> None:
    assert "limit" not in asked(f"shop={SHOP}&days=2026-01-02")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("days=2026-01-02", "shop: missing"),
        (f"shop={SHOP}&shop={SHOP}&days=2026-01-02", "shop: expected once, got 2 values"),
        ("shop=7&days=2026-01-02", "shop: "),
        (f"shop={SHOP}&days=yesterday", "days: "),
        (f"shop={SHOP}&days=2026-01-02&limit=many", "limit: "),
        (f"shop={SHOP}&days=2026-01-02&colour=red", "unknown parameter 'colour'"),
        (f"shop={SHOP}&days=2026-01-02%00", "days: must not contain NUL"),
    ],
)
def test_a_wrong_argument_is_named(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        asked(text)
