"""Which subscriptions this process runs: one statement renews its claims and takes free ones."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Final

from chekov.engine.subscriptions.identities import refuse_taken_identities
from chekov.engine.subscriptions.layouts import LayoutKeeper, first_of
from chekov.engine.subscriptions.node_watch import LOOK_SECONDS, NodeWatch
from chekov.engine.subscriptions.rest import Rest
from chekov.engine.subscriptions.shares import (
    Member,
    assign,
    identity_offers,
    older_than,
    revision_offers,
)
from chekov.engine.subscriptions.subscription import Subscription
from chekov.errors import StoreError
from chekov.serialization.revisions import Revisions
from chekov.store.port import Store, SubscriptionKey

_LEARN_EVERY: Final = 10
"""Rounds after which the rows are read although this process owns everything."""

_SKIPPED_SECONDS: Final = 0.1
"""After which a claim is renewed that the store passed over, or one given up is looked at again."""

_GIVE_UP_SECONDS: Final = 0.25
_RELEASE_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class LeaseKeeper:
    """Claims the share of one process in a domain's subscriptions, and gives them up.

    A claim holds for `lease` seconds, counted from before the store was asked, and is renewed three
    times in that time. A subscription whose claim could not be renewed stops by itself before
    another process may start it. While others run what this process could run, it looks twice a
    second whether they still live.
    """

    def __init__(
        self,
        store: Store,
        subscriptions: Mapping[SubscriptionKey, Subscription],
        *,
        domain: str,
        owner: str,
        lease: float,
        layouts: LayoutKeeper,
        revisions: Revisions,
        identities: Collection[str],
    ) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._domain = domain
        self._owner = owner
        self._lease = lease
        self._layouts = layouts
        handlers = frozenset(map(layouts.offer, subscriptions))
        self._identities = identities
        own = revision_offers(revisions) | identity_offers(identities)
        self._offers = handlers | layouts.wishes | own
        self._nodes = NodeWatch(store.nodes, domain, Member(owner, self._offers), lease=lease)
        self._rest = Rest(store.read_models, lease)
        self._leaving: set[SubscriptionKey] = set()
        self._contested: set[SubscriptionKey] = set()
        self._epochs: dict[SubscriptionKey, int] = {}
        self._rounds = 0
        self._due = 0.0
        self._released = False
        self._trouble = ""

    @property
    def troubles(self) -> Sequence[str]:
        """What keeps it from its work, a sentence each."""
        found = {
            "claims of subscriptions are not renewed": self._trouble,
            "subscriptions are left to other processes": self._rest.reason,
        }
        return [
            *(f"{what}: {reason}" for what, reason in found.items() if reason),
            *(
                f"subscription {name} is divided by the keys of another release, which runs it"
                for name in self._layouts.foreign
            ),
        ]

    async def alone(self) -> bool:
        """Look whether no other process runs subscriptions of the domain."""
        with suppress(StoreError):
            await self._nodes.look()
        return self._nodes.alone

    async def join(self) -> None:
        """Be one of the nodes that share the subscriptions.

        Raises:
            IdentityTaken: another domain that began meanwhile has one of its identities.
            StoreError: the store is away.
        """
        await self._store.nodes.join(self._owner, self._domain, self._offers, lease=self._lease)
        await self.refuse_taken_identities()

    async def refuse_taken_identities(self) -> None:
        """Refuse to begin where another domain has an aggregate of the same identity.

        Raises:
            IdentityTaken: there is one.
            StoreError: the store is away.
        """
        await refuse_taken_identities(
            self._store.nodes, self._domain, self._identities, lease=self._lease
        )

    async def succeed(self) -> None:
        """Return once nodes of older releases run nothing that this one can run, or a lease later.

        They look at the nodes before they renew a claim. So none of them passes over an event that
        only this release knows, if its first command is executed after this.

        Raises:
            StoreError: the store is away.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._lease):
                seen = await self._store.wait("subscriptions", 0, 0)
                while await self._older_ones_run():
                    seen = await self._store.wait("subscriptions", seen, LOOK_SECONDS)

    async def _older_ones_run(self) -> bool:
        await self._nodes.look()
        older = older_than(self._nodes.own, self._nodes.living)
        if not older:
            return False
        own = {(key.name, key.version) for key in self._subscriptions}
        rows = await self._store.subscriptions.list(self._domain)
        return any(row.owner in older and (row.key.name, row.key.version) in own for row in rows)

    async def attend(self) -> None:
        """Be one of the nodes that share the subscriptions, until cancelled."""
        nodes = self._store.nodes
        await nodes.attend(
            self._owner,
            self._domain,
            self._offers,
            lease=self._lease,
            well=lambda: not (self._trouble or self._rest.reason),
        )

    async def run(self) -> None:
        """Renew and claim until cancelled."""
        seen, woken = await self._store.wait("subscriptions", 0, 0), True
        now = asyncio.get_running_loop().time
        while True:
            try:
                # A later answer is useless: the lease may have run out meanwhile.
                async with asyncio.timeout(self._lease):
                    if await self._nodes.look() or woken or now() >= self._due:
                        renewed = await self._claim()
                        pause = self._lease / 3
                        if self._layouts.moving:
                            pause = min(pause, LOOK_SECONDS)
                        self._due = now() + (pause if renewed else min(pause, _SKIPPED_SECONDS))
                    await asyncio.gather(*(item.save() for item in self._subscriptions.values()))
                self._trouble = ""
                if await self._place_parked():
                    self._due = now()
            except (StoreError, TimeoutError) as error:
                # Commands need no claims, so no error of the database may end the process.
                text = self._trouble = str(error) or f"no answer within {self._lease:g} s"
                self._due = now() + self._lease / 3
                _log.warning(
                    "claims were not renewed",
                    extra={"domain": self._domain, "owner": self._owner, "error": text},
                )
            before = seen
            seen = await self._store.wait("subscriptions", seen, self._pause())
            woken = seen != before

    async def release(self) -> None:
        """Give up everything, so that others need not wait; to be called when `run` has ended."""
        if self._released or not self._subscriptions:
            return
        with suppress(StoreError, TimeoutError):  # then the leases run out
            async with asyncio.timeout(_RELEASE_SECONDS):
                # In this order, so that nobody leaves its share to this process.
                await self._store.nodes.leave(self._owner)
                await self._store.subscriptions.release(self._owner, self._subscriptions.keys())
            self._released = True
        for subscription in self._subscriptions.values():
            subscription.lose()

    async def _place_parked(self) -> bool:
        """Read on which keys parked events have, until claims are to be renewed again."""
        try:
            async with asyncio.timeout(self._lease / 6):
                return await self._layouts.place_parked(self._nodes.living)
        except TimeoutError:
            return True

    def _pause(self) -> float:
        """Seconds until the next round, or until the next look at the others."""
        seconds = max(0.0, self._due - asyncio.get_running_loop().time())
        owns_all = all(item.owned for item in self._subscriptions.values())
        return seconds if owns_all else min(seconds, LOOK_SECONDS)

    async def _claim(self) -> bool:
        """Claim once; return whether every claim is as it should be."""
        asked_at = asyncio.get_running_loop().time()
        await self._rest.look(self._subscriptions.values(), alone=self._nodes.alone)
        await self._layouts.refresh()
        divided_anew: Collection[SubscriptionKey] = ()
        share = set[SubscriptionKey]()
        if not self._rest.reason:
            divided_anew = await self._layouts.due(self._nodes.living)
            share = {key for key in await self._share() if first_of(key) not in divided_anew}
        owned = {key for key, item in self._subscriptions.items() if item.owned}
        await self._give_up((owned | self._leaving) - share)
        owned = {key for key, item in self._subscriptions.items() if item.owned}
        claims = await self._store.subscriptions.claim(
            self._owner,
            # Of a node that rests, a handler may hang for longer than its claim is to last.
            share if self._rest.reason else owned | share,
            lease=self._lease,
            vanished=self._nodes.vanished,
        )
        if any(self._epochs.get(claim.key) != claim.epoch for claim in claims):
            # What was divided anew before it was claimed, or began again, is not what this process
            # thought it was.
            await self._layouts.refresh()
        self._epochs = {claim.key: claim.epoch for claim in claims}
        foreign = {claim.key for claim in claims if not self._layouts.can_run(claim.key)}
        if foreign:  # divided by other keys meanwhile
            await self._store.subscriptions.release(self._owner, foreign)
        # A generation may have ended, or begun, meanwhile.
        held = {
            claim.key: claim
            for claim in claims
            if claim.key in self._subscriptions and claim.key not in foreign
        }
        for key, claim in held.items():
            self._subscriptions[key].take(claim, asked_at=asked_at, lease=self._lease)
            if claim.epoch > 1 and key not in owned:
                self._contested.add(key)
        freed = await self._end_stale(share - held.keys() - foreign)
        await self._layouts.change(divided_anew, self._nodes.living, vanished=self._nodes.vanished)
        self._rounds += 1
        everything = held.keys() == owned == set(self._subscriptions)
        if everything and self._rounds % _LEARN_EVERY:
            return not self._leaving
        return await self._learn(owned - held.keys()) and not self._leaving and not freed

    async def _end_stale(self, missed: Collection[SubscriptionKey]) -> bool:
        """End what a former owner has under way, of what was taken over or could not be taken.

        One that is stopped in a transaction keeps its locks: on the rows that its handler wrote,
        and on the row of the subscription. Return whether anything was ended.
        """
        self._contested.update(missed)
        if not self._contested:
            return False
        ended = await self._store.subscriptions.end_stale(
            self._contested, vanished=self._nodes.vanished
        )
        self._contested.clear()
        if ended:
            _log.warning(
                "transactions of former owners were ended",
                extra={"domain": self._domain, "owner": self._owner, "transactions": ended},
            )
        return ended > 0

    async def _share(self) -> AbstractSet[SubscriptionKey]:
        """The subscriptions that this process should run."""
        able = {key for key in self._subscriptions if self._layouts.can_run(key)}
        if self._nodes.alone:
            return able
        rows = await self._store.subscriptions.list(self._domain)
        owners = {row.key: row.owner for row in rows if row.state == "running"}
        keyed_by = {row.key: row.keyed_by for row in rows}
        assigned = assign(owners, self._nodes.living, keyed_by=keyed_by)
        return {key for key in able if assigned.get(key, self._owner) == self._owner}

    async def _give_up(self, keys: Collection[SubscriptionKey]) -> None:
        """Leave subscriptions to others, each after its event at hand and with its checkpoint.

        One whose event takes long is released in a later round.
        """
        self._leaving = {key for key in keys if key in self._subscriptions}
        if not self._leaving:
            return
        items = {key: self._subscriptions[key] for key in self._leaving}
        for item in items.values():
            item.give_up()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_UP_SECONDS):
                await asyncio.gather(*(item.given_up() for item in items.values()))
        ended = [key for key, item in items.items() if not item.owned]
        if ended:
            await self._store.subscriptions.release(self._owner, ended)
        self._leaving.difference_update(ended)

    async def _register_again(self, removed: Collection[SubscriptionKey]) -> None:
        """Register what somebody removed while this process began to run it: it starts anew."""
        if removed:
            await self._layouts.prepare()
        for key, subscription in list(self._subscriptions.items()):
            if first_of(key) in removed:
                subscription.restart()
            if key in removed:
                await subscription.prepare()

    async def _learn(self, missing: Collection[SubscriptionKey]) -> bool:
        """Read the rows, and give up what is `missing` among the claims, unless it is held still.

        The store passes over a row that is being written, also by its owner, who is saving a
        checkpoint. Return whether there was no such row.
        """
        skipped = False
        rows = {row.key: row for row in await self._store.subscriptions.list(self._domain)}
        for key, subscription in self._subscriptions.items():
            row = rows.get(key)
            if key in missing:
                if row is not None and subscription.holds(row):
                    skipped = True
                else:
                    subscription.lose()
            if row is not None:
                subscription.learn(row)
        await self._register_again(
            set(map(first_of, self._subscriptions)) - set(map(first_of, rows))
        )
        # The floor under notifications, should their connection not come about.
        self._store.tail.heard(await self._store.head())
        return not skipped
