"""Contract of the role `layouts`: how many partitions a subscription has."""

# ruff: noqa: S101 these are tests, for others to run

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chekov.errors import Fenced
from chekov.store.port import (
    Claim,
    Layout,
    ParkedFilter,
    ParkedPlace,
    ParkingEntry,
    RewindRefused,
    Store,
    SubscriptionKey,
)
from chekov.testing.contract.parking import blocked, failed, stored
from chekov.testing.contract.subscriptions import KEY, LONG


def keys(partitions: int) -> Sequence[SubscriptionKey]:
    """The keys of so many partitions."""
    return [replace(KEY, partition=number) for number in range(partitions)]


async def divided(store: Store, *positions: int) -> Layout:
    """A subscription with a partition at each of these positions, which nobody owns."""
    layout = await store.layouts.divide(KEY, len(positions))
    await store.subscriptions.register(keys(len(positions)))
    for claim, position in zip(await claimed(store, len(positions)), positions, strict=True):
        await store.subscriptions.save(claim, position)
    await store.subscriptions.release("one", keys(len(positions)))
    return layout


async def claimed(store: Store, partitions: int, *, lease: float = LONG) -> Sequence[Claim]:
    """The claims of one owner on all partitions, in order."""
    claims = await store.subscriptions.claim("one", keys(partitions), lease=lease)
    return sorted(claims, key=lambda claim: claim.key.partition)


async def checkpoints(store: Store) -> Sequence[tuple[int, int]]:
    """Partition and position of each row."""
    rows = await store.subscriptions.list("bank")
    return [(row.key.partition, row.position) for row in rows]


async def layout_of(store: Store) -> Layout:
    """The only layout."""
    [layout] = await store.layouts.list("bank")
    return layout


def first(key: str) -> int:
    """Place every key in the first partition."""
    del key
    return 0


