"""What is stored with the events of a command besides their content."""

from typing import Any
from uuid import uuid4

import pytest

from chekov import MemoryStore
from chekov.errors import InvalidCommand
from chekov.serialization.codec import decode_metadata
from tests.unit.engine.commands.counting import over
from tests.unit.engine.counter_domain import Add, Seen
from tests.unit.engine.running import running


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
        "$caused_by": str(cause),
        "$command": "Add",
    }


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [({"$caused_by": "me"}, r"'\$caused_by': keys"), ({"$": 1}, "choose another"), ("ab", "a str")],
)
async def test_metadata_that_is_not_the_senders_to_give_is_refused(
    metadata: Any, fault: str
) -> None:
    async with over(MemoryStore()) as runtime:
        with pytest.raises(InvalidCommand, match=fault):
            await runtime.dispatch(Add(counter="a", amount=1), metadata=metadata)
        assert await runtime.store.head() == 0


async def test_handlers_and_upcasters_see_what_the_sender_gave_and_can_hand_it_on() -> None:
    seen = Seen()
    async with running(MemoryStore(), seen) as runtime:
        given = {"user": "ada", "traceparent": "theirs"}
        await runtime.dispatch(
            Add(counter="a", amount=1),
            command_id=uuid4(),
            causation_id=uuid4(),
            metadata=given,
            consistency="strong",
        )
        assert seen.contexts[0].metadata == given
        done = await runtime.dispatch(
            Add(counter="b", amount=1), metadata=seen.contexts[0].metadata
        )
        assert decode_metadata(done.recorded[0].metadata) == given


async def test_metadata_that_json_cannot_hold_is_refused() -> None:
    async with over(MemoryStore()) as runtime:
        with pytest.raises(InvalidCommand, match="metadata"):
            await runtime.dispatch(Add(counter="a", amount=1), metadata={"x": object()})
        assert await runtime.store.head() == 0
