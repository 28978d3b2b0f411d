import asyncpg
import pytest

from chekov.errors import SchemaMismatch, StoreError, StoreUnavailable
from chekov.store.postgres.errors import Fault, Translator, fault_of, leaves_doubt

DSN = "postgresql://user:s3%40cret@host/db"


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (asyncpg.AdminShutdownError("x"), Fault.LOST),
        (asyncpg.ConnectionDoesNotExistError("x"), Fault.LOST),
        (asyncpg.CannotConnectNowError("x"), Fault.LOST),
        (asyncpg.ReadOnlySQLTransactionError("x"), Fault.LOST),
        (asyncpg.InterfaceError("connection is closed"), Fault.LOST),
        (ConnectionResetError(), Fault.LOST),
        (TimeoutError(), Fault.LOST),
        (asyncpg.SerializationError("x"), Fault.BUSY),
        (asyncpg.DiskFullError("x"), Fault.BUSY),
        (asyncpg.TooManyConnectionsError("x"), Fault.BUSY),
        (asyncpg.QueryCanceledError("x"), Fault.BUSY),
        (asyncpg.DataError("x"), Fault.REJECTED_VALUE),
        (asyncpg.UniqueViolationError("x"), Fault.REJECTED_VALUE),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "x"), Fault.REJECTED_VALUE),
        (asyncpg.UndefinedTableError("x"), Fault.SCHEMA),
        (asyncpg.InsufficientPrivilegeError("x"), Fault.REFUSED),
        (asyncpg.InvalidPasswordError("x"), Fault.REFUSED),
        (ZeroDivisionError(), Fault.REFUSED),
    ],
)
def test_errors_are_classified(error: Exception, fault: Fault) -> None:
    assert fault_of(error) is fault


@pytest.mark.parametrize(
    ("error", "doubtful"),
    [
        (asyncpg.ConnectionDoesNotExistError("x"), True),
        (TimeoutError(), True),
        (asyncpg.ReadOnlySQLTransactionError("x"), False),
        (asyncpg.InvalidCachedStatementError("x"), False),
        (asyncpg.SerializationError("x"), False),
        (asyncpg.DataError("x"), False),
    ],
)
def test_only_errors_with_an_unknown_outcome_leave_doubt(
    error: Exception, *, doubtful: bool
) -> None:
    assert leaves_doubt(error) is doubtful


def test_a_position_taken_by_another_writer_can_be_retried() -> None:
    error = asyncpg.UniqueViolationError("x")
    error.constraint_name = "events_version"
    assert fault_of(error) is Fault.BUSY


def test_each_becomes_one_of_ours_without_the_password() -> None:
    translator = Translator(DSN, "chekov", 1)
    for error, kind in (
        (OSError(f"cannot reach {DSN}"), StoreUnavailable),
        (asyncpg.InvalidPasswordError("not s3@cret"), StoreError),
        (asyncpg.DataError("s3%40cret"), StoreError),
        (asyncpg.UndefinedTableError("x"), SchemaMismatch),
    ):
        ours = translator.store_error(error)
        assert type(ours) is kind
        assert "cret" not in str(ours)


def test_ours_stay_as_they_are() -> None:
    ours = StoreError("x")
    assert Translator(DSN, "chekov", 1).store_error(ours) is ours
