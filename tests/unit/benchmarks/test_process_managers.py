"""The load on process managers, and its check."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from benchmarks.history import HistoryError
from benchmarks.process_managers import MOVES, STEPS, checked, transfers
from chekov import MemoryStore, RecordedEvent


async def test_each_instance_does_its_steps() -> None:
    done = await transfers(MemoryStore(), "chekov", 20)
    assert done.rate.count == STEPS * 20
    assert sum(done.streams.values()) == 20 + STEPS * 20


async def log(types: Sequence[str]) -> AsyncGenerator[RecordedEvent]:
    for position, type_ in enumerate(types, 1):
        yield RecordedEvent(
            position, "s", position, UUID(int=position), type_, b'{"transfer": "t"}',
            None, None, None, datetime.now(UTC),
        )  # fmt: skip


@pytest.mark.parametrize("types", [MOVES[:2], [*MOVES, MOVES[2]], [MOVES[0], MOVES[2], MOVES[1]]])
async def test_a_loss_a_repetition_and_a_wrong_order_are_found(types: Sequence[str]) -> None:
    assert await checked(log(MOVES), ["t"]) == {"s": STEPS}
    with pytest.raises(HistoryError, match="t: "):
        await checked(log(types), ["t"])
