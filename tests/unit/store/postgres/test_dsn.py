"""DSNs: what is wrong with one is said without quoting it, whatever its password is."""

import asyncio
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chekov.errors import StoreError
from chekov.store.postgres.connection_options import ConnectionOptions, connect
from chekov.store.postgres.dsn import check_dsn
from chekov.store.postgres.errors import DATABASE_ERRORS, Translator
from chekov.store.postgres.pool import PostgresPool

WORDS = ("LEAKED", "hunter", "geheim", "пароль")
passwords = st.lists(
    st.one_of(
        st.sampled_from(WORDS),
        st.sampled_from(
            ["/", "#", "?", "@", "%", "[", "]", ":", " ", "&", "=", "'", "%2", ",", "+"]
        ),
    ),
    min_size=1,
    max_size=7,
).map("".join)
# Nothing listens on port 1.
PLACES = (
    "postgresql://user:{}@127.0.0.1:1/db",
    "postgresql://user@127.0.0.1:1/db?password={}",
    "postgresql://user@127.0.0.1:1/db?sslmode=disable&password={}&connect_timeout=1",
    "postgresql://127.0.0.1:1/db?user=user&sslpassword={}",
    "host=127.0.0.1 user=user password='{}'",
    "postgresql://user:{}",
)


async def messages(dsn: str) -> str:
    """All that is said when this DSN is used, also in a traceback."""
    said: list[BaseException | None] = []
    for attempt in (
        connect(ConnectionOptions(dsn), application="x"),
        PostgresPool(dsn).__aenter__(),
    ):
        try:
            await attempt
        except StoreError as error:
            said.append(error)
        except DATABASE_ERRORS as error:
            said += [error, Translator(dsn, "chekov", 1).store_error(error)]
    for error in said:
        if error is not None and not error.__suppress_context__:
            said += [error.__cause__, error.__context__]
    return " ".join(f"{error} {error!r}" for error in said)


@given(
    st.one_of(passwords, passwords.map(lambda text: quote(text, safe=""))), st.sampled_from(PLACES)
)
def test_no_message_shows_a_part_of_a_password(password: str, place: str) -> None:
    said = asyncio.run(messages(place.format(password)))
    assert not [word for word in WORDS if word in said or quote(word) in said]


@pytest.mark.parametrize("character", list("/?#@%[]:&= '+,"))
def test_an_encoded_password_is_valid_and_is_replaced_in_messages(character: str) -> None:
    password = f"one{character}two"
    for place in PLACES[:3]:
        dsn = place.format(quote(password, safe=""))
        check_dsn(dsn)
        said = str(Translator(dsn, "x", 1).store_error(OSError(f"a {password} b {dsn}")))
        assert "one" not in said
        assert "two" not in said


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        ("host=x password=y", "does not begin with postgresql://"),
        ("mysql://x", "does not begin with postgresql://"),
        ("postgresql://u:a/b@h/d", "/ as %2F"),
        ("postgresql://u:a#b@h/d", "# as %23"),
        ("postgresql://u:a?b@h/d", r"\? as %3F"),
        ("postgresql://u:a@b@h/d", "@ as %40"),
        ("postgresql://u:a[b@h/d", r"\[ as %5B"),
        ("postgresql://h:70000/d", "from 1 to 65535"),
        ("postgresql://h:x/d", "from 1 to 65535"),
        ("postgresql://h,i:0/d", "from 1 to 65535"),
        ("postgresql:///d?host=h&port=1,x", "from 1 to 65535"),
        ("postgresql://u:@,", "one of its hosts is empty"),
        ("postgresql://u:p@h,,i/d", "one of its hosts is empty"),
        ("postgresql://h/d?x", "name=value"),
        ("postgresql://h/d?sslrootcert=/none", "names /none, which does not exist"),
    ],
)
def test_an_invalid_dsn_is_refused_with_what_to_do(dsn: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        check_dsn(dsn)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://",
        "postgres://u:p@h",
        "postgresql://u:p@h:1,i:2/d?target_session_attrs=read-write",
        "postgresql://u@[::1]:5432/d",
        "postgresql://u@[::1]/d",
        "postgresql:///d?host=/run/postgresql&port=5433",
        "postgresql://%2Frun%2Fpostgresql/d",
    ],
)
def test_a_valid_dsn_is_accepted(dsn: str) -> None:
    check_dsn(dsn)
