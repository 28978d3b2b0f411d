"""A process that does everything to a store that changes it, as wildly as its seed says.

It notes in a ledger what it does, and ends when its standard input does.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from uuid import UUID, uuid4, uuid5

import asyncpg

from chekov.errors import StoreError, StoreUnavailable, WrongExpectedVersion
from chekov.store.links import new_link
from chekov.store.port import Appended, Expected, NewEvent, RecordedEvent, StreamAppend
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.errors import DATABASE_ERRORS
from tests.integration.store_ledger import Ledger

WORKERS = 4
_COMMANDS = UUID("3d5e1c3e-6f3a-4f0f-8d41-5f0a3b1f2c11")


class Writer:
    """One of several that share a process, a store and a ledger."""

    def __init__(
        self, dsn: str, store: PostgresStore, ledger: Ledger, name: str, pair: int
    ) -> None:
        self.dsn = dsn
        self.store = store
        self.ledger = ledger
        self.name = name
        self.pair = pair
        self.choice = Random(name)
        self.versions: dict[str, int] = {}
        self.last: RecordedEvent | None = None
        self.commands = 0

    async def run(self, stopping: asyncio.Event) -> None:
        deeds: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (12, self.append),
            (4, self.append_together),
            (4, self.append_once),
            (3, self.append_in_transaction),
            (2, self.append_and_go),
            (2, self.link),
            (1, self.delete),
            (1, self.truncate),
        ]
        weights = [weight for weight, _ in deeds]
        while not stopping.is_set():
            [(_, deed)] = self.choice.choices(deeds, weights)
            await deed()

    async def append(self) -> None:
        append = self.new(self.stream())
        await self.noted([append], lambda: self.one(append))

    async def append_together(self) -> None:
        streams = dict.fromkeys(self.stream() for _ in range(3))
        appends = [self.new(stream) for stream in streams]
        await self.noted(appends, lambda: self.store.append_together(appends))

    async def append_once(self) -> None:
        """The other process of the pair does the same with the same ids, anywhere."""
        self.commands += 1
        command = uuid5(_COMMANDS, f"{self.pair} {self.commands}")
        append = self.new(self.stream(), command)._replace(expected=Expected.ANY)
        await self.noted([append], lambda: self.one(append, command), command)

    async def append_in_transaction(self) -> None:
        """In a transaction of our own, which is rolled back half of the time."""
        append = self.new(self.stream())
        rolls_back = self.choice.random() < 0.5

        async def work() -> Sequence[Appended]:
            connection = await asyncpg.connect(self.dsn)
            try:
                transaction = connection.transaction()
                await transaction.start()
                stream, events, expected = append
                appended = await self.store.read_models.append_in_transaction(
                    connection, stream, events, expected=expected
                )
                await (transaction.rollback() if rolls_back else transaction.commit())
            finally:
                connection.terminate()
            return [appended]

        await self.noted([append], work, is_kept=not rolls_back)

    async def append_and_go(self) -> None:
        """The caller loses patience at any moment."""
        append = self.new(self.stream())
        number = self.ledger.sends([append])
        task = asyncio.create_task(self.one(append))
        for _ in range(self.choice.randrange(12)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.ledger.answers(number, "unknown")

    async def link(self) -> None:
        if self.last is None:
            return
        stream, original = f"links-{self.pair}", self.last
        # A link has the same id each time: what is refused as repeated would be there all the same.
        self.last = None
        link = StreamAppend(stream, [new_link(stream, original)])
        await self.noted([link], lambda: self.linked(stream, original.position))

    async def delete(self) -> None:
        erase = self.choice.random() < 0.5
        stream = self.choice.choice((f"gone-{self.choice.randrange(9)}", f"own-{self.name}"))
        number = self.ledger.ends(stream, erase=erase)
        with suppress(StoreError):
            position = await self.store.streams.delete(stream, erase=erase)
            self.ledger.answers(number, "stored", [[0, position]])
            self.versions[stream] = 0

    async def truncate(self) -> None:
        erase = self.choice.random() < 0.5
        stream = self.stream()
        before = self.choice.randint(1, self.versions.get(stream, 0) + 1)
        self.ledger.ends(stream, erase=erase)
        with suppress(StoreError):
            await self.store.streams.truncate(stream, before=before, erase=erase)

    async def one(self, append: StreamAppend, command_id: UUID | None = None) -> Sequence[Appended]:
        stream, events, expected = append
        return [await self.store.append(stream, events, expected=expected, command_id=command_id)]

    async def linked(self, stream: str, position: int) -> Sequence[Appended]:
        return [await self.store.streams.link(stream, [position])]

    async def noted(
        self,
        appends: Sequence[StreamAppend],
        call: Callable[[], Awaitable[Sequence[Appended]]],
        command_id: UUID | None = None,
        *,
        is_kept: bool = True,
    ) -> None:
        number = self.ledger.sends(appends, command_id)
        outcome = "refused"
        places: list[tuple[int, int]] = []
        try:
            answers = await call()
        except StoreUnavailable as error:
            outcome = "refused" if error.stored is False else "unknown"
        except WrongExpectedVersion as conflict:
            self.versions[conflict.stream] = conflict.actual
        except StoreError:
            pass
        except DATABASE_ERRORS:
            # Our own transaction: it may be the answer to `commit` that was lost.
            outcome = "unknown" if is_kept else "refused"
        else:
            if is_kept:
                outcome = "stored"
                places = [(answer.version, answer.position) for answer in answers]
                self.versions.update((answer.stream, answer.version) for answer in answers)
                self.last = answers[0].recorded[0]
        self.ledger.answers(number, outcome, places)

    def stream(self) -> str:
        name = self.choice.choice(("shared", "shared", "gone", "own"))
        return f"own-{self.name}" if name == "own" else f"{name}-{self.choice.randrange(9)}"

    def new(self, stream: str, command: UUID | None = None) -> StreamAppend:
        known = self.versions.get(stream, 0)
        expected = self.choice.choice((known, known, -1, -1, -2, 0))
        count = self.choice.choice((1, 1, 1, 2, 4, 40))
        return StreamAppend(stream, [self.event(command) for _ in range(count)], expected)

    def event(self, command: UUID | None) -> NewEvent:
        data = json.dumps({"amount": self.choice.randrange(1000)}).encode()
        return NewEvent(uuid4(), "Added", data, None, command, command)


async def main(dsn: str, path: str, number: int, seed: str) -> None:
    """Write until told to stop."""
    ledger = Ledger(Path(path))
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, stopping.set)
    async with (
        PostgresStore(dsn, migrate=False, patience=60) as store,
        asyncio.TaskGroup() as group,
    ):
        for worker in range(WORKERS):
            name = f"{seed}-{number}-{worker}"
            group.create_task(Writer(dsn, store, ledger, name, number // 2).run(stopping))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
