from chekov import Context, Event, EventFilter, EventHandler, MemoryStore, NewEvent, handle
from chekov.engine.subscriptions.handler_routes import HandlerRoutes
from chekov.serialization.codec import Codec
from chekov.uuid7 import uuid7
from tests.integration.engine_domain import counting
from tests.unit.engine.counter_domain import Add, Added, Note, Noted, Seen
from tests.unit.engine.running import running


def routes() -> HandlerRoutes:
    seen = Seen()
    return HandlerRoutes(seen, Codec(counting(seen)))


def test_a_handler_wants_what_its_methods_take() -> None:
    table = routes()
    assert table.wants("Added")
    assert set(table.methods) == {"Added"}
    for name in ("Noted", "unheard-of"):
        assert not table.wants(name)
        assert table.decided[name] is False


def test_an_unknown_revision_of_a_wanted_event_is_wanted() -> None:
    """A newer release may have recorded it; it must not be passed over."""
    table = routes()
    assert table.wants("Added@7")
    assert not table.wants("Noted@7")
    assert "Added@7" not in table.methods


def test_names_that_others_invent_do_not_fill_the_memory() -> None:
    table = routes()
    for number in range(20_000):
        table.wants(f"made-up-{number}")
    assert len(table.decided) <= 10_000


class Everything(EventHandler, name="everything"):
    def __init__(self) -> None:
        self.events: list[Event] = []

    @handle
    async def anything(self, event: Event, context: Context) -> None:
        del context
        self.events.append(event)


async def test_a_handler_of_event_takes_every_event_of_the_domain_and_no_other() -> None:
    store = MemoryStore()
    everything = Everything()
    async with running(store, everything) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await store.append("foreign-1", [NewEvent(uuid7(), "Foreign", b"{}")])
        await runtime.dispatch(Note(counter="a", text="b"))
        await runtime.wait(3)
    assert everything.events == [Added(amount=1), Noted(text="b")]


class Moved(Event):
    by: int


class Left(Moved):
    pass


class Right(Moved):
    pass


class Sharp(Right):
    pass


class Moves(EventHandler, name="moves"):
    def __init__(self) -> None:
        self.taken: list[tuple[str, int]] = []

    @handle
    async def moved(self, event: Moved, context: Context) -> None:
        del context
        self.taken.append(("moved", event.by))

    @handle
    async def right(self, event: Right, context: Context) -> None:
        del context
        self.taken.append(("right", event.by))


class Knows(EventHandler, name="knows"):
    @handle
    async def turned(self, event: Left | Sharp, context: Context) -> None:
        pass


async def test_a_base_class_takes_the_events_that_derive_from_it_unless_one_is_nearer() -> None:
    store = MemoryStore()
    moves = Moves()
    async with running(store, moves, Knows()) as runtime:
        for number, name in enumerate(("Moved", "Left", "Right", "Sharp"), 1):
            await store.append("path-1", [NewEvent(uuid7(), name, b'{"by": %d}' % number)])
        await runtime.wait(4)
    assert moves.taken == [("moved", 1), ("moved", 2), ("right", 3), ("right", 4)]


async def test_a_filter_narrows_what_a_handler_is_given() -> None:
    class Some(Seen, name="seen", filter=EventFilter(stream="counter-b")):
        pass

    seen = Some()
    async with running(MemoryStore(), seen) as runtime:
        for counter, amount in (("a", 1), ("b", 2), ("a", 3)):
            await runtime.dispatch(Add(counter=counter, amount=amount))
        await runtime.wait(3)
    assert seen.amounts == [2]
