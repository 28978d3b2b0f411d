from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from chekov.domain.event_filter import EVERYTHING, EventFilter


@dataclass(frozen=True)
class Recorded:
    stream: str = "account-1"
    type: str = "Deposited"
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    metadata: bytes | None = None


def test_an_open_filter_matches_every_event() -> None:
    assert EVERYTHING.is_open
    assert EVERYTHING.matches(Recorded())


ID = uuid4()


@pytest.mark.parametrize(
    ("condition", "matching", "other"),
    [
        (EventFilter(types=frozenset({"Deposited"})), Recorded(), Recorded(type="Withdrawn")),
        (EventFilter(category="account"), Recorded(), Recorded(stream="accounts-1")),
        (EventFilter(stream="account-1"), Recorded(), Recorded(stream="account-12")),
        (EventFilter(prefix="acc"), Recorded(), Recorded(stream="card-1")),
        (EventFilter(correlation=ID), Recorded(correlation_id=ID), Recorded()),
        (EventFilter(causation=ID), Recorded(causation_id=ID), Recorded(causation_id=uuid4())),
        (
            EventFilter(caused_by=ID),
            Recorded(metadata=f'{{"$caused_by":"{ID}","tenant":"a"}}'.encode()),
            Recorded(metadata=f'{{"cause":{{"$caused_by":"{ID}"}}}}'.encode()),
        ),
    ],
)
def test_each_condition_decides(
    condition: EventFilter, matching: Recorded, other: Recorded
) -> None:
    assert not condition.is_open
    assert condition.matches(matching)
    assert not condition.matches(other)


def test_no_event_matches_an_empty_set_of_types() -> None:
    condition = EventFilter(types=frozenset())
    assert not condition.is_open
    assert not condition.matches(Recorded())


def test_an_event_must_meet_all_conditions() -> None:
    both = EventFilter(category="account", types=frozenset({"Deposited"}))
    assert both.matches(Recorded())
    assert not both.matches(Recorded(type="Withdrawn"))
    assert not both.matches(Recorded(stream="card-1"))
