"""The role `processes` in Postgres: instances, outbox and timers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from chekov.store.port import (
    ChainedCommands,
    Claim,
    DiscardedInput,
    OpenInstance,
    OutgoingCommand,
    ParkingEntry,
    PendingTimer,
    ProcessChanges,
    ProcessFigures,
    ProcessInput,
    ProcessState,
    QueuedCommand,
    SubscriptionKey,
)
from chekov.store.postgres.connection_options import DriverConnection
from chekov.store.postgres.listener import free_channel
from chekov.store.postgres.schema import Schema
from chekov.store.postgres.subscriptions import (
    check_fenced,
    owner_of,
    parking_columns,
    storable_text,
)

T = TypeVar("T")

_STATE = (0, 1, 2, 3)
_COMMAND = (0, 1, 2, 3, 4, 5, 6, 7)
_TIMER = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)


class PostgresProcesses:
    """A row per open instance, per command in the outbox and per timer."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("processes")
        self._parking = schema.statements("subscriptions")
        self._free_channel = free_channel(schema.name)

    async def load(
        self, key: SubscriptionKey, instances: Collection[str]
    ) -> Mapping[str, ProcessState]:
        """Those of `instances` that are open."""
        rows = await self._fetch("load", key, list(instances)) if instances else ()
        return {row["instance"]: ProcessState._make(row) for row in rows}

    async def commit(
        self,
        claim: Claim,
        position: int,
        changes: ProcessChanges,
        *,
        parked: Sequence[ParkingEntry] = (),
        unpark: int | None = None,
    ) -> Sequence[int]:
        """Store `changes` and move the checkpoint forward to `position`."""
        put: Sequence[Any] = ()
        async with self._schema.lent(claim=claim) as connection:
            for statement, values in _writes(changes):  # commands last
                put = await self._write(connection, statement, claim.key, values)
            try:
                rows = await connection.fetch(
                    self._statements["advance"], *owner_of(claim), position
                )
                if rows and unpark is not None:
                    rows = await connection.fetch(self._parking["unpark"], *owner_of(claim), unpark)
                if rows and parked:
                    await connection.execute(
                        self._parking["park"],
                        *owner_of(claim),
                        position,
                        *parking_columns(parked),
                    )
            except TimeoutError as error:
                raise self._schema.translator.unavailable(error) from error
            check_fenced(claim, rows)
        return sorted(number for (number,) in put) if changes.commands else ()

    async def pending(
        self, key: SubscriptionKey, *, after: int = 0, limit: int = 500
    ) -> Sequence[QueuedCommand]:
        """The next commands to send, by number above `after`."""
        return _queued(await self._fetch("pending", key, after, limit))

    async def settle(
        self, claim: Claim, sent: Collection[int], refused: Mapping[int, bytes]
    ) -> None:
        """Take executed commands out of the outbox, and keep why others were refused."""
        if sent or not refused:
            await self._change("settle_sent", claim, list(sent))
        if refused:
            await self._change("settle", claim, [], list(refused), list(refused.values()))

    async def inputs(self, key: SubscriptionKey, *, limit: int = 500) -> Sequence[ProcessInput]:
        """Refusals in order of their commands, then due timers by time; one for each instance."""
        refusals = _queued(await self._fetch("refusals", key, limit))
        refusals.sort(key=attrgetter("number"))
        busy = {item.sent.instance for item in refusals}
        timers = _timers(await self._fetch("due_timers", key, limit))
        timers.sort(key=attrgetter("due"))
        return [*refusals, *(timer for timer in timers if timer.instance not in busy)][:limit]

    async def next_due(self, key: SubscriptionKey) -> float | None:
        """Seconds until the next timer is due, by the clock of the database."""
        rows = await self._fetch("next_due", key)
        return rows[0][0] if rows else None

    async def set_aside(
        self, claim: Claim, item: ProcessInput, *, error: str, discarded: str | None = None
    ) -> None:
        """Keep an input that cannot be handled, with the reason."""
        verb = "set_aside" if discarded is None else "skip"
        texts = [storable_text(text) for text in (error, discarded) if text is not None]
        if isinstance(item, QueuedCommand):
            await self._change(f"{verb}_refusal", claim, item.number, *texts)
        else:
            await self._change(f"{verb}_timer", claim, item.instance, item.name, *texts)

    async def withheld(self, key: SubscriptionKey) -> Collection[str]:
        """The instances with an input that was set aside, and was not handled since."""
        return [instance for (instance,) in await self._fetch("withheld", key)]

    async def release(self, domain: str, name: str, *, instance: str | None = None) -> int:
        """Let inputs that were set aside be handled again."""
        rows = await self._schema.fetch(
            self._statements["release"], domain, name, instance, self._free_channel
        )
        return rows[0][0]

    async def discard(
        self, domain: str, name: str, *, reason: str, instance: str | None = None
    ) -> int:
        """Give up inputs that were set aside."""
        rows = await self._schema.fetch(
            self._statements["discard"],
            domain,
            name,
            instance,
            self._free_channel,
            storable_text(reason),
        )
        return rows[0][0]

    async def discarded(
        self, domain: str, name: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[DiscardedInput]:
        """Inputs that were given up, by number above `after`."""
        rows = await self._schema.fetch(self._statements["discarded"], domain, name, after, limit)
        return [
            DiscardedInput(row[0], SubscriptionKey(*row[1:5]), *row[5:]) for row in map(tuple, rows)
        ]

    async def list(
        self, domain: str, name: str | None = None, *, after: str = "", limit: int = 100
    ) -> Sequence[OpenInstance]:
        """Open instances of a domain's process managers."""
        rows = await self._schema.fetch(self._statements["instances"], domain, name, after, limit)
        found = [(SubscriptionKey(*row[:4]), ProcessState(*row[4:])) for row in map(tuple, rows)]
        answer: list[OpenInstance] = []
        names = _grouped((key, state.instance) for key, state in found)
        commands = {
            key: _grouped(
                (item.sent.instance, item)
                for item in _queued(await self._fetch("commands_of", key, instances))
            )
            for key, instances in names.items()
        }
        timers = {
            key: _grouped(
                (timer.instance, timer)
                for timer in _timers(await self._fetch("timers_of", key, instances))
            )
            for key, instances in names.items()
        }
        for key, state in found:
            place = state.instance
            answer.append(
                OpenInstance(key, state, commands[key].get(place, []), timers[key].get(place, []))
            )
        return answer

    async def chained(
        self, domain: str, correlation_ids: Collection[UUID]
    ) -> Sequence[ChainedCommands]:
        """What process managers of a domain have left to do of some chains."""
        statement = self._statements["chained"]
        rows = await self._schema.fetch(statement, domain, list(correlation_ids))
        return [ChainedCommands(*row) for row in map(tuple, rows)]

    async def figures(self, domain: str) -> Sequence[ProcessFigures]:
        """How much each process manager of a domain has at hand."""
        rows = await self._schema.fetch(self._statements["figures"], domain)
        return [ProcessFigures(SubscriptionKey(*row[:4]), *row[4:]) for row in map(tuple, rows)]

    async def _fetch(self, statement: str, key: SubscriptionKey, *values: object) -> Sequence[Any]:
        return await self._schema.fetch(self._statements[statement], *_columns(key), *values)

    async def _change(self, statement: str, claim: Claim, *values: object) -> None:
        rows = await self._schema.fetch(self._statements[statement], *owner_of(claim), *values)
        check_fenced(claim, rows)

    async def _write(
        self,
        connection: DriverConnection,
        statement: str,
        key: SubscriptionKey,
        values: Iterable[object],
    ) -> Sequence[Any]:
        return await connection.fetch(self._statements[statement], *_columns(key), *values)


def _writes(changes: ProcessChanges) -> Iterable[tuple[str, Iterable[object]]]:
    """The statements that store changes, and their parameters after the key."""
    if changes.finished:
        yield "finish", [list(changes.finished)]
    if changes.removed:
        yield "remove", _arrays(changes.removed, (0, 1))
    if changes.answered:
        yield "answer", [list(changes.answered)]
    if changes.states:
        yield "keep_states", _arrays(changes.states, _STATE)
    if changes.timers:
        yield "keep_timers", _arrays(changes.timers, _TIMER)
    if changes.commands:
        yield "put", _arrays(changes.commands, _COMMAND)


def _arrays(rows: Collection[tuple[Any, ...]], columns: Sequence[int]) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in columns]


def _grouped(pairs: Iterable[tuple[Any, T]]) -> dict[Any, list[T]]:
    groups: dict[Any, list[T]] = {}
    for group, item in pairs:
        groups.setdefault(group, []).append(item)
    return groups


def _columns(key: SubscriptionKey) -> tuple[object, ...]:
    return key.domain, key.name, key.version, key.partition


def _queued(rows: Sequence[Any]) -> list[QueuedCommand]:
    return [QueuedCommand(row[0], OutgoingCommand(*row[1:9]), *row[9:]) for row in map(tuple, rows)]


def _timers(rows: Sequence[Any]) -> list[PendingTimer]:
    return [PendingTimer(*row) for row in map(tuple, rows)]
