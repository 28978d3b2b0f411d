"""Contract of `read_page` with a filter: each condition, and every combination of them."""

# ruff: noqa: S101 these are tests, for others to run

from itertools import product
from typing import Final
from uuid import UUID, uuid4

import pytest

from chekov.domain.event_filter import EventFilter
from chekov.store.port import NewEvent, RecordedEvent, Store
from chekov.testing.contract.event_store import caused, event, positions

_STREAMS: Final = ("order-1", "order-10", "order-2", "order-line-1", "stock-1", "orders", "$x")
_IDS: Final = [UUID(int=number) for number in range(1, 4)]


def _new(number: int) -> NewEvent:
    return NewEvent(
        uuid4(),
        ("a", "b", "c")[number % 3],
        b"{}",
        None,
        (None, *_IDS)[number % 4],
        (*_IDS, None, _IDS[0])[number % 5],
    )


async def _read(
    store: Store, filter: EventFilter, *, back: bool, limit: int
) -> list[RecordedEvent]:
    """Every matching event, page by page."""
    found: list[RecordedEvent] = []
    direction = "backward" if back else "forward"
    while page := await store.read_page(
        after=found[-1].position if found else 0,
        limit=limit,
        direction=direction,
        filter=filter,
    ):
        found += page
        if back and page[-1].position == 1:
            break
    return found


