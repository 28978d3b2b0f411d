"""What a process does with more than it can take: it lets wait, then refuses."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Iterable
from uuid import UUID, uuid4

from aiohttp import ClientResponse
from aiohttp.web import Server

from chekov import (
    Aggregate,
    Command,
    CommandEnvelope,
    Dispatched,
    Event,
    Identifier,
    apply,
    execute,
)
from chekov.domain.middleware import Next
from tests.unit.server.conftest import OPEN, OpenAccount, Serving, problem
from tests.unit.server.conftest import Server as Service
from tests.waiting import until

FOREVER = "3600"


class Doors:
    """Middleware that holds every command until it is opened."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.open = asyncio.Event()

    async def __call__(self, envelope: CommandEnvelope[Event], proceed: Next) -> Dispatched[Event]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.open.wait()
            return await proceed(envelope)
        finally:
            self.inside -= 1


def opening() -> dict[str, str]:
    return {"account_id": str(uuid4()), "owner": "Ada"}


async def open_account(server: Service) -> ClientResponse:
    return await server.api.post("/commands/OpenAccount", json=opening())


async def test_commands_wait_for_a_place_and_all_are_executed(serving: Serving) -> None:
    doors = Doors()
    async with serving(
        domain_options={"middleware": [doors]},
        CHEKOV_MAX_IN_FLIGHT="3",
        CHEKOV_ADMISSION_WAIT=FOREVER,
    ) as server:
        requests = [asyncio.create_task(open_account(server)) for _ in range(20)]
        await until(lambda: doors.inside == 3)
        doors.open.set()
        assert [(await request).status for request in requests] == [200] * 20
        assert doors.most == 3


async def test_who_waits_too_long_is_refused_and_told_when_to_come_back(serving: Serving) -> None:
    doors = Doors()
    async with serving(
        domain_options={"middleware": [doors]},
        CHEKOV_MAX_IN_FLIGHT="1",
        CHEKOV_ADMISSION_WAIT="0.01",
    ) as server:
        first = asyncio.create_task(open_account(server))
        await until(lambda: doors.inside == 1)
        response = await open_account(server)
        await problem(response, 429, "overloaded")
        assert response.headers["Retry-After"] == "1"
        doors.open.set()
        assert (await first).status == 200
        assert (await open_account(server)).status == 200


async def test_clients_leave_room_for_the_commands_of_the_domain_itself(serving: Serving) -> None:
    doors = Doors()
    async with serving(
        domain_options={"middleware": [doors]},
        CHEKOV_MAX_IN_FLIGHT="3",
        CHEKOV_ADMISSION_WAIT=FOREVER,
    ) as server:
        requests = [asyncio.create_task(open_account(server)) for _ in range(20)]
        await until(lambda: doors.inside == 3)
        own = [
            asyncio.create_task(server.runtime.dispatch(OpenAccount(account_id=uuid4(), owner="B")))
            for _ in range(100)
        ]
        await until(lambda: doors.inside == 103)
        doors.open.set()
        assert [(await command).version for command in own] == [1] * 100
        assert [(await request).status for request in requests] == [200] * 20


async def test_a_command_whose_client_left_while_it_waited_is_not_executed(
    serving: Serving,
) -> None:
    doors = Doors()
    async with serving(
        domain_options={"middleware": [doors]},
        CHEKOV_MAX_IN_FLIGHT="1",
        CHEKOV_ADMISSION_WAIT=FOREVER,
    ) as server:
        first = asyncio.create_task(open_account(server))
        await until(lambda: doors.inside == 1)
        reader, writer = await asyncio.open_connection(server.api.host, server.api.port)
        body = json.dumps(opening())
        writer.write(
            f"POST /commands/OpenAccount HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}"
            f"\r\n\r\n{body}".encode()
        )
        listener = server.api.server.runner.server  # type: ignore[attr-defined]
        assert listener is not None
        await until(lambda: listener.requests_count == 2)
        writer.transport.abort()
        del reader
        await until(lambda: in_transport(listener) == 1)
        doors.open.set()
        assert (await first).status == 200
        assert (await open_account(server)).status == 200
        assert await server.runtime.store.head() == 2


