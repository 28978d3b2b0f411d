"""An envelope holds what the sender of a command says, and cannot be changed on the way."""

from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from chekov import InvalidArgument, Principal
from chekov.domain.envelope import CommandEnvelope
from tests.unit.engine.counter_domain import Add

COMMAND = Add(counter="a", amount=1)


def test_a_command_without_an_id_gets_one_that_is_its_correlation_id_too() -> None:
    first, second = CommandEnvelope.of(COMMAND), CommandEnvelope.of(COMMAND)
    assert first.command_id != second.command_id
    assert first.correlation_id == first.command_id
    assert not first.idempotent


def test_a_command_whose_sender_chose_the_id_is_idempotent() -> None:
    chosen, correlation = uuid4(), uuid4()
    envelope = CommandEnvelope.of(COMMAND, command_id=chosen, correlation_id=correlation)
    assert (envelope.command_id, envelope.correlation_id) == (chosen, correlation)
    assert envelope.idempotent


def test_every_field_has_a_value() -> None:
    envelope = CommandEnvelope.of(COMMAND, principal=Principal("ada"), consistency="strong")
    values = {item.name: getattr(envelope, item.name) for item in fields(CommandEnvelope)}
    assert values == {
        "command": COMMAND,
        "command_id": envelope.command_id,
        "idempotent": False,
        "correlation_id": envelope.command_id,
        "causation_id": None,
        "metadata": None,
        "principal": Principal("ada"),
        "scheduled_by": None,
        "expected_version": None,
        "timeout": None,
        "consistency": "strong",
        "consistency_timeout": 5.0,
        "with_state": False,
        "timestamp": envelope.timestamp,
    }


def test_its_time_is_when_it_was_made() -> None:
    before = datetime.now(UTC)
    made = CommandEnvelope.of(COMMAND)
    assert before.replace(microsecond=0) <= made.time <= datetime.now(UTC)


def test_it_is_frozen() -> None:
    envelope = CommandEnvelope.of(COMMAND)
    with pytest.raises(FrozenInstanceError):
        envelope.metadata = {"user": "ada"}  # type: ignore[misc]


def test_a_changed_one_is_another_with_the_same_ids() -> None:
    envelope = CommandEnvelope.of(COMMAND, command_id=uuid4())
    changed = replace(envelope, metadata={"user": "ada"})
    assert changed.metadata == {"user": "ada"}
    assert changed != envelope
    assert replace(changed, metadata=None) == envelope


@pytest.mark.parametrize(
    "wrong",
    [
        {"command_id": "0192f0c1-0000-7000-8000-000000000001"},
        {"correlation_id": 7},
        {"causation_id": b""},
        {"principal": "ada"},
        {"expected_version": "3"},
        {"expected_version": True},
        {"expected_version": 1.0},
        {"timeout": "5"},
        {"timeout": float("nan")},
        {"consistency_timeout": None},
    ],
    ids=str,
)
def test_an_argument_of_another_type_is_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(InvalidArgument, match=f"^{name}=.*: expected "):
        CommandEnvelope.of(COMMAND, **wrong)
