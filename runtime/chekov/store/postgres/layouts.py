"""The role `layouts` in Postgres: a row per subscription says how many partitions it has."""

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from chekov.store.port import Layout, SubscriptionKey
from chekov.store.port.layouts import still_needed
from chekov.store.postgres.connection_options import DriverConnection
from chekov.store.postgres.listener import free_channel
from chekov.store.postgres.schema import Schema


class PostgresLayouts:
    """Changes a layout, its checkpoints and its parked events in one transaction."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("layouts")
        self._free_channel = free_channel(schema.name)

    async def divide(self, key: SubscriptionKey, partitions: int) -> Layout:
        """Divide a subscription into so many partitions, unless it is divided already."""
        values = key.domain, key.name, key.version, partitions
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
        """Divide a subscription anew, and fence off every owner that it had."""
        version = layout.key.domain, layout.key.name, layout.key.version
        async with self._schema.lent() as connection:
            former = await connection.fetchval(
                self._statements["lock_layout"], *version, layout.changes
            )
            if former is None:
                return False
            rows = await connection.fetch(
                self._statements["lock_partitions"], *version, list(vanished)
            )
            if len(rows) != layout.partitions or not all(free for _, free in rows):
                return False
            positions = [position for position, _ in rows]
            kept = [*still_needed(json.loads(former), positions), positions]
            await connection.execute(
                self._statements["change"], *version, partitions, json.dumps(kept)
            )
            await connection.execute(self._statements["begin"], *version, partitions)
            await self._move_parked(connection, version, place)
            await connection.execute(self._statements["announce"], self._free_channel)
        return True

    async def _move_parked(
        self,
        connection: DriverConnection,
        version: tuple[str, str, int],
        place: Callable[[str], int],
    ) -> None:
        found = await connection.fetch(self._statements["parked_keys"], *version)
        keys = [key for (key,) in found]
        if keys:
            places = [place(key) for key in keys]
            await connection.execute(self._statements["move_parked"], *version, keys, places)


def _layout(row: Any) -> Layout:
    domain, name, version, partitions, changes, former = row
    return Layout(
        SubscriptionKey(domain, name, version),
        partitions,
        changes,
        tuple(tuple(positions) for positions in json.loads(former)),
    )
