"""Stores in memory whose appends can be held up or overtaken, and runtimes over them."""

import asyncio
from uuid import uuid4

from chekov import Domain, MemoryStore, Runtime
from chekov.store.port import NewEvent
from tests.doubles import OwnEvents
from tests.unit.engine.counter_domain import Counter, Doubling

DOMAIN = Domain("counting", aggregates=[Counter], command_handlers=[Doubling()])


class SlowStore(OwnEvents):
    """Appends nothing before `open` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.waiting = asyncio.Event()

    async def before_append(self, stream: str) -> None:
        self.waiting.set()
        await self.open.wait()


class ContendedStore(OwnEvents):
    """Appends another event first, while it is overtaking."""

    def __init__(self) -> None:
        super().__init__()
        self.overtaking = True
        self.lost = 0

    async def before_append(self, stream: str) -> None:
        if self.overtaking:
            self.lost += 1
            await self.append_at_once(stream, [NewEvent(uuid4(), "Added", b'{"amount": 0}')])


def over(store: MemoryStore, **options: float) -> Runtime:
    return Runtime(DOMAIN, store=store, subscriptions=False, **options)  # type: ignore[arg-type]
