"""The check of a run under faults finds every kind of violation, each planted alone."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest

from chekov.store.port import RecordedEvent
from chekov.testing.history import HistoryError
from tests.faults.history import Effect, Given, History, Sent, check, faults_of
from tests.faults.plants import PLANTS

_EVENTS = (
    ("a", "Asked", 1),
    ("b", "Asked", 2),
    ("a", "Answered", 1),
    ("a", "Asked", 3),
    ("b", "Answered", 2),
    ("a", "Answered", 3),
)


def whole() -> History:
    """Three questions about two topics; the handler was given some of them twice."""
    log: list[RecordedEvent] = []
    for position, (stream, kind, number) in enumerate(_EVENTS, 1):
        version = 1 + sum(event.stream == stream for event in log)
        log.append(
            RecordedEvent(
                position=position,
                stream=stream,
                version=version,
                id=UUID(int=100 + position),
                type=kind,
                data=b"{}",
                metadata=None,
                correlation_id=None,
                causation_id=UUID(int=200 + number + 10 * (kind == "Answered")),
                time=datetime.now(UTC),
            )
        )
    places = [(event.position, event.stream) for event in log]
    asked = [(event, number) for event, (_, _, number) in zip(log, _EVENTS, strict=True)]
    return History(
        log=log,
        numbers={event.id: number for event, number in asked},
        acknowledged={
            event.causation_id: event.position
            for event in log
            if event.type == "Asked" and event.causation_id is not None
        },
        given=[
            *(Given("node-1", 10 * position, position, stream) for position, stream in places[:4]),
            *(Given("node-2", 35 + position, position, stream) for position, stream in places[2:]),
        ],
        effects=[Effect(2 * position, position, stream) for position, stream in places],
        sent=[
            Sent("node-1", stream, number, UUID(int=210 + number))
            for stream, kind, number in _EVENTS
            if kind == "Asked"
        ]
        * 2,
    )


def test_a_whole_history_has_no_faults() -> None:
    check(whole())


@pytest.mark.parametrize(
    ("plant", "words"), PLANTS, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_planted_violation_is_found(plant: Callable[[History], History], words: str) -> None:
    planted = plant(whole())
    assert any(words in fault for fault in faults_of(planted))
    with pytest.raises(HistoryError, match=words):
        check(planted)
