"""Contract of the role `figures`: how the commands of each process ended."""

# ruff: noqa: S101 these are tests, for others to run

from dataclasses import replace

from chekov.store.port import CommandFigures, Store

_ONE = CommandFigures("bank-1/a", "bank", "r1", 5, 1, [0, 3, 0, 2])


class FiguresContract:
    """Tests of `store.figures`."""

    async def test_what_each_process_reported_last_is_listed(self, store: Store) -> None:
        """By the names of the processes, whatever their domain is."""
        other = CommandFigures("Bank-2/b", "shop", "r2", 0, 0, [])
        await store.figures.report(_ONE)
        await store.figures.report(other)
        assert list(await store.figures.list()) == [other, _ONE]
        later = replace(_ONE, commands=2**40, failures=2, durations=[0, 3, 0, 2, 2**40])
        await store.figures.report(later)
        await store.figures.report(later)
        assert list(await store.figures.list()) == [other, later]

    async def test_nothing_is_listed_before_a_process_reports(self, store: Store) -> None:
        """As where all processes are of former releases."""
        assert not await store.figures.list()
