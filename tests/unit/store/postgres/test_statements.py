from typing import get_args

import pytest

from chekov.errors import StoreError
from chekov.store.port import SubscriptionKey
from chekov.store.postgres.statements import (
    SqlFile,
    check_schema,
    make_migration,
    migrations,
    statements,
)
from chekov.store.projection_schema import schema_name

SQL_FILES: tuple[SqlFile, ...] = get_args(SqlFile)


@pytest.mark.parametrize("file", SQL_FILES)
def test_statements_name_the_store_s_own_schema(file: SqlFile) -> None:
    found = statements(file, "other")
    assert found
    assert [name for name, sql in found.items() if not sql or "chekov" in sql] == []
    assert any('"other".' in sql for sql in found.values())


def test_migrations_name_the_store_s_own_schema() -> None:
    found = migrations("other")
    assert found
    assert [step.name for step in found if "chekov" in step.sql] == []


@pytest.mark.parametrize("name", ["chekov", "_x", "a1_b2", "x" * 40])
def test_usual_names_of_schemas_are_taken(name: str) -> None:
    assert check_schema(name) == name


@pytest.mark.parametrize("name", ["", "Upper", "a-b", "pg_temp", "x" * 41, 'a"', "a\n"])
def test_other_names_of_schemas_are_refused(name: str) -> None:
    with pytest.raises(StoreError):
        check_schema(name)


def test_long_names_of_table_schemas_stay_different() -> None:
    keys = [SubscriptionKey("d" * 40, "n" * 39 + end, 12) for end in "ab"]
    names = {schema_name("chekov", key) for key in keys}
    assert len(names) == 2
    assert all(len(name) <= 63 and name.endswith("_v12") for name in names)


def test_comments_are_for_readers_only() -> None:
    found = [sql for file in SQL_FILES for sql in statements(file, "chekov").values()]
    assert found
    assert not [sql for sql in found if "--" in sql]


def test_behind_a_pooler_some_statements_differ() -> None:
    direct, pooled = (statements("events", "chekov", pooled=way) for way in (False, True))
    assert {name for name in direct if direct[name] != pooled[name]} == {
        "append_one",
        "append_many",
        "append_checked",
    }


def test_a_step_says_what_it_works_with() -> None:
    step = make_migration(7, "x", "-- works with: 3\n-- transaction: none\nselect 1;\n")
    assert (step.works_with, step.outside) == (3, True)
    # Only the comment that it begins with counts.
    step = make_migration(7, "x", "-- It does.\nselect 1;\n-- works with: 3\n")
    assert (step.works_with, step.outside) == (7, False)
