from dataclasses import dataclass, field
from typing import Any

import pytest

from chekov import (
    FORGOTTEN,
    Aggregate,
    DefinitionError,
    Domain,
    Event,
    MessagePack,
    Personal,
    Serializer,
    apply,
)
from chekov.serialization.snapshots import RestoredState, SnapshotCodec
from chekov.serialization.states import Unstorable


class Opened(Event):
    owner: str


@dataclass
class Limit:
    amounts: tuple[int, ...] = ()


class Account(Aggregate, snapshot_every=10):
    owner: Personal[str] = ""
    limit: Limit = field(default_factory=Limit)

    @apply
    def opened(self, event: Opened) -> None:
        self.owner = event.owner


class Raised(Account, snapshot_every=10, snapshot_version=2):
    pass


class Plain(Aggregate):
    @apply
    def opened(self, event: Opened) -> None:
        pass


def codec(*aggregates: type[Aggregate], serializer: Serializer | None = None) -> SnapshotCodec:
    return SnapshotCodec(Domain("bank", aggregates=aggregates, serializer=serializer))


@pytest.mark.parametrize("serializer", [None, MessagePack()], ids=["json", "messagepack"])
def test_a_state_survives_the_way_there_and_back(serializer: Serializer | None) -> None:
    snapshots = codec(Account, serializer=serializer)
    state = RestoredState(Account(owner="Ada", limit=Limit((1, 2))), version=4, position=9)
    assert snapshots.decode(Account, 4, snapshots.encode(state)) == state


def test_a_forgotten_value_stays_forgotten() -> None:
    snapshots = codec(Account)
    encoded = snapshots.encode(RestoredState(Account(owner=FORGOTTEN), 1, 1))
    decoded = snapshots.decode(Account, 1, encoded)
    assert decoded is not None
    assert decoded.state == Account(owner=FORGOTTEN)


def test_only_aggregates_with_snapshots_count() -> None:
    assert len(codec(Plain)) == 0
    assert len(codec(Plain, Account)) == 1


def test_a_snapshot_of_another_shape_version_or_serializer_is_ignored() -> None:
    encoded = codec(Account).encode(RestoredState(Account(), 1, 1))
    assert codec(Raised).decode(Raised, 1, encoded) is None
    assert codec(Account, serializer=MessagePack()).decode(Account, 1, encoded) is None
    assert codec(Account).decode(Account, 1, encoded._replace(data=b"broken")) is None
    assert codec(Account).decode(Account, 1, encoded) is not None


def test_a_state_that_would_come_back_changed_is_not_encoded() -> None:
    wrong: Any = [1]
    with pytest.raises(Unstorable, match="limit would come back with another value"):
        codec(Account).encode(RestoredState(Account(limit=Limit(wrong)), 1, 1))


def test_a_state_that_cannot_be_stored_is_a_fault_of_the_domain() -> None:
    class Opaque:
        pass

    class Odd(Aggregate, snapshot_every=1):
        opaque: Opaque | None = None

        @apply
        def opened(self, event: Opened) -> None:
            pass

    with pytest.raises(DefinitionError, match=r"Odd\.opaque cannot be written as JSON"):
        codec(Odd)
