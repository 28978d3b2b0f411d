"""A client that does not read is dropped, and little is held for it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import pytest
from aiohttp import web

from chekov.server.event_writer import ClientStalled, EventWriter, parts
from chekov.store.memory import MemoryStore
from chekov.store.port import NewEvent, RecordedEvent
from chekov.uuid7 import uuid7


class Response:
    """Takes what is written until it is full."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.written: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.written.append(data)
        if len(self.written) > self.room:
            await asyncio.get_running_loop().create_future()


class Transport:
    waiting = 0

    def get_write_buffer_size(self) -> int:
        return self.waiting


def writer(
    response: Response,
    transport: Transport,
    *,
    heartbeat: float = 60,
    patience: float = 0.01,
    is_crowded: Callable[[], bool] = lambda: False,
) -> EventWriter:
    return EventWriter(
        cast("web.StreamResponse", response),
        cast("asyncio.WriteTransport", transport),
        heartbeat=heartbeat,
        patience=patience,
        is_crowded=is_crowded,
        impatience=0.001,
    )


async def stored(*sizes: int) -> Sequence[RecordedEvent]:
    async with MemoryStore() as store:
        events = [NewEvent(uuid7(), "noted", b'{"a":"%b"}' % (b"x" * size)) for size in sizes]
        return (await store.append("s-1", events)).recorded


async def test_events_are_cut_into_parts() -> None:
    events = await stored(*[30_000] * 20, 1_000_000, 5, 5)
    found = list(parts(events))
    assert [event for part in found for event in part] == list(events)
    assert [len(part) for part in found] == [3, 3, 3, 3, 3, 3, 3, 2]
    assert list(parts([])) == []


async def test_who_does_not_read_is_given_one_part_more() -> None:
    response = Response(room=2)
    writing = writer(response, Transport())
    events = await stored(*[1000] * 2000)
    first, second, third, *rest = parts(events)
    assert rest
    await writing.send(first, lambda event: event.position)
    await writing.send(second, lambda event: event.position)
    with pytest.raises(ClientStalled):
        await writing.send(third, lambda event: event.position)
    assert sum(map(len, response.written)) < 3 * 256 * 1024


async def test_who_does_not_read_while_others_wait_is_dropped_at_once() -> None:
    crowded = iter([False, False, True])
    writing = writer(Response(room=0), Transport(), patience=3600, is_crowded=lambda: next(crowded))
    [part] = parts(await stored(1000))
    with pytest.raises(ClientStalled):
        await writing.send(part, lambda event: event.position)
    assert not [*crowded]


async def test_a_sign_of_life_is_not_sent_on_top_of_what_is_unread() -> None:
    response, transport = Response(room=9), Transport()
    writing = writer(response, transport, heartbeat=0)
    await writing.keep_alive()
    assert response.written == [b": still here\n\n"]
    transport.waiting = 1
    with pytest.raises(ClientStalled):
        await writing.keep_alive()


async def test_no_sign_of_life_is_due_after_an_event() -> None:
    response = Response(room=9)
    writing = writer(response, Transport())
    await writing.send(await stored(1), lambda event: event.version)
    await writing.keep_alive()
    assert len(response.written) == 1
    assert 0 < writing.idle_seconds <= 60
