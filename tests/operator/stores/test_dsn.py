"""Where a DSN leads: as asyncpg reads it, and never with a part of the login."""

import importlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chekov_operator.stores.dsn import (
    Address,
    UnreadableDsn,
    addresses_in,
    addresses_of,
    qualified,
    shown,
)

READABLE = {
    "postgresql://chekov:s3cret@db.example:6432/bank": [("db.example", 6432)],
    "postgres://db.example/bank": [("db.example", 5432)],
    "postgresql://u:p@10.0.0.1:5433/bank?sslmode=require": [("10.0.0.1", 5433)],
    "postgresql://u@[fd00::5]:5433/bank": [("fd00::5", 5433)],
    "postgresql://u@[fd00::5]/bank": [("fd00::5", 5432)],
    "postgresql://u@one:5433,two:5434,three/bank": [("one", 5433), ("two", 5434), ("three", 5432)],
    "postgresql://user:123,456@db/bank": [("db", 5432)],
    "postgresql://user:1,2:3@db:5433/bank": [("db", 5433)],
    "postgresql://user:p%40s%2Fs%23@db/bank": [("db", 5432)],
    "postgresql:///bank?host=one,two:5433&user=u": [("one", 5432), ("two", 5433)],
    "postgresql:///bank?host=one,two&port=5433,5434": [("one", 5433), ("two", 5434)],
    "postgresql:///bank?host=/run/postgresql&user=u": [("/run/postgresql", 5432)],
    "postgresql://u@%2Frun%2Fpostgresql/bank": [("/run/postgresql", 5432)],
    "postgresql://one:5433/bank?host=two&port=5434": [("one", 5433)],
}
UNREADABLE = [
    "host=db user=chekov",
    "mysql://db/bank",
    "postgresql://chekov:a[b@db/bank",
    "postgresql://u:s3cret@db:port/bank",
    "postgresql://u:s3cret@db:70000/bank",
    "postgresql://u:s3cret@db:0/bank",
    "postgresql://u:s3@cret@db/bank",
    "postgresql://u:123/s3cret@db/bank",
    "postgresql://u:123?s3cret@db/bank",
    "postgresql://u:123?s3=cret@db/bank",
    "postgresql://u:123#s3cret@db/bank",
    "postgresql://u:s3cret@one,,two/bank",
    "postgresql:///bank?host=one,two&port=5433&password=s3cret",
    "postgresql:///bank?s3cret",
    "postgresql:///bank?host=one&port=s3cret",
]


@pytest.mark.parametrize(("dsn", "expected"), READABLE.items())
def test_every_server_is_found(dsn: str, expected: list[tuple[str, int]]) -> None:
    assert list(addresses_of(dsn)) == expected


@pytest.mark.parametrize("dsn", READABLE)
def test_they_are_those_that_asyncpg_connects_to(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    utils: Any = importlib.import_module("asyncpg.connect_utils")
    parse = utils._parse_connect_dsn_and_args  # asyncpg has no public parser
    code = parse.__code__
    nothing = dict.fromkeys(code.co_varnames[: code.co_kwonlyargcount])
    found, _ = parse(**{**nothing, "dsn": dsn})
    # A Unix socket is the path of a file that ends with the port.
    servers = [(one.rpartition("/")[0], 5432) if isinstance(one, str) else one for one in found]
    assert servers == list(addresses_of(dsn))


@pytest.mark.parametrize("dsn", UNREADABLE)
def test_what_cannot_be_read_is_refused_and_not_quoted(dsn: str) -> None:
    with pytest.raises(UnreadableDsn) as read:
        addresses_of(dsn)
    with pytest.raises(UnreadableDsn) as made_full:
        qualified(dsn, "shops")
    assert str(made_full.value) == str(read.value)
    for part in ("s3", "cret", "123", "chekov", "a["):
        assert part not in str(read.value)


@given(password=st.text(min_size=1), user=st.sampled_from(["u", "user.name", ""]))
def test_no_password_is_taken_for_a_server(password: str, user: str) -> None:
    dsn = f"postgresql://{user}:{password}@db.example:5433/bank"
    try:
        found = addresses_of(dsn)
    except UnreadableDsn:
        return
    assert found == (Address("db.example", 5433),)


@pytest.mark.parametrize(("dsn", "expected"), READABLE.items())
def test_a_status_holds_every_server_and_is_read_back(
    dsn: str, expected: list[tuple[str, int]]
) -> None:
    assert list(addresses_in(shown(addresses_of(dsn)))) == expected


@pytest.mark.parametrize("text", ["", "db:port", ",", "[fd00"])
def test_what_is_no_list_of_servers_holds_none(text: str) -> None:
    assert addresses_in(text) == ()


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("db", "db.shops.svc"),
        ("db:5433", "db.shops.svc:5433"),
        ("db.example", "db.example"),
        ("db.other.svc:5432", "db.other.svc:5432"),
        ("localhost:5432", "localhost:5432"),
        ("10.0.0.1", "10.0.0.1"),
        ("[fd00::5]:5432", "[fd00::5]:5432"),
        ("%2Frun%2Fpostgresql", "%2Frun%2Fpostgresql"),
        ("one:1,two:2,three.example", "one.shops.svc:1,two.shops.svc:2,three.example"),
    ],
)
def test_a_service_of_the_stores_namespace_is_found_from_elsewhere(
    hosts: str, expected: str
) -> None:
    for login in ("", "chekov@", "chekov:p%40ss@", "chekov:1,2@"):
        dsn = f"postgresql://{login}{hosts}/bank?sslmode=require"
        assert qualified(dsn, "shops") == f"postgresql://{login}{expected}/bank?sslmode=require"


def test_a_service_that_a_setting_names_is_found_too() -> None:
    dsn = "postgresql:///bank?host=one,two.example&user=u"
    found = addresses_of(qualified(dsn, "shops"))
    assert [one.host for one in found] == ["one.shops.svc", "two.example"]
    assert qualified("postgresql:///bank?user=u", "shops") == "postgresql:///bank?user=u"
