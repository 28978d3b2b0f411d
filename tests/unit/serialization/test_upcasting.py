"""Any upcasters in any order: aggregates and handlers see the same, and what a model says."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chekov import (
    Aggregate,
    Context,
    Domain,
    Event,
    EventHandler,
    Json,
    MemoryStore,
    MessagePack,
    Origin,
    Runtime,
    Serializer,
    Upcaster,
    apply,
    handle,
    upcast,
)
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7

Answer = tuple[str, int]
"""Where an upcaster leads, and what it adds."""


class Up(Event, name="up", aliases=("higher",)):
    by: int


class Down(Event, name="down", revision=4):
    by: int


CURRENT = ("up", "higher", "down@4")
FORMER = tuple(f"former{n}" for n in range(6))


class Level(Aggregate, identity="level"):
    seen: list[Event] = field(default_factory=list[Event])

    @apply
    def moved(self, event: Up | Down) -> None:
        self.seen.append(event)


class Follower(EventHandler, name="follower"):
    def __init__(self) -> None:
        self.seen: list[tuple[int, Event]] = []

    @handle
    async def up(self, event: Up, context: Context) -> None:
        self.seen.append((context.position, event))

    @handle
    async def down(self, event: Down, context: Context) -> None:
        self.seen.append((context.position, event))


def made(source: str, answers: Sequence[Answer], *, single: bool) -> Upcaster[Any]:
    """An upcaster that answers so; where it can, one of the simple kind."""

    def one(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
        return {"by": data["by"] + answers[0][1] + origin.position}

    def many(data: dict[str, Any], origin: Origin) -> Iterable[tuple[str, dict[str, Any]]]:
        for target, more in answers:
            yield target, {"by": data["by"] + more + origin.position}

    if single and len(answers) == 1:
        return upcast(source, to=answers[0][0])(one)
    return upcast(source, to=tuple(target for target, _ in answers))(many)


def modelled(
    name: str, by: int, position: int, table: Mapping[str, Sequence[Answer]]
) -> Iterable[Event]:
    """What a recorded event is to become."""
    if name not in table:
        yield Down(by=by) if name == "down@4" else Up(by=by)
        return
    for target, more in table[name]:
        yield from modelled(target, by + more + position, position, table)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Answer]]:
    """For each former name, answers that lead to current names or to later former ones."""
    table: dict[str, list[Answer]] = {}
    for number, source in enumerate(FORMER):
        targets = st.sampled_from([*CURRENT, *FORMER[number + 1 :]])
        table[source] = draw(st.lists(st.tuples(targets, st.integers(-9, 9)), max_size=2))
    return table


async def followed(
    domain: Domain, history: Sequence[tuple[str, bytes]], follower: Follower
) -> Sequence[Event]:
    """What the aggregate saw, once the follower has seen it too."""
    store = MemoryStore()
    async with store, Runtime(domain, store=store) as runtime:
        new = [NewEvent(uuid7(), name, data) for name, data in history]
        await store.append("level-a", new)
        await runtime.wait(len(new))
        assert follower.seen == [
            (recorded.position, event)
            for recorded in await store.read_page()
            for event in runtime.decode_all(recorded)
        ]
        return (await runtime.load(Level, "a")).state.seen


@settings(deadline=None, max_examples=60)
@given(
    table=tables(),
    history=st.lists(
        st.tuples(st.sampled_from([*CURRENT, *FORMER]), st.integers(-99, 99), st.booleans()),
        min_size=1,
        max_size=8,
    ),
    order=st.permutations(FORMER),
    single=st.booleans(),
)
def test_aggregates_and_handlers_see_the_same(
    table: dict[str, list[Answer]],
    history: list[tuple[str, int, bool]],
    order: Sequence[str],
    *,
    single: bool,
) -> None:
    follower = Follower()
    domain = Domain(
        "levels",
        aggregates=[Level],
        handlers=[follower],
        upcasters=[made(source, table[source], single=single) for source in order],
        serializer=MessagePack(),
    )
    serializers: dict[bool, Serializer] = {False: Json(), True: MessagePack()}
    stored = [(name, serializers[packed].encode({"by": by})) for name, by, packed in history]
    expected = [
        event
        for position, (name, by, _) in enumerate(history, 1)
        for event in modelled(name, by, position, table)
    ]
    assert asyncio.run(followed(domain, stored, follower)) == expected
    assert [event for _, event in follower.seen] == expected
