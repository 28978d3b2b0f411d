import asyncio

from chekov import MemoryStore
from tests.unit.engine.counter_domain import Add, Added, Seen, status
from tests.unit.engine.running import running, saved
from tests.waiting import until


async def test_a_slow_handler_saves_its_checkpoint_while_it_works() -> None:
    store = MemoryStore()
    gates = asyncio.Semaphore(0)

    async def wait(event: Added) -> None:
        await gates.acquire()

    slow = Seen(wait)
    async with running(store, slow, lease=0.1) as runtime:
        for amount in range(1, 6):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await until(lambda: status(runtime, "seen").owned)
        gates.release()
        await until(lambda: slow.amounts == [1])
        await runtime.wait(1)
        gates.release()
        await until(lambda: saved(store, 1))
        assert runtime.healthy
        for _ in range(5):
            gates.release()
        await runtime.wait(5)
    assert slow.amounts == [1, 2, 3, 4, 5]
