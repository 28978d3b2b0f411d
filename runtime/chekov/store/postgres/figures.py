"""The role `figures` in Postgres."""

from collections.abc import Iterable, Sequence
from typing import Any

from chekov.store.port import CommandFigures
from chekov.store.postgres.schema import Schema


class PostgresFigures:
    """One row per process."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("figures")

    async def report(self, figures: CommandFigures) -> None:
        """Replace what a process reported before."""
        await self._schema.fetch(
            self._statements["report"],
            figures.process,
            figures.domain,
            figures.revision,
            figures.commands,
            figures.failures,
            list(figures.durations),
        )

    async def list(self) -> Sequence[CommandFigures]:
        """What each process reported."""
        return figures_in(await self._schema.fetch(self._statements["figures"]))


def figures_in(rows: Iterable[Any]) -> Sequence[CommandFigures]:
    """What the rows of the statement `figures` hold."""
    return [CommandFigures(*row) for row in rows]
