import asyncio
from typing import Any

import pytest

from chekov import Domain, MemoryStore, Runtime
from chekov.domain.failure import Retry
from chekov.engine.commands.chains import Chains
from chekov.engine.commands.consistency import Consistency
from chekov.errors import (
    ChekovError,
    ConsistencyTimeout,
    HandlerFailed,
    InvalidArgument,
    InvalidConsistency,
    StoreUnavailable,
    UnknownSubscription,
)
from chekov.store.port import SubscriptionKey
from tests.unit.engine.counter_domain import Add, Added, Counter, Note, Seen
from tests.unit.engine.running import running
from tests.waiting import passed, until


async def test_strong_consistency_answers_after_the_handler() -> None:
    seen = Seen()
    async with running(MemoryStore(), seen) as runtime:
        for amount in range(1, 20):
            await runtime.dispatch(Add(counter="a", amount=amount), consistency="strong")
            assert seen.amounts[-1] == amount
            await runtime.dispatch(Add(counter="b", amount=amount), consistency=["seen"])
            assert seen.amounts[-1] == amount


async def test_a_handler_that_waits_for_everyone_does_not_wait_for_itself() -> None:
    async def echo(event: Added) -> None:
        await runtime.dispatch(Note(counter="b", text="heard"), consistency="strong")

    seen = Seen(echo)
    async with running(MemoryStore(), seen) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
        assert await runtime.store.head() == 2


async def test_a_subscription_that_is_unknown_is_refused_before_anything_is_stored() -> None:
    async with running(MemoryStore(), Seen()) as runtime:
        with pytest.raises(UnknownSubscription, match="'nobody'; it has seen"):
            await runtime.dispatch(Add(counter="a", amount=1), consistency=["nobody"])
        assert await runtime.store.head() == 0
        await runtime.dispatch(Add(counter="a", amount=1), consistency=[])


async def test_strong_consistency_counts_on_other_processes() -> None:
    store = MemoryStore()
    seen = Seen()
    domain = Domain("counting", aggregates=[Counter], handlers=[seen])
    async with Runtime(domain, store=store, subscriptions=False) as commands:
        with pytest.raises(ConsistencyTimeout):
            await commands.dispatch(
                Add(counter="a", amount=1), consistency="strong", consistency_timeout=0.05
            )
        async with running(store, seen):
            await commands.dispatch(Add(counter="a", amount=2), consistency="strong")
            assert seen.amounts == [1, 2]


