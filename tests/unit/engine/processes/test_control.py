import pytest

from chekov import MemoryStore, Runtime, UnknownSubscription
from tests.unit.engine.processes.test_process_managers import bank, request
from tests.unit.engine.processes.transfers import Deposit
from tests.waiting import until


async def are_depositing(runtime: Runtime) -> bool:
    found = await runtime.processes.list()
    return [[command.command for command in item.commands] for item in found] == [["Deposit"]] * 2


async def test_open_instances_are_shown_with_what_they_wait_for() -> None:
    async with bank() as runtime:
        await runtime.dispatch(Deposit(account="a", amount=10))
        await request(runtime, "t1", target="broken", amount=1)
        await request(runtime, "t2", target="broken", amount=2)
        await until(lambda: are_depositing(runtime))
        first, second = await runtime.processes.list("transfer")
        assert (first.name, first.instance, second.instance) == ("transfer", "t1", "t2")
        assert first.state == {"source": "a", "target": "broken", "amount": 1, "step": "depositing"}
        assert [(item.command, item.refused, item.error) for item in first.commands] == [
            ("Deposit", False, None)
        ]
        assert [(item.timer, item.error) for item in first.timers] == [("TooLate", None)]
        assert [item.instance for item in await runtime.processes.list(after="t1")] == ["t2"]


async def test_a_name_that_is_unknown_is_refused() -> None:
    async with bank(MemoryStore()) as runtime:
        with pytest.raises(UnknownSubscription, match="it has transfer"):
            await runtime.processes.list("transfers")
        with pytest.raises(UnknownSubscription):
            await runtime.processes.release("transfers")
        assert await runtime.processes.release("transfer") == 0
