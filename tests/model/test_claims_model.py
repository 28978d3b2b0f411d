"""Checkpoints and owners of the stores beside a model of them."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from chekov.errors import Fenced
from chekov.store.memory import MemoryStore
from chekov.store.port import Claim, SubscriptionKey
from tests.model.state_machines import StoreMachine, check, in_postgres

OWNERS = ("one", "two", "three")
KEYS = tuple(SubscriptionKey("bank", "mails", partition=number) for number in range(2))


class Row:
    """What the model knows of a subscription."""

    def __init__(self) -> None:
        self.owner: str | None = None
        self.epoch = 0
        self.position = 0
        self.expired = False
        self.state = "running"


class ClaimsMachine(StoreMachine):
    """Does the same to a store and to rows in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = {key: Row() for key in KEYS}
        self.claims: list[Claim] = []
        self.run(self.store.subscriptions.register(KEYS))

    @rule(
        owner=st.sampled_from(OWNERS),
        lease=st.sampled_from((0, 3600)),
        vanished=st.lists(st.sampled_from(OWNERS), max_size=2),
    )
    def claim(self, owner: str, lease: int, vanished: list[str]) -> None:
        claims = self.run(
            self.store.subscriptions.claim(owner, KEYS, lease=lease, vanished=vanished)
        )
        wanted: dict[SubscriptionKey, tuple[int, int]] = {}
        for key, row in self.rows.items():
            free = row.owner in (None, owner, *vanished) or row.expired
            if row.state == "running" and free:
                row.epoch += row.owner != owner
                row.owner = owner
                row.expired = lease == 0
                wanted[key] = (row.epoch, row.position)
        assert {claim.key: (claim.epoch, claim.position) for claim in claims} == wanted
        self.claims += claims

    @rule(choice=st.integers(0, 99), position=st.integers(0, 20))
    def save(self, choice: int, position: int) -> None:
        if not self.claims:
            return
        claim = self.claims[choice % len(self.claims)]
        row = self.rows[claim.key]
        if (row.owner, row.epoch) == (claim.owner, claim.epoch):
            self.run(self.store.subscriptions.save(claim, position))
            row.position = max(row.position, position)
        else:
            with pytest.raises(Fenced):
                self.run(self.store.subscriptions.save(claim, position))

    @rule(owner=st.sampled_from(OWNERS))
    def release(self, owner: str) -> None:
        self.run(self.store.subscriptions.release(owner, KEYS))
        for row in self.rows.values():
            if row.owner == owner:
                row.owner = None
                row.expired = False

    @rule(pause=st.booleans())
    def pause_or_resume(self, *, pause: bool) -> None:
        change = self.store.subscriptions.pause if pause else self.store.subscriptions.resume
        self.run(change("bank", "mails"))
        for row in self.rows.values():
            row.state = "paused" if pause else "running"
            if pause:
                row.owner = None
                row.expired = False

    @invariant()
    def rows_are_the_same(self) -> None:
        rows = self.run(self.store.subscriptions.list("bank"))
        assert [(row.key, row.owner, row.epoch, row.position, row.state) for row in rows] == [
            (key, row.owner, row.epoch, row.position, row.state) for key, row in self.rows.items()
        ]


def test_claims_in_memory_do_what_the_model_does() -> None:
    check(ClaimsMachine, MemoryStore, examples=60, steps=25)


def test_claims_in_postgres_do_what_the_model_does(server: str) -> None:
    check(ClaimsMachine, in_postgres(server), examples=10, steps=25)
