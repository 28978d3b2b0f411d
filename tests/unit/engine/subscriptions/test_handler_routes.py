from chekov.engine.subscriptions.handler_routes import HandlerRoutes
from chekov.serialization.codec import Codec
from tests.integration.engine_domain import counting
from tests.unit.engine.counter_domain import Seen


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