class FilterContract:
    """Tests of `EventFilter` in `store.read_page`."""

    async def test_the_names_of_all_events_are_known(self, store: Store) -> None:
        """Each once, in no particular order."""
        assert set(await store.types()) == set()
        for type_ in ("b", "a", "b", "B", "a|2", "\u65e5"):
            await store.append("s-1", [event(type_=type_)])
        assert sorted(await store.types()) == sorted({"a", "b", "B", "a|2", "\u65e5"})

    async def test_pages_can_be_filtered(self, store: Store) -> None:
        """By type, by category, and by both."""
        for number in range(12):
            category = ("order", "order-line", "orders")[number % 3]
            await store.append(f"{category}-{number}", [event(type_="ab"[number % 2])])
        assert positions(
            await store.read_page(limit=3, filter=EventFilter(types=frozenset({"a"})))
        ) == [1, 3, 5]
        assert positions(
            await store.read_page(after=10, filter=EventFilter(types=frozenset({"a", "b"})))
        ) == [11, 12]
        assert not await store.read_page(filter=EventFilter(types=frozenset()))
        assert positions(await store.read_page(filter=EventFilter(category="orders"))) == [
            3,
            6,
            9,
            12,
        ]
        assert positions(
            await store.read_page(after=5, filter=EventFilter(category="order-line"))
        ) == [8, 11]
        both = await store.read_page(
            direction="backward", filter=EventFilter(category="orders", types=frozenset({"b"}))
        )
        assert positions(both) == [12, 6]
        assert not await store.read_page(filter=EventFilter(category="rder"))

    async def test_events_are_found_by_what_they_belong_to(self, store: Store) -> None:
        """Correlation, causation and the beginning of the stream's name, alone and together."""
        flow, first, second = uuid4(), uuid4(), uuid4()
        await store.append("order-1", [caused(first, flow), caused(first, flow)])
        await store.append("stock-1", [caused(second, flow)])
        await store.append("order-2", [caused(second), event("u")])
        by_flow = await store.read_page(filter=EventFilter(correlation=flow))
        assert positions(by_flow) == [1, 2, 3]
        assert positions(
            await store.read_page(after=1, limit=1, filter=EventFilter(correlation=flow))
        ) == [2]
        assert positions(await store.read_page(filter=EventFilter(causation=first))) == [1, 2]
        assert positions(await store.read_page(filter=EventFilter(causation=second))) == [3, 4]
        back = await store.read_page(
            direction="backward", limit=1, filter=EventFilter(causation=second)
        )
        assert positions(back) == [4]
        both = await store.read_page(filter=EventFilter(causation=second, correlation=flow))
        assert positions(both) == [3]
        assert positions(await store.read_page(filter=EventFilter(prefix="order-"))) == [1, 2, 4, 5]
        assert positions(
            await store.read_page(filter=EventFilter(prefix="order-2", types=frozenset({"u"})))
        ) == [5]
        assert positions(await store.read_page(filter=EventFilter(prefix="s"))) == [3]
        assert positions(
            await store.read_page(filter=EventFilter(prefix="order-1", category="order"))
        ) == [1, 2]
        assert not await store.read_page(filter=EventFilter(prefix="stock", category="order"))
        assert positions(
            await store.read_page(filter=EventFilter(prefix="st", category="stock"))
        ) == [3]
        assert positions(
            await store.read_page(limit=4, filter=EventFilter(types=frozenset({"t", "u"})))
        ) == [1, 2, 3, 4]
        assert not await store.read_page(filter=EventFilter(correlation=uuid4()))

    async def test_events_are_found_by_what_led_to_their_commands(self, store: Store) -> None:
        """It stands first in their metadata, which may hold whatever else."""
        one, two = uuid4(), uuid4()
        found: list[bytes | None] = [
            b'{"$caused_by":"%s"}' % str(one).encode(),
            b'{"$caused_by":"%s","tenant":"a\\u0000\\ud800"}' % str(one).encode(),
            b'{"$caused_by":"%s"}' % str(two).encode(),
            b'{"nested":{"$caused_by":"%s"}}' % str(one).encode(),
            b'{"tenant":"\\u0000"}',
            b'{"$caused_by":1}',
            b'{"$caused_by":"short"}',
            None,
        ]
        for number, metadata in enumerate(found):
            recorded = NewEvent(uuid4(), "t" if number else "u", b"{}", metadata)
            await store.append(f"order-{number}", [recorded])
        by_one = EventFilter(caused_by=one)
        assert positions(await store.read_page(filter=by_one)) == [1, 2]
        assert positions(await store.read_page(after=1, filter=by_one)) == [2]
        assert positions(await store.read_page(limit=1, direction="backward", filter=by_one)) == [2]
        both = EventFilter(caused_by=one, types=frozenset({"u"}), category="order")
        assert positions(await store.read_page(filter=both)) == [1]
        assert positions(await store.read_page(filter=EventFilter(caused_by=two))) == [3]
        assert not await store.read_page(filter=EventFilter(caused_by=uuid4()))

    @pytest.mark.parametrize("back", [False, True])
    async def test_a_page_has_the_events_that_match(self, store: Store, *, back: bool) -> None:
        """Whichever conditions are combined, and across the borders of pages."""
        for number in range(60):
            await store.append(_STREAMS[number % 6], [_new(number)])
        await store.streams.delete("order-10")
        await store.streams.truncate("order-2", before=4, erase=True)
        log = await store.read_page(direction="backward" if back else "forward")
        combinations = list(
            product(
                (None, frozenset({"a"}), frozenset({"a", "c", "$deleted"})),
                (None, "order"),
                (None, "order-1", "order-2", "order-10", "$erased", "none"),
                (None, "order", "order-1"),
                (None, _IDS[0]),
                (None, _IDS[0]),
            )
        )
        matching = 0
        for types, category, stream, prefix, correlation, causation in combinations:
            filter_ = EventFilter(
                types=types,
                category=category,
                stream=stream,
                prefix=prefix,
                correlation=correlation,
                causation=causation,
            )
            wanted = [item for item in log if filter_.matches(item)]
            assert await _read(store, filter_, back=back, limit=4) == wanted, filter_
            matching += bool(wanted)
        assert matching > len(combinations) // 8

    async def test_a_stream_is_found_in_the_log_from_any_position(self, store: Store) -> None:
        """Positions of the stream lie apart, and its first events may be erased."""
        for number in range(40):
            await store.append("a", [event()])
            await store.append("b", [event() for _ in range(number % 3 + 1)])
        await store.streams.truncate("a", before=15, erase=True)
        all_ = [item.position for item in await store.read_page() if item.stream == "a"]
        assert len(all_) == 26
        only = EventFilter(stream="a")
        for after in range(await store.head() + 2):
            page = await store.read_page(after=after, limit=3, filter=only)
            assert positions(page) == [item for item in all_ if item > after][:3]
            page = await store.read_page(after=after, limit=3, direction="backward", filter=only)
            below = [item for item in all_ if item < after or not after]
            assert positions(page) == below[::-1][:3]
