import pytest

from chekov.errors import StoreError
from chekov.store.names import schema_name
from chekov.store.port import SubscriptionKey
from chekov.store.postgres.statements import check_schema, migrations, statements


@pytest.mark.parametrize("topic", ["events", "subscriptions", "inspect"])
def test_statements_name_the_store_s_own_schema(topic: str) -> None:
    found = statements(topic, "other")
    assert found
    assert all("chekov" not in sql and sql for sql in found.values())
    assert any('"other".' in sql for sql in found.values())


def test_migrations_name_the_store_s_own_schema() -> None:
    assert all("chekov" not in step.sql for step in migrations("other"))


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