async def test_the_lines_of_batches_wait_however_long_it_takes(serving: Serving) -> None:
    doors = Doors()
    lines = "\n".join(json.dumps({"command": "OpenAccount", "data": opening()}) for _ in range(50))
    async with serving(
        domain_options={"middleware": [doors]},
        CHEKOV_MAX_IN_FLIGHT="3",
        CHEKOV_ADMISSION_WAIT="0.001",
    ) as server:
        headers = {"Content-Type": "application/x-ndjson"}
        response = asyncio.create_task(server.api.post("/commands", data=lines, headers=headers))
        await until(lambda: doors.inside == 3)
        await asyncio.gather(
            *[refused(server.api.post("/commands/OpenAccount", json=opening())) for _ in range(3)]
        )
        doors.open.set()
        results = (await (await response).text()).splitlines()
        assert len(results) == 50
        assert all('"version":1' in result for result in results)
        assert doors.most == 3


def in_transport(listener: Server) -> int:
    """How many connections are open."""
    return sum(item.transport is not None for item in listener.connections)


async def refused(response: Awaitable[object]) -> None:
    assert getattr(await response, "status") == 429  # noqa: B009


class Noted(Event):
    text: str


class Note(Command[Noted]):
    note: Identifier[UUID]
    text: str


class Notes(Aggregate, identity="note"):
    @execute
    def note(self, command: Note) -> Iterable[Noted]:
        yield Noted(text=command.text)

    @apply
    def noted(self, event: Noted) -> None:
        pass


def note(size: int) -> dict[str, str]:
    return {"note": str(uuid4()), "text": "a" * size}


async def test_large_bodies_are_held_up_to_so_many_bytes_at_a_time(serving: Serving) -> None:
    doors = Doors()
    async with serving(
        Notes,
        domain_options={"middleware": [doors]},
        CHEKOV_MAX_CONTENT="100000",
        CHEKOV_ADMISSION_WAIT=FOREVER,
    ) as server:
        large = [
            asyncio.create_task(server.api.post("/commands/Note", json=note(40_000)))
            for _ in range(5)
        ]
        await until(lambda: doors.inside == 2)
        small = asyncio.create_task(server.api.post("/commands/Note", json=note(10)))
        await until(lambda: doors.inside == 3)
        assert doors.most == 3
        doors.open.set()
        assert [(await request).status for request in (*large, small)] == [200] * 6


async def test_large_lines_of_a_batch_take_room_as_bodies_do(serving: Serving) -> None:
    doors = Doors()
    async with serving(
        Notes,
        domain_options={"middleware": [doors]},
        CHEKOV_MAX_CONTENT="100000",
        CHEKOV_ADMISSION_WAIT="0.001",
    ) as server:
        sizes = [10, 40_000, 40_000, 40_000, 10, 40_000]
        lines = [json.dumps({"command": "Note", "data": note(size)}) for size in sizes]
        headers = {"Content-Type": "application/x-ndjson"}
        batch = asyncio.create_task(
            server.api.post("/commands", data="\n".join(lines), headers=headers)
        )
        await until(lambda: doors.inside == 3)
        small = asyncio.create_task(server.api.post("/commands/Note", json=note(10)))
        await until(lambda: doors.inside == 4)
        await refused(server.api.post("/commands/Note", json=note(40_000)))
        assert doors.most == 4
        doors.open.set()
        results = (await (await batch).text()).splitlines()
        assert ['"version":1' in result for result in results] == [True] * 6
        assert (await small).status == 200
        assert (await server.api.post("/commands/Note", json=note(99_000))).status == 200


async def test_bodies_of_unknown_size_take_what_they_turn_out_to_have(serving: Serving) -> None:
    doors = Doors()
    async with serving(
        Notes,
        domain_options={"middleware": [doors]},
        CHEKOV_MAX_CONTENT="100000",
        CHEKOV_ADMISSION_WAIT=FOREVER,
    ) as server:
        compressed = {"Content-Encoding": "gzip", "Content-Type": "application/json"}

        def post(size: int) -> asyncio.Task[ClientResponse]:
            content = gzip.compress(json.dumps(note(size)).encode())
            return asyncio.create_task(
                server.api.post("/commands/Note", data=content, headers=compressed)
            )

        requests = [post(10) for _ in range(5)]
        await until(lambda: doors.inside == 5)
        requests.append(post(99_000))
        await until(lambda: doors.inside == 6)
        requests += [post(40_000) for _ in range(3)]
        small = asyncio.create_task(server.api.post("/commands/Note", json=note(10)))
        await until(lambda: doors.inside == 7)
        assert doors.most == 7
        doors.open.set()
        assert [(await request).status for request in (*requests, small)] == [200] * 10