class LayoutsContract:
    """Tests of `store.layouts`."""

    async def test_the_first_to_divide_a_subscription_decides(self, store: Store) -> None:
        """For its version: another one may have another number of partitions."""
        divide = store.layouts.divide
        layout = Layout(KEY, 4)
        assert await divide(KEY, 4) == layout
        assert await divide(KEY, 2) == layout
        assert await divide(SubscriptionKey("bank", "mails", partition=3), 1) == layout
        other = await divide(SubscriptionKey("bank", "mails", 2), 2)
        assert (other.key.version, other.partitions) == (2, 2)
        await divide(SubscriptionKey("shop", "mails"), 1)
        assert await store.layouts.list("bank") == [layout, other]

    @pytest.mark.parametrize("partitions", [1, 2, 5])
    async def test_a_changed_layout_starts_at_the_lowest_checkpoint(
        self, store: Store, partitions: int
    ) -> None:
        """And remembers how far each of the former partitions was."""
        layout = await divided(store, 7, 3, 9)
        assert await store.layouts.change(layout, partitions, first)
        assert await checkpoints(store) == [(number, 3) for number in range(partitions)]
        assert await layout_of(store) == Layout(KEY, partitions, 1, ((7, 3, 9),))

    async def test_former_layouts_are_remembered_until_all_have_caught_up(
        self, store: Store
    ) -> None:
        """As one may be changed again long before."""
        layout = await divided(store, 7, 3)
        await store.layouts.change(layout, 1, first)
        [claim] = await claimed(store, 1)
        await store.subscriptions.save(claim, 5)
        await store.subscriptions.release("one", [KEY])
        await store.layouts.change(await layout_of(store), 2, first)
        assert (await layout_of(store)).former == ((7, 3), (5,))
        for claim in await claimed(store, 2):
            await store.subscriptions.save(claim, 8)
        await store.subscriptions.release("one", keys(2))
        await store.layouts.change(await layout_of(store), 3, first)
        assert (await layout_of(store)).former == ((8, 8),)

    async def test_former_owners_are_fenced_off(self, store: Store) -> None:
        """Whose leases are over, or who have vanished."""
        layout = await divided(store, 0, 0)
        old = await claimed(store, 2)
        assert not await store.layouts.change(layout, 1, first)
        assert not await store.layouts.change(layout, 1, first, vanished=["two"])
        assert await store.layouts.change(layout, 1, first, vanished=["one"])
        for claim in old:
            with pytest.raises(Fenced):
                await store.subscriptions.save(claim, 1)
        [new] = await claimed(store, 1, lease=0)
        assert new.epoch > max(claim.epoch for claim in old)
        assert await store.layouts.change(await layout_of(store), 2, first)
        with pytest.raises(Fenced):
            await store.subscriptions.save(new, 1)

    async def test_what_is_paused_or_not_there_is_not_changed(self, store: Store) -> None:
        """Nor what was changed meanwhile."""
        layout = await divided(store, 0, 0)
        await store.subscriptions.pause("bank", "mails")
        assert not await store.layouts.change(layout, 1, first)
        await store.subscriptions.resume("bank", "mails")
        assert await store.layouts.change(layout, 1, first)
        assert not await store.layouts.change(layout, 3, first)
        assert await checkpoints(store) == [(0, 0)]
        other = await store.layouts.divide(SubscriptionKey("bank", "letters"), 2)
        assert not await store.layouts.change(other, 1, first)

    async def test_partitions_of_a_former_layout_do_not_come_back(self, store: Store) -> None:
        """Although a process that knows no better registers them."""
        layout = await divided(store, 4, 4, 4)
        await store.layouts.change(layout, 2, first)
        await store.subscriptions.register(keys(3))
        assert await checkpoints(store) == [(0, 4), (1, 4)]

    async def test_what_is_parked_moves_with_its_key(self, store: Store) -> None:
        """In its state, and in its order."""
        one, two, three = await stored(store, "a-1", "b-1", "a-1")
        layout = await divided(store, 0, 0)
        left, right = await claimed(store, 2)
        parked: Sequence[ParkingEntry] = [failed(one), blocked(three)]
        await store.subscriptions.save(left, 3, parked=parked)
        await store.subscriptions.save(right, 3, parked=[failed(two)])
        await store.subscriptions.release("one", keys(2))
        await store.subscriptions.retry_parked("bank", "mails", ParkedFilter(key="b-1"))
        before = await claimed(store, 2, lease=0)
        places = {"a-1": 2, "b-1": 1}
        assert await store.layouts.change(layout, 3, places.__getitem__)
        claims = await claimed(store, 3)
        found = [await store.subscriptions.blocked(claim) for claim in claims]
        assert found == [{}, {"b-1": True}, {"a-1": False}]
        moved = await store.subscriptions.parked_in_order(claims[2], "a-1")
        assert [(item.position, item.state) for item in moved] == [(1, "failed"), (3, "blocked")]
        assert all(item.subscription == claims[2].key for item in moved)
        assert min(item.parked_changes for item in claims) > max(
            item.parked_changes for item in before
        )
        assert [claim.last_failed for claim in claims] == [3, 3, 3]

    async def test_the_first_to_divide_a_subscription_decides_by_which_keys(
        self, store: Store
    ) -> None:
        """As its rows say, too."""
        layout = await store.layouts.divide(KEY, 2, keyed_by="d1")
        assert layout == Layout(KEY, 2, keyed_by="d1")
        assert await store.layouts.divide(KEY, 2, keyed_by="d2") == layout
        await store.subscriptions.register(keys(2))
        assert [row.keyed_by for row in await store.subscriptions.list("bank")] == ["d1", "d1"]

    async def test_partitions_are_brought_together_where_the_log_ends(self, store: Store) -> None:
        """They stay where they are, their owners are fenced off, and a change lets them go on."""
        await stored(store, "a-1", "b-1", "a-1")
        layout = await divided(store, 2, 1)
        old = await claimed(store, 2)
        assert not await store.layouts.bring_together(layout)
        assert await store.layouts.bring_together(layout, vanished=["one"])
        assert await layout_of(store) == replace(layout, changes=1, until=3)
        assert await checkpoints(store) == [(0, 2), (1, 1)]
        for claim in old:
            with pytest.raises(Fenced):
                await store.subscriptions.save(claim, 3)
        assert not await store.layouts.bring_together(layout)
        assert await store.layouts.change(await layout_of(store), 2, first)
        assert await layout_of(store) == Layout(KEY, 2, 2, ((2, 1),))

    async def test_other_keys_start_at_the_lowest_checkpoint(self, store: Store) -> None:
        """And know nothing of what former partitions handled."""
        await store.layouts.change(await divided(store, 7, 3), 3, first)
        layout = await layout_of(store)
        assert not await store.layouts.rekey(replace(layout, changes=7), 2, "d1", {})
        old = await claimed(store, 3)
        assert not await store.layouts.rekey(layout, 2, "d1", {})
        assert await store.layouts.rekey(layout, 2, "d1", {}, vanished=["one"])
        assert await layout_of(store) == Layout(KEY, 2, 2, keyed_by="d1")
        assert await checkpoints(store) == [(0, 3), (1, 3)]
        for claim in old:
            with pytest.raises(Fenced):
                await store.subscriptions.save(claim, 8)

    async def test_what_is_parked_gets_its_other_key(self, store: Store) -> None:
        """In its state; nothing changes while it is not known of one."""
        one, two, three = await stored(store, "a-1", "b-1", "a-1")
        layout = await divided(store, 0, 0)
        left, right = await claimed(store, 2)
        await store.subscriptions.save(left, 3, parked=[failed(one), blocked(three)])
        await store.subscriptions.save(right, 3, parked=[failed(two)])
        await store.subscriptions.release("one", keys(2))
        places = {1: ParkedPlace("x", 2), 2: ParkedPlace("x", 2)}
        assert not await store.layouts.rekey(layout, 3, "d1", places)
        places[3] = ParkedPlace("y", 0)
        places[9] = ParkedPlace("was handled meanwhile", 1)
        assert await store.layouts.rekey(layout, 3, "d1", places)
        claims = await claimed(store, 3)
        found = [await store.subscriptions.blocked(claim) for claim in claims]
        assert found == [{"y": True}, {}, {"x": False}]
        moved = await store.subscriptions.parked_in_order(claims[2], "x")
        assert [(item.position, item.state) for item in moved] == [(1, "failed"), (2, "failed")]

    async def test_whoever_waits_for_subscriptions_is_woken(self, store: Store) -> None:
        """To follow the change."""
        layout = await divided(store, 0)
        seen = await store.wait("subscriptions", 0, 0)
        await store.layouts.change(layout, 2, first)
        assert await store.wait("subscriptions", seen, 60) > seen

    async def test_a_handler_begins_again_whoever_owns_it(self, store: Store) -> None:
        """Partitions before that position stay where they are; what was handled is known."""
        layout = await divided(store, 7, 3, 9)
        await store.layouts.change(layout, 2, first)
        old = await claimed(store, 2)
        for claim, position in zip(old, (8, 2), strict=True):
            await store.subscriptions.save(claim, position)
        await store.layouts.rewind(KEY, 4)
        assert await checkpoints(store) == [(0, 4), (1, 3)]
        for claim in old:
            with pytest.raises(Fenced):
                await store.subscriptions.save(claim, 9)
        assert await layout_of(store) == Layout(KEY, 2, 2)
        claims = await claimed(store, 2)
        assert [(claim.position, claim.registered) for claim in claims] == [(4, 8), (3, 8)]

    async def test_what_is_parked_above_where_it_begins_again_is_forgotten(
        self, store: Store
    ) -> None:
        """It is handled again, and then nothing is to block it."""
        one, two, three = await stored(store, "a-1", "b-1", "b-1")
        await divided(store, 0)
        [claim] = await claimed(store, 1)
        entries = [failed(one), failed(two), blocked(three)]
        await store.subscriptions.save(claim, 3, parked=entries)
        await store.layouts.rewind(KEY, 1)
        [claim] = await claimed(store, 1)
        assert await store.subscriptions.blocked(claim) == {"a-1": False}
        left = await store.subscriptions.parked("bank", "mails")
        assert [item.position for item in left] == [1]

    async def test_a_replay_is_carried_out_once(self, store: Store) -> None:
        """Whoever asked and did not hear the answer may ask again."""
        await divided(store, 7)
        await store.layouts.rewind(KEY, 2, replay="one")
        [claim] = await claimed(store, 1)
        await store.subscriptions.save(claim, 5)
        await store.layouts.rewind(KEY, 2, replay="one")
        [row] = await store.subscriptions.list("bank")
        assert (row.position, row.registered, row.replay) == (5, 7, "one")
        await store.layouts.rewind(KEY, 2, replay="two")
        assert await checkpoints(store) == [(0, 2)]

    async def test_a_paused_subscription_begins_again_once_it_is_resumed(
        self, store: Store
    ) -> None:
        """Whoever paused it knows why."""
        await divided(store, 7)
        await store.subscriptions.pause("bank", "mails", by="Ada")
        await store.layouts.rewind(KEY, 2)
        [row] = await store.subscriptions.list("bank")
        assert (row.state, row.position, row.paused_by) == ("paused", 2, "Ada")

    async def test_what_is_no_handler_does_not_begin_again(self, store: Store) -> None:
        """Projections are rebuilt, and process managers would send their commands again."""
        await store.subscriptions.register([KEY])
        with pytest.raises(RewindRefused, match="has no event handler mails 1"):
            await store.layouts.rewind(KEY, 0)

    async def test_nothing_begins_again_while_its_keys_change(self, store: Store) -> None:
        """Nobody could run it before the change is done."""
        layout = await divided(store, 2, 1)
        await store.layouts.bring_together(layout)
        with pytest.raises(RewindRefused, match="try again once"):
            await store.layouts.rewind(KEY, 0)
        assert await checkpoints(store) == [(0, 2), (1, 1)]
