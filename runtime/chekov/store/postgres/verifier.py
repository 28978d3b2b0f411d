"""Verification: the promises of a store, checked again from what it holds.

All of it is read from one database snapshot, so that others may write meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, LiteralString, NamedTuple

from chekov.domain.scope import is_hashed
from chekov.serialization.conditions import KeptCondition, kept_condition, scope_text
from chekov.store.postgres.connection_options import DriverConnection, connect_once
from chekov.store.postgres.errors import DATABASE_ERRORS, Translator
from chekov.store.postgres.migrator import needed_version, verify
from chekov.store.postgres.statements import check_schema, statements

_PAGE: Final = 10_000
_MOST_FAULTS: Final = 1000

OnProgress = Callable[[int, int], None]
"""Called with the number of events done, and of all events."""


class Verified(NamedTuple):
    """What a verification found."""

    events: int
    conditions: int
    """How many were checked again, with those that could not be."""
    unverifiable: int
    """Conditions that may have held: what they were about was erased or forgotten since, or its
    tags are skipped, or they cannot be read."""
    violations: int
    """Conditions that did not hold."""
    faults: Sequence[str]
    """A sentence for each promise that is broken, the violations included."""


async def verify_store(dsn: str, schema: str, *, progress: OnProgress | None = None) -> Verified:
    """Check positions and versions for gaps, accepted conditions, and checkpoints.

    Raises:
        StoreUnavailable: the database cannot be reached, or was lost meanwhile.
        SchemaMismatch: the schema holds no store that this code knows.
        StoreError: the database refuses.
    """
    sql = statements("verify", check_schema(schema))
    limits = statements("transfer", schema)["limits"]
    scope = statements("events", schema)["scope"]
    connection: DriverConnection | None = None
    try:
        connection = await connect_once(dsn, application="chekov verify")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(limits)
            await verify(connection, schema)
            return await _Verifier(connection, sql, scope, progress).run()
    except DATABASE_ERRORS as error:
        raise Translator(dsn, schema, needed_version()).store_error(error) from error
    finally:
        if connection is not None:
            connection.terminate()


class _Verifier:
    def __init__(
        self,
        connection: DriverConnection,
        sql: Mapping[str, LiteralString],
        scope: LiteralString,
        progress: OnProgress | None,
    ) -> None:
        self._connection = connection
        self._sql = sql
        self._scope = scope
        self._progress = progress
        self._erased = self._forgotten = False
        self._faults: list[str] = []
        self._conditions = self._unverifiable = self._violations = 0

    async def run(self) -> Verified:
        row: Any = await self._connection.fetchrow(self._sql["contents"])
        head, self._erased, self._forgotten = row
        events = position = 0
        while True:
            found: Any = await self._connection.fetchrow(self._sql["next"], position, _PAGE)
            count, first, last = found
            if not count:
                break
            if first != position + 1 or last - first + 1 != count:
                self._fault(f"positions {position + 1} to {last} hold {count} events")
            for at, stream in await self._connection.fetch(self._sql["misplaced"], position, last):
                self._fault(f"event {at} does not follow the one before it in stream {stream!r}")
            rows = await self._connection.fetch(self._sql["conditions"], position, last)
            for at, metadata in rows:
                await self._check(at, metadata)
            events, position = events + count, last
            if self._progress is not None:
                self._progress(position, head)
        for name, partition, at in await self._connection.fetch(self._sql["ahead"], head):
            self._fault(
                f"subscription {name!r}, partition {partition}, is at {at}, and the log ends at "
                f"{head}"
            )
        return Verified(
            events, self._conditions, self._unverifiable, self._violations, self._faults
        )

    async def _check(self, position: int, metadata: bytes) -> None:
        try:
            condition = kept_condition(metadata)
        except ValueError:
            self._conditions += 1
            self._unverifiable += 1
            return
        if condition is None:
            return
        self._conditions += 1
        broken = await self._broken(position, condition)
        if broken is not None:
            self._violations += 1
            self._fault(f"the condition of event {position} did not hold: {broken}")
        elif await self._is_unverifiable(position, condition):
            self._unverifiable += 1

    async def _broken(self, position: int, condition: KeptCondition) -> str | None:
        """What an accepted condition met, if anything can be seen."""
        if condition.after is not None:
            if condition.after >= position:
                return f"it names position {condition.after}"
            items = scope_text(condition.as_scope())
            rows: Any = await self._connection.fetch(self._scope, condition.after, 1, items)
            met: int | None = rows[0][0]
            if met is not None and met < position:
                return f"an event in its scope is at position {met}, after {condition.after}"
        for stream, version in condition.unchanged.items():
            actual = await self._version_before(stream, position)
            # Of an erased stream, only less can be seen than there was.
            if actual > version or (actual != version and not self._erased):
                return f"stream {stream!r} was at version {actual}, not {version}"
        return None

    async def _is_unverifiable(self, position: int, condition: KeptCondition) -> bool:
        if condition.after is not None:
            hashed = any(is_hashed(tag) for item in condition.scope for tag in item.tags)
            if (hashed and self._forgotten) or await self._connection.fetchval(
                self._sql["is_erased_between"], condition.after, position
            ):
                return True
            types = {name for item in condition.scope if item.tags for name in item.types}
            if await self._connection.fetchval(
                self._sql["is_skipped_between"], condition.after, position, list(types)
            ):
                return True
        return self._erased and bool(condition.unchanged)

    async def _version_before(self, stream: str, position: int) -> int:
        return await self._connection.fetchval(self._sql["version_before"], stream, position)

    def _fault(self, sentence: str) -> None:
        if len(self._faults) < _MOST_FAULTS:
            self._faults.append(sentence)
