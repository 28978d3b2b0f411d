"""Contract of `Store.reporting_commits`."""

# ruff: noqa: S101 these are tests, for others to run

import asyncio

import pytest

from chekov.errors import WrongExpectedVersion
from chekov.store.port import Store, StreamAppend
from chekov.testing.contract.event_store import event

_Batch = tuple[int, int, float]


class CommitReportsContract:
    """Tests of reports about committed batches."""

    async def test_committed_batches_are_reported_within_the_block(self, store: Store) -> None:
        """Each append and event once, in batches of any size; what is refused is not reported."""
        first: list[_Batch] = []
        second: list[_Batch] = []
        complete = asyncio.Event()

        def report(appends: int, events: int, seconds: float) -> None:
            second.append((appends, events, seconds))
            if sum(batch[0] for batch in second) == 8:
                complete.set()

        def report_first(appends: int, events: int, seconds: float) -> None:
            first.append((appends, events, seconds))

        with store.reporting_commits(report_first), store.reporting_commits(report):
            await store.append("a", [event(), event()])
            await asyncio.gather(*(store.append(f"b-{number}", [event()]) for number in range(5)))
            await store.append_together(
                [StreamAppend("c", [event()]), StreamAppend("d", [event()])]
            )
            with pytest.raises(WrongExpectedVersion):
                await store.append("a", [event()], expected=1)
            await complete.wait()
        await store.append("e", [event()])
        assert sum(appends for appends, _, _ in first) == 8
        assert sum(events for _, events, _ in first) == 9
        assert all(seconds >= 0 for _, _, seconds in first)
        assert first == second
