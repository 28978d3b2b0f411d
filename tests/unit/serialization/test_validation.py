from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from chekov import (
    Aggregate,
    Command,
    DefinitionError,
    Domain,
    Event,
    Identifier,
    MemoryStore,
    Runtime,
    apply,
    execute,
)
from chekov.serialization.validation import validate, validate_aggregate
from examples.bank.bank import Account
from examples.bank.bank import domain as bank


class Opaque:
    pass


class Opened(Event):
    owner: Opaque


class Open(Command[Opened]):
    account: Identifier[str]
    owner: Opaque


@dataclass
class Limits:
    values: list[Any] = field(default_factory=list[Any])


class Wrong(Aggregate, snapshot_every=1):
    opaque: Opaque | None = None
    limits: Limits = field(default_factory=Limits)

    @execute
    def open(self, command: Open) -> Iterable[Opened]:
        yield Opened(owner=command.owner)

    @apply
    def opened(self, event: Opened) -> None:
        self.opaque = event.owner


DOMAIN = Domain("wrong", aggregates=[Wrong])


def test_a_sound_domain_is_accepted() -> None:
    validate(bank)
    validate_aggregate(Account)


def test_the_faults_of_messages_and_of_snapshots_come_at_once() -> None:
    with pytest.raises(DefinitionError) as caught:
        validate(DOMAIN)
    found = [fault.partition(" ")[0] for fault in caught.value.faults]
    assert [name.partition(".")[0] for name in found] == ["Open", "Opened", "Wrong"]
    assert found[0] == "Open.owner"
    with pytest.raises(DefinitionError) as refused:
        Runtime(DOMAIN, store=MemoryStore())
    assert refused.value.faults == caught.value.faults


def test_an_aggregate_is_checked_by_itself() -> None:
    with pytest.raises(DefinitionError, match="Wrong has 2 faults"):
        validate_aggregate(Wrong)
