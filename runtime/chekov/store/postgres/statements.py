"""SQL from its files: statements by name, with the store's own schema in place of `chekov`."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import takewhile
from typing import Final, Literal, LiteralString, NamedTuple, TypeAlias, cast

from chekov.errors import StoreError

_NAME: Final = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^--.*\n?", re.MULTILINE)
_FRAGMENT: Final = re.compile(r"<(\w+)>")
_OWN_SCHEMA: Final = re.compile(r"\bchekov\b")
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,39}\Z")
_FOLDER: Final = files("chekov.store.postgres") / "sql"
_SAYS: Final = re.compile(r"^-- (works with|transaction): (\w+)$", re.MULTILINE)
_MIGRATION: Final = re.compile(r"(\d{4})_(\w+)\.sql\Z")


class Migration(NamedTuple):
    """One step of the schema's history."""

    version: int
    name: str
    sql: LiteralString
    works_with: int
    """The oldest version whose code works with the schema after this step."""
    outside: bool
    """Whether it must not run inside a transaction."""

    @property
    def digest(self) -> str:
        """Changes when the step is edited."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def check_schema(schema: str) -> str:
    """Return the schema's name, if it can be used without quotes.

    Raises:
        StoreError: it cannot.
    """
    if not _SCHEMA.match(schema) or schema.startswith("pg_"):
        raise StoreError(
            f"schema {schema!r} must start with a lower-case letter or '_', hold only lower-case "
            "letters, digits and '_', 40 at most, and not start with pg_"
        )
    return schema


SqlFile: TypeAlias = Literal[
    "events",
    "subscriptions",
    "layouts",
    "nodes",
    "figures",
    "processes",
    "schedules",
    "read_models",
    "snapshots",
    "tag_index",
    "keys",
    "inspect",
    "migrations",
    "transfer",
    "eventstore",
    "verify",
]


def statements(file: SqlFile, schema: str, *, pooled: bool = False) -> Mapping[str, LiteralString]:
    """The named statements of `sql/<file>.sql`, with its fragments in place of `<fragment>`.

    A fragment may contain those before it. With `pooled`, a statement `<name>_pooled` replaces the
    one called `<name>`.
    """
    text = (_FOLDER / f"{file}.sql").read_text("utf-8")
    parts = _NAME.split(_in_schema(text, schema))[1:]
    found = {"name": dict[str, str](), "fragment": dict[str, str]()}

    def filled(sql: str) -> str:
        return _FRAGMENT.sub(lambda at: found["fragment"][at[1]], sql)

    for kind, name, sql in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        bare = _COMMENT.sub("", sql).strip()
        found[kind][name] = filled(bare) if kind == "fragment" else bare
    named = found["name"]
    return {
        name: cast("LiteralString", filled(sql))
        for name, sql in {
            name: named.get(f"{name}_pooled", sql) if pooled else sql for name, sql in named.items()
        }.items()
    }


def script(name: str, schema: str) -> str:
    """The whole of `sql/<name>.sql`."""
    return _in_schema((_FOLDER / f"{name}.sql").read_text("utf-8"), schema)


def migrations(schema: str) -> Sequence[Migration]:
    """Every step of the schema, in order."""
    found: list[Migration] = []
    for file in (_FOLDER / "migrations").iterdir():
        match = _MIGRATION.match(file.name)
        if match:
            sql = _in_schema(file.read_text("utf-8"), schema)
            found.append(make_migration(int(match[1]), match[2], sql))
    return sorted(found)


def make_migration(version: int, name: str, sql: str) -> Migration:
    """A step, with the properties that its first comment gives it; see `migrator`."""
    comment = "".join(takewhile(lambda line: line.startswith("--"), sql.splitlines(keepends=True)))
    said = dict(_SAYS.findall(comment))
    return Migration(
        version,
        name,
        cast("LiteralString", sql),
        works_with=int(said.get("works with", version)),
        outside=said.get("transaction") == "none",
    )


def _in_schema(text: str, schema: str) -> str:
    return _OWN_SCHEMA.sub(f'"{check_schema(schema)}"', text)
