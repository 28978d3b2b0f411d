"""A kind of handler is one class: this file adds a fourth without touching any other module."""

from collections.abc import Sequence

from chekov import Context, Domain, EventHandler, MemoryStore, Projection, Runtime, handle
from chekov.engine.subscriptions.at_least_once import AtLeastOnce
from chekov.engine.subscriptions.checkpoint import Progress
from chekov.engine.subscriptions.invocation import Invocation
from chekov.engine.subscriptions.kinds import kind_of, register_kind
from chekov.engine.subscriptions.transactional import Transactional
from chekov.server.manifest import manifest
from chekov.store.port import RecordedEvent
from tests.unit.engine.counter_domain import Add, Added, Counter, Note, Seen, status


class Recorder(EventHandler, name="recorder", consistency="strong"):
    """A handler whose kind keeps the stored events instead of calling it."""

    recorded: Sequence[RecordedEvent] = ()

    @handle
    async def added(self, event: Added, context: Context) -> None:
        raise AssertionError("its kind records the stored event instead")


class Recording(Invocation):
    kind = "recording"
    batch_size = 10

    async def invoke(
        self, checkpoint: Progress, events: Sequence[RecordedEvent], *, attempt: int
    ) -> int:
        assert isinstance(self.handler, Recorder)
        self.handler.recorded = [*self.handler.recorded, *events]
        checkpoint.advance(events[-1].position)
        return len(events)


register_kind(Recorder, Recording)


class RecorderOfMore(Recorder, name="more"):
    pass


async def test_a_further_kind_is_one_class_that_is_registered_from_outside() -> None:
    recorder, seen = Recorder(), Seen()
    domain = Domain("counting", aggregates=[Counter], handlers=[recorder, seen])
    async with Runtime(domain, store=MemoryStore()) as runtime:
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount))
            await runtime.dispatch(Note(counter="a", text="not for it"), consistency="strong")
        kinds = [status(runtime, name).kind for name in ("recorder", "seen")]
    assert [event.position for event in recorder.recorded] == [1, 3, 5]
    assert seen.amounts == [1, 2, 3]
    assert kinds == ["recording", "handler"]
    assert [item["kind"] for item in manifest(domain)["subscriptions"]] == kinds


def test_the_nearest_base_decides_the_kind() -> None:
    class Table(Projection):
        tables = "create table t ()"

    assert kind_of(Seen()) is AtLeastOnce
    assert kind_of(Table()) is Transactional
    assert kind_of(RecorderOfMore()) is Recording
