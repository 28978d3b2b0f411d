from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from chekov import Command, DefinitionError, ProcessManager, finish, proceed, start
from chekov.domain.process_manager import UnexpectedInput
from chekov.testing import ProcessSpec
from tests.unit.engine.processes.transfers import (
    PATIENCE,
    Deposit,
    Deposited,
    End,
    Ended,
    Overdrawn,
    Requested,
    TooLate,
    Transfer,
    Withdraw,
    Withdrawn,
)

REQUESTED = Requested(transfer="t", source="a", target="b", amount=7)
WITHDRAWN = Withdrawn(transfer="t", amount=7)


def test_an_event_leads_to_commands_and_timers() -> None:
    assert ProcessSpec(Transfer).when(REQUESTED) == [
        Withdraw(account="a", amount=7, transfer="t"),
        TooLate(patience=5).after(PATIENCE),
    ]


def test_what_was_given_is_the_state_that_an_event_finds() -> None:
    spec = ProcessSpec(Transfer).given(REQUESTED)
    assert spec.when(WITHDRAWN) == [Deposit(account="b", amount=7, transfer="t")]
    assert spec.state.step == "withdrawing"
    assert spec.given(WITHDRAWN).state.step == "depositing"


def test_a_refusal_leads_to_compensation() -> None:
    spec = ProcessSpec(Transfer).given(REQUESTED)
    withdraw = Withdraw(account="a", amount=7, transfer="t")
    assert spec.when_rejected(withdraw, Overdrawn(3)) == [
        End(transfer="t", outcome="refused: 3 missing")
    ]
    deposit = Deposit(account="b", amount=7, transfer="t")
    undone = spec.given(WITHDRAWN).given_rejected(deposit, Overdrawn(1))
    assert undone.when(Deposited(transfer="t", amount=7)) == [End(transfer="t", outcome="undone")]


def test_a_timer_is_for_the_only_open_instance() -> None:
    spec = ProcessSpec(Transfer).given(REQUESTED)
    assert spec.given(TooLate(patience=3)).state.step == "late after 3"
    for other in (ProcessSpec(Transfer), spec.given(REQUESTED_TOO)):
        with pytest.raises(AssertionError, match="one open instance of Transfer is needed"):
            other.when(TooLate())


REQUESTED_TOO = Requested(transfer="u", source="a", target="b", amount=1)


def test_instances_do_not_see_each_other() -> None:
    spec = ProcessSpec(Transfer).given(REQUESTED, REQUESTED_TOO, WITHDRAWN)
    assert [state.step for state in spec.instances.values()] == ["depositing", "withdrawing"]
    assert not spec.given(Ended(transfer="t", outcome="done")).instances.keys() - {"u"}


def test_an_event_for_no_instance_is_ignored_after_the_end_too() -> None:
    assert ProcessSpec(Transfer).when(WITHDRAWN) == []
    assert ProcessSpec(Transfer).when(Withdrawn(transfer=None, amount=1)) == []
    ended = ProcessSpec(Transfer).given(REQUESTED, Ended(transfer="t", outcome="done"))
    assert ended.when(WITHDRAWN) == []


class Strict(ProcessManager):
    steps: int = 0

    @start(by="transfer", strict=True)
    def requested(self, event: Requested) -> None:
        self.steps += 1

    @proceed(by="transfer", strict=True)
    def withdrawn(self, event: Withdrawn) -> None:
        self.steps += 1

    @finish(by=lambda event: [event.transfer, "other"])
    def ended(self, event: Ended) -> None: ...


def test_strict_methods_refuse_an_instance_that_is_there_or_missing() -> None:
    spec = ProcessSpec(Strict)
    with pytest.raises(UnexpectedInput, match="'t' has not begun"):
        spec.when(WITHDRAWN)
    with pytest.raises(UnexpectedInput, match="'t' has begun already"):
        spec.given(REQUESTED).when(REQUESTED)
    assert spec.given(REQUESTED, WITHDRAWN).state.steps == 2


def test_an_unknown_input_is_named() -> None:
    with pytest.raises(AssertionError, match="Strict does not take Deposited"):
        ProcessSpec(Strict).when(Deposited(transfer="t", amount=1))
    with pytest.raises(AssertionError, match="Strict does not take Withdraw"):
        ProcessSpec(Strict).given(REQUESTED).when_rejected(
            Withdraw(account="a", amount=1), Overdrawn(1)
        )


def test_what_is_no_command_is_refused() -> None:
    class Careless(ProcessManager):
        @start(by="transfer")
        def requested(self, event: Requested) -> Iterable[Any]:
            yield TooLate()

        @proceed(by="transfer")
        def withdrawn(self, event: Withdrawn) -> Iterable[Any]:
            yield TooLate().after(timedelta(0))

        @proceed(by="transfer")
        def deposited(self, event: Deposited) -> Any:
            return Withdraw(account="a", amount=1)

    spec = ProcessSpec(Careless)
    with pytest.raises(DefinitionError, match="give it a time"):
        spec.when(REQUESTED)
    spec = ProcessSpec(Strict)

    class Begun(Careless):
        @start(by="transfer")
        def requested(self, event: Requested) -> Iterable[Command[Any]]:
            return ()

    spec = ProcessSpec(Begun).given(REQUESTED)
    with pytest.raises(DefinitionError, match="no method marked @expired takes"):
        spec.when(WITHDRAWN)
    with pytest.raises(DefinitionError, match="returned a value of type Withdraw"):
        spec.when(Deposited(transfer="t", amount=1))


def test_faults_of_the_class_are_listed() -> None:
    class Faulty(ProcessManager):
        @start(by="nothing")
        def requested(self, event: Requested) -> None: ...

    with pytest.raises(DefinitionError, match="Requested has no field 'nothing'"):
        ProcessSpec(Faulty)
