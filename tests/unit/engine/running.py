"""A runtime of the counter with some handlers, and what its store has of them."""

from collections.abc import Sequence

from chekov import Domain, EventHandler, MemoryStore, Runtime
from chekov.domain.failure import Retry
from chekov.engine.observer import Observer
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7
from tests.unit.engine.counter_domain import Counter

QUICK = Retry(attempts=3, first=0.001)


def running(
    store: MemoryStore,
    *handlers: EventHandler,
    lease: float = 5.0,
    observers: Sequence[Observer] = (),
    retry: Retry = QUICK,
    node: str = "node",
    most_parked_keys: int = 1000,
) -> Runtime:
    domain = Domain("counting", aggregates=[Counter], handlers=handlers)
    return Runtime(
        domain,
        store=store,
        lease=lease,
        observers=observers,
        retry=retry,
        node=node,
        most_parked_keys=most_parked_keys,
    )


async def append(store: MemoryStore, *data: bytes, stream: str = "counter-a") -> None:
    await store.append(stream, [NewEvent(uuid7(), "Added", item) for item in data])


async def saved(store: MemoryStore, position: int) -> bool:
    return (await store.subscriptions.list("counting"))[0].position >= position
