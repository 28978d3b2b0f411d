"""The role `layouts` in Postgres: a row per subscription says how many partitions it has."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from chekov.domain.partitioning import BY_STREAM
from chekov.store.port import Layout, ParkedPlace, SubscriptionKey
from chekov.store.port.layouts import keys_changing, no_handler, still_needed
from chekov.store.postgres.connection_options import DriverConnection
from chekov.store.postgres.listener import free_channel
from chekov.store.postgres.schema import Schema


class PostgresLayouts:
    """Changes a layout, its checkpoints and its parked events in one transaction."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("layouts")
        self._free_channel = free_channel(schema.name)

    async def divide(
        self, key: SubscriptionKey, partitions: int, *, keyed_by: str = BY_STREAM
    ) -> Layout:
        """Divide a subscription into so many partitions, unless it is divided already."""
        values = *_version(key), partitions, keyed_by
        [row] = await self._schema.fetch(self._statements["divide"], *values)
        return _layout(row)

    async def list(self, domain: str) -> Sequence[Layout]:
        """The layouts of a domain, by name and version."""
        rows = await self._schema.fetch(self._statements["layouts"], domain)
        return [_layout(row) for row in rows]

    async def change(
        self,
        layout: Layout,
        partitions: int,
        place: Callable[[str], int],
        *,
        vanished: Collection[str] = (),
    ) -> bool:
        """Divide a subscription anew, by the same keys."""
        async with self._schema.lent() as connection:
            positions = await self._locked(connection, layout, vanished)
            if positions is None:
                return False
            former = [*still_needed(layout.former, positions), positions]
            await self._divide_anew(connection, layout, partitions, layout.keyed_by, former)
            await self._move_parked(connection, layout, place)
        return True

    async def bring_together(self, layout: Layout, *, vanished: Collection[str] = ()) -> bool:
        """Let each partition stop where the log ends now."""
        async with self._schema.lent() as connection:
            if await self._locked(connection, layout, vanished) is None:
                return False
            for statement in ("bring_together", "fence"):
                await connection.execute(self._statements[statement], *_version(layout.key))
            await connection.execute(self._statements["announce"], self._free_channel)
        return True

    async def rekey(
        self,
        layout: Layout,
        partitions: int,
        keyed_by: str,
        parked: Mapping[int, ParkedPlace],
        *,
        vanished: Collection[str] = (),
    ) -> bool:
        """Divide a subscription anew, by other keys."""
        version = _version(layout.key)
        async with self._schema.lent() as connection:
            if await self._locked(connection, layout, vanished) is None:
                return False
            rows = await connection.fetch(self._statements["parked_positions"], *version)
            if any(position not in parked for (position,) in rows):
                return False
            await self._divide_anew(connection, layout, partitions, keyed_by, [])
            if rows:
                places = parked.values()
                await connection.execute(
                    self._statements["rekey_parked"],
                    *version,
                    list(parked),
                    [place.key for place in places],
                    [place.partition for place in places],
                )
        return True

    async def rewind(self, key: SubscriptionKey, position: int, *, replay: str = "") -> None:
        """Let an event handler begin again after a position."""
        version = _version(key)
        async with self._schema.lent() as connection:
            settled = await connection.fetchval(self._statements["lock_rewound"], *version)
            if settled is None:
                raise no_handler(key)
            if not settled:
                raise keys_changing(key)
            if await connection.fetch(self._statements["rewind"], *version, position, replay):
                await connection.execute(self._statements["forget_parked"], *version, position)
                await connection.execute(self._statements["begin_again"], *version)
                await connection.execute(self._statements["announce"], self._free_channel)

    async def _locked(
        self, connection: DriverConnection, layout: Layout, vanished: Collection[str]
    ) -> "list[int] | None":
        """Lock the rows, and return the checkpoints; `None` if they cannot be changed."""
        version = _version(layout.key)
        locked = await connection.fetchval(
            self._statements["lock_layout"], *version, layout.changes
        )
        if locked is None:
            return None
        rows = await connection.fetch(self._statements["lock_partitions"], *version, list(vanished))
        if len(rows) != layout.partitions or not all(free for _, free in rows):
            return None
        return [position for position, _ in rows]

    async def _divide_anew(
        self,
        connection: DriverConnection,
        layout: Layout,
        partitions: int,
        keyed_by: str,
        former: Sequence[Sequence[int]],
    ) -> None:
        version = _version(layout.key)
        await connection.execute(
            self._statements["change"], *version, partitions, json.dumps(former), keyed_by
        )
        await connection.execute(self._statements["begin"], *version, partitions)
        await connection.execute(self._statements["announce"], self._free_channel)

    async def _move_parked(
        self, connection: DriverConnection, layout: Layout, place: Callable[[str], int]
    ) -> None:
        version = _version(layout.key)
        found = await connection.fetch(self._statements["parked_keys"], *version)
        keys = [key for (key,) in found]
        if keys:
            places = [place(key) for key in keys]
            await connection.execute(self._statements["move_parked"], *version, keys, places)


def _version(key: SubscriptionKey) -> tuple[str, str, int]:
    return key.domain, key.name, key.version


def _layout(row: Any) -> Layout:
    domain, name, version, partitions, changes, former, keyed_by, until = row
    return Layout(
        SubscriptionKey(domain, name, version),
        partitions,
        changes,
        tuple(tuple(positions) for positions in json.loads(former)),
        keyed_by,
        until,
    )
