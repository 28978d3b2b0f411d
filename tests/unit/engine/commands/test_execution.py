"""What is stored with the events of a command besides their content."""

from uuid import uuid4

import pytest

from chekov import MemoryStore
from chekov.errors import InvalidCommand
from chekov.serialization.codec import decode_metadata
from tests.unit.engine.commands.counting import over
from tests.unit.engine.counter_domain import Add


async def test_ids_and_metadata_of_the_sender_are_stored() -> None:
    command, correlation, cause = uuid4(), uuid4(), uuid4()
    async with over(MemoryStore()) as runtime:
        done = await runtime.dispatch(
            Add(counter="a", amount=3),
            command_id=command,
            correlation_id=correlation,
            causation_id=cause,
            metadata={"user": "ada"},
        )
    stored = done.recorded[0]
    assert (stored.causation_id, stored.correlation_id) == (command, correlation)
    assert decode_metadata(stored.metadata) == {
        "user": "ada",
        "caused_by": str(cause),
        "$command": "Add",
    }


async def test_metadata_that_json_cannot_hold_is_refused() -> None:
    async with over(MemoryStore()) as runtime:
        with pytest.raises(InvalidCommand, match="metadata"):
            await runtime.dispatch(Add(counter="a", amount=1), metadata={"x": object()})
        assert await runtime.store.head() == 0