class Gated(Seen):
    """A handler that waits at each event until it may go on."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.started = 0
        super().__init__(self.wait)

    async def wait(self, event: Added) -> None:
        self.started += 1
        await self.gate.wait()


class Mailer(Gated, name="mailer"):
    @classmethod
    def open(cls) -> "Mailer":
        """One that waits for nothing."""
        mailer = cls()
        mailer.gate.set()
        return mailer


async def test_a_timeout_names_only_the_subscriptions_that_are_behind() -> None:
    mailer, fine = Mailer(), Seen()
    async with running(MemoryStore(), mailer, fine) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency=["seen"])
        for names in (None, ["mailer", "seen"], ["seen", "mailer"]):
            with pytest.raises(ConsistencyTimeout) as caught:
                await runtime.wait(1, names, timeout=0.05)
            assert caught.value.behind == ("mailer",)
        mailer.gate.set()
        await runtime.wait(1)


@pytest.mark.parametrize("consistency", ["seen", "Strong", ""])
async def test_a_word_that_is_no_consistency_is_refused_before_anything_is_stored(
    consistency: str,
) -> None:
    async with running(MemoryStore(), Seen()) as runtime:
        with pytest.raises(InvalidConsistency, match="give a list of their names") as caught:
            await runtime.dispatch(Add(counter="a", amount=1), consistency=consistency)  # type: ignore[arg-type]
        assert isinstance(caught.value, ChekovError)
        assert await runtime.store.head() == 0


async def test_waiting_for_an_unknown_subscription_names_those_that_there_are() -> None:
    async with running(MemoryStore(), Seen(), Mailer()) as runtime:
        with pytest.raises(UnknownSubscription, match="'seem'; it has mailer, seen"):
            await runtime.wait(0, ["seem"])


async def test_versions_and_partitions_of_a_name_are_waited_for_one_by_one() -> None:
    keys = [SubscriptionKey("counting", "seen", version) for version in (1, 2)]
    every = [*keys, SubscriptionKey("counting", "seen", 2, 1)]
    async with MemoryStore() as store:
        await store.subscriptions.register(every)
        claims = await store.subscriptions.claim("node", every, lease=60)
        chains = Chains(store.events, store.processes, [])
        consistency = Consistency(
            store.subscriptions, keys, keys, {}, lambda key: key, chains, layouts={}
        )
        assert consistency.named(["seen"]) == keys
        for claim in claims[:2]:
            await store.subscriptions.save(claim, 7)
        with pytest.raises(ConsistencyTimeout) as caught:
            await consistency.wait(7, keys, 0.05)
        assert caught.value.behind == ("seen",)
        await consistency.wait(7, keys[:1], 5)
        await consistency.wait(7, keys, 5, stream="account-0")
        with pytest.raises(ConsistencyTimeout):
            await consistency.wait(7, keys, 0.05, stream="account-5")
        async with asyncio.TaskGroup() as group:
            group.create_task(consistency.wait(7, keys, 30))
            await store.subscriptions.save(claims[2], 7)
        await consistency.drain(alone=False)


@pytest.mark.parametrize("wrong", [None, 5, b"seen", "all"], ids=repr)
async def test_a_consistency_that_is_none_is_refused_before_anything_is_stored(wrong: Any) -> None:
    async with running(MemoryStore(), Seen()) as runtime:
        with pytest.raises((InvalidConsistency, UnknownSubscription)):
            await runtime.dispatch(Add(counter="a", amount=1), consistency=wrong)
        assert await runtime.store.head() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"position": "3"},
        {"position": True},
        {"position": 1, "subscriptions": "seen"},
        {"position": 1, "subscriptions": 5},
        {"position": 1, "timeout": "5"},
        {"position": 1, "timeout": float("nan")},
    ],
    ids=str,
)
async def test_a_wait_with_an_argument_of_another_type_is_refused(wrong: dict[str, Any]) -> None:
    async with running(MemoryStore(), Seen()) as runtime:
        with pytest.raises(InvalidArgument, match=f"^{[*wrong][-1]}="):
            await runtime.wait(**wrong)


async def test_who_waits_for_an_event_that_is_parked_learns_that_it_failed() -> None:
    """Also of one that is blocked, or that another process parked; what follows is handled."""
    store = MemoryStore()
    seen = Seen()
    seen.failing = {1: 100}
    domain = Domain("counting", aggregates=[Counter], handlers=[Seen()])
    async with (
        running(store, seen) as runtime,
        Runtime(domain, store=store, subscriptions=False) as elsewhere,
    ):
        for amount, sender in ((1, runtime), (2, runtime), (3, elsewhere)):
            with pytest.raises(HandlerFailed, match="set aside by seen") as caught:
                await sender.dispatch(Add(counter="a", amount=amount), consistency="strong")
            assert (caught.value.position, caught.value.failed) == (amount, ("seen",))
        for sender in (runtime, elsewhere):
            await sender.dispatch(Add(counter="b", amount=4), consistency="strong")
            with pytest.raises(HandlerFailed):
                await sender.wait(3)
            await sender.wait(4)
        seen.failing = {}
        await runtime.retry("seen")
        await until(lambda: len(seen.amounts) == 5)
        await elsewhere.wait(3)


async def test_who_waits_for_an_event_that_is_skipped_learns_that_it_failed() -> None:
    class Skipping(Seen, name="seen", on_failure="skip", consistency="strong"):
        pass

    seen = Skipping()
    seen.failing = {1: 100}
    async with running(MemoryStore(), seen, Mailer.open()) as runtime:
        with pytest.raises(HandlerFailed) as caught:
            await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
        assert caught.value.failed == ("seen",)
        await runtime.dispatch(Add(counter="a", amount=2), consistency="strong")


async def test_a_later_process_knows_what_an_earlier_one_parked() -> None:
    store = MemoryStore()
    seen = Seen()
    seen.failing = {1: 100}
    async with running(store, seen) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
    async with running(store, Seen()) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.wait(1)


async def test_a_database_that_is_away_leaves_it_open_whether_an_event_failed() -> None:
    """The events are stored all the same: only a time-out says so."""
    store = MemoryStore()
    seen = Seen()
    seen.failing = {1: 100}
    async with running(store, seen) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")

    async def away(domain: str, *, first: int, last: int) -> Any:
        raise StoreUnavailable("gone for now")

    async with running(store, Seen()) as runtime:
        await passed(runtime, 1)
        store.subscriptions.failed = away  # type: ignore[method-assign]
        with pytest.raises(ConsistencyTimeout) as caught:
            await runtime.wait(1)
        assert caught.value.behind == ("seen",)


async def test_strong_waits_only_for_those_that_are_declared_strong() -> None:
    """A mailer that is late, or fails, holds nobody up, unless it is named."""
    mailer, seen = Mailer(), Seen()
    async with running(MemoryStore(), mailer, seen, retry=Retry(attempts=1)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
        assert (seen.amounts, mailer.amounts) == ([1], [])
        with pytest.raises(ConsistencyTimeout) as caught:
            await runtime.dispatch(
                Add(counter="a", amount=2), consistency=["mailer"], consistency_timeout=0.05
            )
        assert caught.value.behind == ("mailer",)
        mailer.failing = {3: 1}
        mailer.gate.set()
        done = await runtime.dispatch(Add(counter="a", amount=3), consistency="strong")
        with pytest.raises(HandlerFailed, match="set aside by mailer"):
            await runtime.wait(done.position)


async def test_a_handler_that_is_behind_is_named_and_one_that_is_not_declared_strong_is_not() -> (
    None
):
    class Letters(Gated, name="letters", consistency="strong"):
        pass

    async with running(MemoryStore(), Letters(), Mailer(), Seen()) as runtime:
        with pytest.raises(ConsistencyTimeout) as caught:
            await runtime.dispatch(
                Add(counter="a", amount=1), consistency="strong", consistency_timeout=0.05
            )
        assert caught.value.behind == ("letters",)


async def test_who_waits_while_the_only_process_drains_is_answered_at_once() -> None:
    """Nobody is left who could handle it before the time is up."""

    class Letters(Gated, name="letters", consistency="strong"):
        pass

    letters = Letters()
    async with running(MemoryStore(), letters) as runtime:
        one, two = (
            asyncio.ensure_future(
                runtime.dispatch(
                    Add(counter="a", amount=amount), consistency="strong", consistency_timeout=1e6
                )
            )
            for amount in (1, 2)
        )
        await until(lambda: letters.started == 1)
        draining = asyncio.ensure_future(runtime.drain())
        await until(lambda: runtime.drained)
        letters.gate.set()
        await one
        with pytest.raises(ConsistencyTimeout) as caught:
            await two
        assert caught.value.behind == ("letters",)
        await draining
