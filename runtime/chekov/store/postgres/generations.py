"""Generations in Postgres: a database schema, a row and a checkpoint for each."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

import asyncpg

from chekov.errors import DefinitionError
from chekov.store.port import Generation, GenerationRefused, SubscriptionKey
from chekov.store.postgres.connection_options import DriverConnection
from chekov.store.postgres.listener import free_channel
from chekov.store.postgres.schema import Schema
from chekov.store.projection_schema import schema_name


class _Made(NamedTuple):
    """A generation as it was made.

    Attributes:
        start: where its checkpoint began.
    """

    number: int
    schema: str
    tables: str
    state: str
    start: int


class PostgresGenerations:
    """Begins and drops generations, one change at a time for each version of a projection.

    That a generation serves is a matter of its checkpoint: the trigger `subscriptions_serve`.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("read_models")
        self._free_channel = free_channel(schema.name)

    async def begin(self, key: SubscriptionKey, tables: str, *, start: int = 0) -> None:
        """Begin the first generation of a version, unless it has one."""
        async with self._schema.lent() as connection:
            made = await self._made(connection, key)
            for item in made:
                if item.state != "retired":
                    await create_tables(connection, self._statements, item.schema, tables)
            if not made:
                await self._build(connection, _numbered(key, 1), tables, start)

    async def rebuild(
        self,
        domain: str,
        name: str,
        version: int | None = None,
        *,
        start: int | None = None,
        beside: bool = True,
        replay: str = "",
    ) -> SubscriptionKey:
        """Begin another generation, beside the one that serves or instead of it."""
        found = await self.list(domain)
        for item in found:
            if replay and (item.key.name, item.replay) == (name, replay):
                return item.key
        serving = self._chosen(found, name, version, "serving")
        async with self._schema.lent() as connection:
            made = await self._made(connection, serving)
            states = {item.state: item for item in made}
            former = states.get("serving")
            if former is None:
                raise GenerationRefused(
                    f"projection {name} {serving.version} has just been dropped"
                )
            if "building" in states:
                raise GenerationRefused(
                    f"generation {states['building'].number} of {name} {serving.version} is being "
                    "built: cancel it, or wait until it serves"
                )
            key = _numbered(serving, made[-1].number + 1)
            if not beside:
                await self._retire(connection, _numbered(serving, former.number))
            begin = former.start if start is None else start
            await self._build(connection, key, former.tables, begin, replay)
        return key

    async def cancel(self, domain: str, name: str, version: int | None = None) -> SubscriptionKey:
        """Drop the generation that is being built beside the one that serves."""
        found = await self.list(domain)
        key = self._chosen(found, name, version, "building")
        if not any(_same_version(item.key, key) and item.state == "serving" for item in found):
            raise GenerationRefused(
                f"projection {name} {key.version} has no generation that serves: the one that is "
                "being built is its first"
            )
        async with self._schema.lent() as connection:
            states = {item.number: item.state for item in await self._made(connection, key)}
            if states.get(key.generation) != "building":
                raise GenerationRefused(
                    f"generation {key.generation} of {name} {key.version} serves already"
                )
            await self._drop(connection, key)
        return key

    async def drop(self, key: SubscriptionKey) -> None:
        """Drop a generation that no process uses."""
        label = f"generation {key.generation} of {key.name} {key.version}"
        async with self._schema.lent() as connection:
            numbers = [item.number for item in await self._made(connection, key)]
            if key.generation not in numbers:
                raise GenerationRefused(f"there is no {label}")
            if await connection.fetchval(self._statements["in_use"], *_columns(key)):
                raise GenerationRefused(
                    f"a process uses {label}: end the processes that run this version first"
                )
            await self._drop(connection, key)

    async def drop_retired(self, domain: str, *, after: float) -> None:
        """Drop the generations that were retired `after` seconds ago."""
        for row in await self._schema.fetch(self._statements["retired"], domain, after):
            name, version, generation = row
            key = SubscriptionKey(domain, name, version, generation=generation)
            async with self._schema.lent() as connection:
                await self._made(connection, key)
                await self._drop(connection, key)

    async def list(self, domain: str) -> Sequence[Generation]:
        """Every generation of a domain's projections, by name, version and number."""
        return generation_rows(await self._schema.fetch(self._statements["generations"], domain))

    async def building(self, key: SubscriptionKey) -> Generation | None:
        """The generation of a version that is being built."""
        for item in await self.list(key.domain):
            if _same_version(item.key, key) and item.state == "building":
                return item
        return None

    def _chosen(
        self, found: Sequence[Generation], name: str, version: int | None, state: str
    ) -> SubscriptionKey:
        keys = [item.key for item in found if item.key.name == name and item.state == state]
        for key in reversed(keys):
            if version in (None, key.version):
                return key
        known = ", ".join(sorted({f"{item.key.name} {item.key.version}" for item in found}))
        wanted = name if version is None else f"{name} {version}"
        raise GenerationRefused(
            f"no generation of {wanted} is {state}; there are: {known or 'no projections'}"
        )

    async def _made(self, connection: DriverConnection, key: SubscriptionKey) -> Sequence[_Made]:
        """Each generation of a version, by number; the version is locked."""
        await connection.execute(
            self._statements["lock"], schema_name(self._schema.name, _numbered(key, 1))
        )
        version = key.domain, key.name, key.version
        return [_Made(*row) for row in await connection.fetch(self._statements["made"], *version)]

    async def _build(
        self,
        connection: DriverConnection,
        key: SubscriptionKey,
        tables: str,
        start: int,
        replay: str = "",
    ) -> None:
        schema = schema_name(self._schema.name, key)
        await create_tables(connection, self._statements, schema, tables)
        columns = _columns(key)
        await connection.execute(self._statements["begin"], *columns, start)
        state = await connection.fetchval(
            self._statements["build"], *columns, schema, tables, start, replay
        )
        if state == "building":
            await connection.execute(self._statements["building"], *columns)
        await connection.execute(self._statements["announce"], self._free_channel)

    async def _retire(self, connection: DriverConnection, key: SubscriptionKey) -> None:
        """End the one that serves. Its tables stay a while, since queries may be under way."""
        # The checkpoint first, as its owner locks it, so that neither waits for the other.
        for statement in ("forget_checkpoints", "forget_parked", "retire"):
            await connection.execute(self._statements[statement], *_columns(key))

    async def _drop(self, connection: DriverConnection, key: SubscriptionKey) -> None:
        columns = _columns(key)
        await connection.execute(self._statements["forget_parked"], *columns)
        await connection.execute(self._statements["forget_checkpoints"], *columns)
        schema = await connection.fetchval(self._statements["forget_generation"], *columns)
        if schema is None:
            return
        await connection.execute(self._statements["forget_tables"], schema)
        quoted = await connection.fetchval("select quote_ident($1)", schema)
        await connection.execute(f"drop schema if exists {quoted} cascade")
        await connection.execute(self._statements["announce"], self._free_channel)