async def test_bodies_that_do_not_arrive_hold_no_room_for_ever(serving: Serving) -> None:
    async with serving(
        Notes,
        CHEKOV_MAX_CONTENT="100000",
        CHEKOV_ARRIVAL_TIMEOUT="0.2",
        CHEKOV_ADMISSION_WAIT=FOREVER,
    ) as server:
        held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection(server.api.host, server.api.port)
            writer.write(
                b"POST /commands/Note HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n{"
            )
            held.append((reader, writer))
        response = await server.api.post("/commands/Note", json=note(90_000))
        assert response.status == 200
        async with asyncio.timeout(240):
            for reader, writer in held:
                assert b"408" in await reader.readline()
                assert b"request-timeout" in await reader.read()  # until the server closes
                writer.close()


async def test_lines_that_are_never_completed_take_room_and_give_it_back(
    serving: Serving,
) -> None:
    async with serving(
        Notes, CHEKOV_MAX_CONTENT="100000", CHEKOV_BODY_LIMIT="60000", CHEKOV_ADMISSION_WAIT="0.001"
    ) as server:
        head = b"POST /commands HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        held: list[asyncio.StreamWriter] = []
        for _ in range(3):
            _, writer = await asyncio.open_connection(server.api.host, server.api.port)
            writer.write(head + b"9c40\r\n" + b"[" * 40_000 + b"\r\n")
            held.append(writer)
        large = note(50_000)

        async def is_full() -> bool:
            return (await server.api.post("/commands/Note", json=large)).status == 429

        await until(is_full)
        assert (await server.api.post("/commands/Note", json=note(10))).status == 200
        for writer in held:
            writer.transport.abort()

        async def is_free() -> bool:
            return not await is_full()

        await until(is_free)


async def test_a_line_that_grows_for_too_long_ends_its_batch(serving: Serving) -> None:
    async with serving(Notes, CHEKOV_ARRIVAL_TIMEOUT="0.3") as server:
        reader, writer = await asyncio.open_connection(server.api.host, server.api.port)
        writer.write(
            b"POST /commands HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"9c40\r\n" + b"[" * 40_000 + b"\r\n"
        )
        answer = bytearray()

        async def read() -> None:
            while part := await reader.read(1000):
                answer.extend(part)

        async def has_ended() -> bool:
            writer.write(b"1\r\n[\r\n")  # something arrives all the time
            return b"request-timeout" in answer

        reading = asyncio.create_task(read())
        await until(has_ended)
        writer.transport.abort()
        await asyncio.gather(reading, return_exceptions=True)


async def test_a_line_above_the_limit_holds_no_room(serving: Serving) -> None:
    async with serving(Notes, CHEKOV_MAX_CONTENT="60000", CHEKOV_BODY_LIMIT="60000") as server:
        _, writer = await asyncio.open_connection(server.api.host, server.api.port)
        writer.write(
            b"POST /commands HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"ea61\r\n" + b"[" * 60_001 + b"\r\n"
        )
        assert (await server.api.post("/commands/Note", json=note(50_000))).status == 200
        writer.close()


async def test_a_batch_whose_next_part_does_not_arrive_ends_with_a_problem(
    serving: Serving,
) -> None:
    async with serving(CHEKOV_ARRIVAL_TIMEOUT="0.2") as server:
        reader, writer = await asyncio.open_connection(server.api.host, server.api.port)
        line = json.dumps({"command": "OpenAccount", "data": OPEN})
        writer.write(
            b"POST /commands HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            + f"{len(line) + 1:x}\r\n{line}\n\r\n".encode()
        )
        async with asyncio.timeout(240):
            answer = await reader.read()
        writer.close()
        assert b'"version":1' in answer
        assert b"request-timeout" in answer


async def test_a_body_above_the_limit_is_refused_before_it_takes_room(serving: Serving) -> None:
    async with serving(Notes, CHEKOV_BODY_LIMIT="20000", CHEKOV_MAX_CONTENT="20000") as server:
        for _ in range(3):
            response = await server.api.post("/commands/Note", json=note(30_000))
            await problem(response, 413, "content-too-large")
        assert (await server.api.post("/commands/Note", json=note(19_000))).status == 200
