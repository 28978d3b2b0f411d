"""Stores in memory whose appends can be held up or overtaken, and runtimes over them."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

from chekov import Domain, MemoryStore, Runtime
from chekov.store.port import Appended, Expected, NewEvent
from tests.doubles import OwnEvents
from tests.unit.engine.counter_domain import Counter, Doubling

DOMAIN = Domain("counting", aggregates=[Counter], command_handlers=[Doubling()])


class SlowStore(OwnEvents):
    """Appends nothing before `open` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.waiting = asyncio.Event()

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: int = Expected.ANY,
        command_id: UUID | None = None,
    ) -> Appended:
        self.waiting.set()
        await self.open.wait()
        return await super().append(stream, events, expected=expected, command_id=command_id)


class ContendedStore(OwnEvents):
    """Appends another event first, while it is overtaking."""

    def __init__(self) -> None:
        super().__init__()
        self.overtaking = True
        self.lost = 0

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: int = Expected.ANY,
        command_id: UUID | None = None,
    ) -> Appended:
        if self.overtaking:
            self.lost += 1
            await super().append(stream, [NewEvent(uuid4(), "Added", b'{"amount": 0}')])
        return await super().append(stream, events, expected=expected, command_id=command_id)


def over(store: MemoryStore, **options: float) -> Runtime:
    return Runtime(DOMAIN, store=store, subscriptions=False, **options)  # type: ignore[arg-type]