def generation_rows(rows: Sequence[Any]) -> Sequence[Generation]:
    """Rows of the statement `generations`."""
    return [
        Generation(SubscriptionKey(domain, name, version, generation=number), *rest)
        for domain, name, version, number, *rest in map(tuple, rows)
    ]


async def create_tables(
    connection: DriverConnection,
    sql: Mapping[str, LiteralString],
    schema: str,
    tables: str,
) -> None:
    """Create a database schema and run `tables` in it, once; later calls do nothing.

    Raises:
        DefinitionError: the database refuses the SQL, or it differs from what was run before.
    """
    digest = hashlib.sha256(tables.encode()).hexdigest()
    await connection.execute(sql["lock"], schema)
    made: Any = await connection.fetchval(sql["digest"], schema)
    if made is None:
        try:
            quoted = await connection.fetchval("select quote_ident($1)", schema)
            await connection.execute(f"create schema if not exists {quoted}")
            await connection.execute(sql["search_path"], schema)
            await connection.execute(tables)
        except asyncpg.PostgresError as error:
            raise DefinitionError(f"the tables in {schema!r}", [str(error)]) from error
        await connection.execute(sql["created"], schema, digest)
    elif made != digest:
        raise DefinitionError(
            f"the tables in {schema!r}",
            ["their SQL has changed since they were made: raise the projection's version"],
        )


def _numbered(key: SubscriptionKey, generation: int) -> SubscriptionKey:
    return SubscriptionKey(key.domain, key.name, key.version, generation=generation)


def _same_version(one: SubscriptionKey, other: SubscriptionKey) -> bool:
    return (one.name, one.version) == (other.name, other.version)


def _columns(key: SubscriptionKey) -> tuple[str, str, int, int]:
    return key.domain, key.name, key.version, key.generation
