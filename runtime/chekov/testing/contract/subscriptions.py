"""Contract of the role `subscriptions`: checkpoints, owners and parked events."""

# ruff: noqa: S101 these are tests, for others to run

import asyncio
from dataclasses import replace

import pytest

from chekov.errors import Fenced
from chekov.store.port import Claim, Failure, ParkingEntry, Store, SubscriptionKey
from chekov.testing.contract.event_store import event

KEY = SubscriptionKey("bank", "mails")
LONG = 3600.0


async def claimed(store: Store, owner: str = "one", *, lease: float = LONG) -> Claim:
    """The subscription `KEY`, registered and owned."""
    await store.subscriptions.register([KEY])
    [claim] = await store.subscriptions.claim(owner, [KEY], lease=lease)
    return claim


async def position(store: Store) -> int:
    """The checkpoint of `KEY`."""
    [row] = await store.subscriptions.list("bank")
    return row.position


class SubscriptionsContract:
    """Tests of `store.subscriptions`."""

    async def test_registering_again_changes_nothing(self, store: Store) -> None:
        """Whoever comes second finds the checkpoint of the first."""
        await store.subscriptions.register([KEY], start=7)
        await store.subscriptions.register(
            [KEY, SubscriptionKey("bank", "mails", partition=1)], start=9
        )
        rows = await store.subscriptions.list("bank")
        assert [(row.key.partition, row.position) for row in rows] == [(0, 7), (1, 9)]
        assert [(row.owner, row.state, row.error, row.parked) for row in rows] == [
            (None, "running", None, 0)
        ] * 2
        assert not await store.subscriptions.list("other")

    async def test_a_claim_has_the_head_of_its_registration(self, store: Store) -> None:
        """Also later, and to another owner."""
        await store.append("a", [event(), event()])
        first = await claimed(store, lease=0)
        await store.append("a", [event()])
        [second] = await store.subscriptions.claim("two", [KEY], lease=LONG)
        assert (first.registered, second.registered) == (2, 2)

    async def test_an_unregistered_subscription_cannot_be_claimed(self, store: Store) -> None:
        """Nothing is made in passing."""
        assert not await store.subscriptions.claim("one", [KEY], lease=LONG)

    async def test_one_owner_holds_a_claim_and_can_renew_it(self, store: Store) -> None:
        """Renewing keeps the epoch, and the others get nothing."""
        claim = await claimed(store)
        assert (claim.key, claim.owner, claim.epoch, claim.position) == (KEY, "one", 1, 0)
        assert not await store.subscriptions.claim("two", [KEY], lease=LONG)
        assert await store.subscriptions.claim("one", [KEY], lease=LONG) == [claim]

    async def test_an_expired_lease_is_taken_over(self, store: Store) -> None:
        """With a higher epoch, from the checkpoint that was saved."""
        old = await claimed(store, lease=0)
        await store.subscriptions.save(old, 5)
        [new] = await store.subscriptions.claim("two", [KEY], lease=LONG)
        assert (new.owner, new.epoch, new.position) == ("two", old.epoch + 1, 5)
        assert not await store.subscriptions.claim("one", [KEY], lease=LONG)

    async def test_what_a_vanished_owner_held_is_taken_over_before_its_lease_is_over(
        self, store: Store
    ) -> None:
        """And the former owner is fenced off, should it live after all."""
        old = await claimed(store)
        subscriptions = store.subscriptions
        assert not await subscriptions.claim("two", [KEY], lease=LONG, vanished=["three"])
        [new] = await subscriptions.claim("two", [KEY], lease=LONG, vanished=["three", "one"])
        assert (new.owner, new.epoch) == ("two", old.epoch + 1)
        with pytest.raises(Fenced):
            await subscriptions.save(old, 1)

    async def test_a_stale_owner_cannot_write(self, store: Store) -> None:
        """Neither a checkpoint nor anything else."""
        old = await claimed(store, lease=0)
        await store.append("a", [event()])
        await store.subscriptions.claim("two", [KEY], lease=LONG)
        with pytest.raises(Fenced):
            await store.subscriptions.save(old, 9)
        with pytest.raises(Fenced):
            await store.subscriptions.stop(old, "x")
        assert await position(store) == 0

    async def test_a_checkpoint_never_moves_back(self, store: Store) -> None:
        """A lower position changes nothing."""
        claim = await claimed(store)
        await store.subscriptions.save(claim, 5)
        await store.subscriptions.save(claim, 3)
        assert await position(store) == 5

    async def test_a_released_subscription_is_free_at_once(self, store: Store) -> None:
        """The claim of the old owner is stale, even before it is claimed again."""
        claim = await claimed(store)
        await store.subscriptions.release("two", [KEY])
        await store.subscriptions.save(claim, 1)
        await store.subscriptions.release("one", [KEY])
        with pytest.raises(Fenced):
            await store.subscriptions.save(claim, 2)
        [new] = await store.subscriptions.claim("two", [KEY], lease=LONG)
        assert (new.epoch, new.position) == (2, 1)

    async def test_a_release_wakes_waiting_processes(self, store: Store) -> None:
        """Also one that came just before."""
        await claimed(store)
        seen = await store.wait("subscriptions", 0, 0)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(store.wait("subscriptions", seen, 60))
            await asyncio.sleep(0)
            await store.subscriptions.release("one", [KEY])
        assert waiting.result() > seen
        assert await store.wait("subscriptions", seen, 60) > seen

    async def test_each_partition_has_an_owner_of_its_own(self, store: Store) -> None:
        """Claims for several keys take what is free among them."""
        keys = [SubscriptionKey("bank", "mails", partition=number) for number in range(4)]
        await store.subscriptions.register(keys)
        first = await store.subscriptions.claim("one", keys[:2], lease=LONG)
        second = await store.subscriptions.claim("two", keys, lease=LONG)
        assert {claim.key.partition for claim in first} == {0, 1}
        assert {claim.key.partition for claim in second} == {2, 3}

    async def test_a_stopped_one_stays_stopped_until_it_is_resumed(self, store: Store) -> None:
        """With its error to be seen."""
        claim = await claimed(store)
        await store.subscriptions.stop(claim, "broken")
        [row] = await store.subscriptions.list("bank")
        assert (row.state, row.error, row.owner) == ("stopped", "broken", None)
        assert not await store.subscriptions.claim("one", [KEY], lease=LONG)
        await store.subscriptions.resume("bank", "mails")
        [again] = await store.subscriptions.claim("one", [KEY], lease=LONG)
        assert again.epoch == claim.epoch + 1
        [row] = await store.subscriptions.list("bank")
        assert (row.state, row.error) == ("running", None)

    async def test_pausing_takes_it_from_its_owner(self, store: Store) -> None:
        """At once: what the owner still does is refused."""
        claim = await claimed(store)
        await store.subscriptions.pause("bank", "mails")
        with pytest.raises(Fenced):
            await store.subscriptions.save(claim, 1)
        assert not await store.subscriptions.claim("one", [KEY], lease=LONG)
        seen = await store.wait("subscriptions", 0, 0)
        await store.subscriptions.resume("bank", "mails")
        assert await store.wait("subscriptions", seen, 60) > seen
        assert await store.subscriptions.claim("one", [KEY], lease=LONG)

    async def test_one_of_many_claimers_succeeds(self, store: Store) -> None:
        """However many there are."""
        await store.subscriptions.register([KEY])
        answers = await asyncio.gather(
            *(
                store.subscriptions.claim(f"owner-{number}", [KEY], lease=LONG)
                for number in range(20)
            )
        )
        assert sum(map(len, answers)) == 1

    async def test_a_version_is_removed_with_all_of_its_partitions(self, store: Store) -> None:
        """And its layout; other versions stay."""
        keys = [KEY, replace(KEY, partition=1)]
        other = replace(KEY, version=2)
        await store.layouts.divide(KEY, 2)
        await store.subscriptions.register([*keys, other])
        assert await store.subscriptions.claim("one", [KEY], lease=LONG)
        assert not await store.subscriptions.remove(KEY.domain, KEY.name, 1)
        await store.subscriptions.release("one", [KEY])
        assert await store.subscriptions.remove(KEY.domain, KEY.name, 1)
        assert [row.key for row in await store.subscriptions.list(KEY.domain)] == [other]
        assert (await store.layouts.divide(KEY, 3)).partitions == 3
        assert await store.subscriptions.remove(KEY.domain, KEY.name, 1)

    async def test_what_is_parked_is_removed_and_what_is_discarded_stays_recorded(
        self, store: Store
    ) -> None:
        """A lease that is over keeps nobody from it."""
        await store.append("a-1", [event("one"), event("one")])
        one, two = await store.read_page(after=0, limit=2)
        await store.subscriptions.register([KEY])
        [claim] = await store.subscriptions.claim("one", [KEY], lease=0)
        entries = [
            ParkingEntry(one, "a-1", Failure(1, "E"), discarded="by hand"),
            ParkingEntry(two, "a-1", Failure(1, "E")),
        ]
        await store.subscriptions.save(claim, 2, parked=entries)
        assert await store.subscriptions.remove(KEY.domain, KEY.name, 1)
        assert not await store.subscriptions.list(KEY.domain)
        await store.subscriptions.register([KEY])
        assert not await store.subscriptions.parked(KEY.domain, KEY.name)
        [row] = await store.subscriptions.list(KEY.domain)
        assert (row.position, row.parked) == (0, 0)
        [discarded] = await store.subscriptions.discarded(KEY.domain, KEY.name)
        assert (discarded.position, discarded.reason) == (1, "by hand")

    async def test_who_paused_it_last_is_known_until_it_is_resumed(self, store: Store) -> None:
        """So that others leave it alone."""
        await store.subscriptions.register([KEY])
        await store.subscriptions.pause("bank", "mails")
        [row] = await store.subscriptions.list("bank")
        assert (row.state, row.paused_by) == ("paused", "")
        await store.subscriptions.pause("bank", "mails", by="Ada")
        [row] = await store.subscriptions.list("bank")
        assert row.paused_by == "Ada"
        await store.subscriptions.resume("bank", "mails")
        [row] = await store.subscriptions.list("bank")
        assert (row.state, row.paused_by) == ("running", "")
