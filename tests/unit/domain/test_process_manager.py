from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from chekov import (
    Command,
    DefinitionError,
    Domain,
    Event,
    Identifier,
    ProcessManager,
    Rejected,
    Schedule,
    Timer,
    expired,
    finish,
    handle,
    proceed,
    rejected,
    start,
)
from chekov.domain.definitions import definition_of, process_definition_of
from tests.unit.engine.processes.transfers import (
    Account,
    Deposited,
    Ended,
    Requested,
    TooLate,
    Transfer,
    TransferRequest,
    Withdraw,
    Withdrawn,
)

FAR_EAST, FAR_WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))


def faults(manager: type[ProcessManager]) -> str:
    """Every fault that a domain with this process manager has, one in a line."""
    with pytest.raises(DefinitionError) as caught:
        Domain("bank", aggregates=[Account, TransferRequest], handlers=[manager()])
    return "\n".join(caught.value.faults)


def test_a_process_manager_knows_its_inputs() -> None:
    definition = process_definition_of(Transfer)
    assert [(kind, item.method.role) for kind, item in definition.reactions.items()] == [
        (Requested, "start"),
        (Withdrawn, "proceed"),
        (Deposited, "proceed"),
        (Ended, "finish"),
    ]
    assert {kind.__name__ for kind in definition.rejections} == {"Withdraw", "Deposit"}
    assert list(definition.expirations) == [TooLate]
    assert definition_of(Transfer).name == "transfer"
    assert not definition_of(Transfer).faults


class Sent(Event):
    parcel: int
    others: tuple[UUID, ...] = ()


class Send(Command[Sent]):
    parcel: Identifier[int]


def by(manager: type[ProcessManager], event: Event) -> tuple[str, ...]:
    return process_definition_of(manager).reactions[type(event)].instances(event)


def test_an_event_is_for_the_instances_that_by_names() -> None:
    class ByField(ProcessManager):
        @start(by="parcel")
        def sent(self, event: Sent) -> None: ...

    class ByFunction(ProcessManager):
        @start(by=lambda event: event.others)
        def sent(self, event: Sent) -> None: ...

    class ByNone(ProcessManager):
        @start(by=lambda _event: None)
        def sent(self, event: Sent) -> None: ...

    one, two = UUID(int=1), UUID(int=2)
    event = Sent(parcel=7, others=(one, two, one))
    assert by(ByField, event) == ("7",)
    assert by(ByFunction, event) == (str(one), str(two))
    assert by(ByNone, event) == ()


@pytest.mark.parametrize(
    "name", ["", "a\0b", "x" * 1001, "\ud800", 1.5, True, b"x", object(), [["x"]]]
)
def test_what_cannot_name_an_instance_is_refused(name: object) -> None:
    class ByText(ProcessManager):
        @start(by=lambda _event: name)
        def sent(self, event: Sent) -> None: ...

    with pytest.raises(ValueError, match="cannot name an instance"):
        by(ByText, Sent(parcel=1))


def test_fields_need_defaults_and_a_process_manager_a_start() -> None:
    with pytest.raises(DefinitionError, match="count needs a default"):

        class Bare(ProcessManager):  # pyright: ignore[reportUnusedClass]
            count: int

    class Endless(ProcessManager):
        @proceed(by="transfer")
        def withdrawn(self, event: Withdrawn) -> None: ...

    assert "Endless never begins: add a method marked @start(by=…)" in faults(Endless)


def unchecked(decorator: Any) -> Any:
    """A decorator, for methods that type checkers would refuse too."""
    return decorator


def test_each_method_is_checked() -> None:
    class Wrong(ProcessManager):
        @start(by="absent")
        def begun(self, event: Requested) -> None: ...

        @unchecked(proceed(by="transfer"))
        async def waiting(self, event: Withdrawn) -> None: ...

        @unchecked(proceed(by="transfer"))
        def with_more(self, event: Deposited, more: int) -> None: ...

        @unchecked(finish(by="transfer"))
        def on_command(self, command: Withdraw) -> None: ...

        @unchecked(rejected)
        def without_reason(self, command: Send, reason: str) -> None: ...

        @expired
        def on_any(self, timer: Timer) -> None: ...

    found = faults(Wrong)
    assert "Wrong.begun: Requested has no field 'absent' to find its instance by" in found
    assert "Wrong.waiting is async, but a process manager is pure" in found
    assert "Wrong.with_more takes its message, nothing else" in found
    assert "Wrong.on_command is marked @finish and takes Withdraw, which is not an Event" in found
    assert "Wrong.without_reason: annotate its second parameter with Rejected" in found
    assert "Wrong.on_any takes Timer, the base class" in found


def test_an_input_has_one_method() -> None:
    class Twice(ProcessManager):
        @start(by="transfer")
        def first(self, event: Requested) -> None: ...

        @finish(by="transfer")
        def second(self, event: Requested) -> None: ...

    assert "Twice.second and .first both take Requested: keep one" in faults(Twice)


def test_a_handle_method_has_no_effect() -> None:
    class Mixed(ProcessManager):
        @start(by="transfer")
        def first(self, event: Requested) -> None: ...

        @handle
        async def second(self, event: Withdrawn, context: Any) -> None: ...

    assert "Mixed.second is marked @handle, which has no effect" in faults(Mixed)


def test_commands_that_are_named_must_have_an_aggregate() -> None:
    class Mailing(ProcessManager):
        @start(by="transfer")
        def first(self, event: Requested) -> Iterable[Withdraw | Send]:
            return ()

        @rejected
        def refused(self, command: Send, reason: Rejected) -> None: ...

    assert faults(Mailing).endswith("Mailing sends Send, which no aggregate executes")


def test_two_timers_of_one_name_are_refused() -> None:
    class Late(Timer, name="late"):
        pass

    class Later(Timer, name="late"):
        pass

    class Odd(Timer, name="$odd"):
        pass

    class Waiting(ProcessManager):
        @start(by="transfer")
        def first(self, event: Requested) -> None: ...

        @expired
        def late(self, timer: Late | Later | Odd) -> None: ...

    found = faults(Waiting)
    assert "Waiting has two timers called 'late'" in found
    assert "name '$odd' must have 1 to 1000 bytes" in found


def test_a_timer_cannot_have_fields_that_hide_its_methods() -> None:
    with pytest.raises(DefinitionError, match="a field cannot be called 'at'"):
        type("Meeting", (Timer,), {"__annotations__": {"at": int}, "at": 0})


def test_a_state_that_cannot_be_stored_is_a_fault_of_the_domain() -> None:
    from chekov import MemoryStore, Runtime  # noqa: PLC0415

    class Vague(ProcessManager):
        seen: object = object

        @start(by="transfer")
        def first(self, event: Requested) -> None: ...

    domain = Domain("bank", aggregates=[Account, TransferRequest], handlers=[Vague()])
    with pytest.raises(DefinitionError, match="Vague"):
        Runtime(domain, store=MemoryStore())


def test_a_schedule_is_due_after_its_input_or_at_a_time() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    later = datetime(2026, 5, 1, tzinfo=UTC)
    assert TooLate().after(timedelta(hours=2)).due(since) == since + timedelta(hours=2)
    assert TooLate().at(later).due(since) == later
    assert Schedule(Send(parcel=1), at=later).due(since) == later
    assert TooLate.cancel().cancels


@pytest.mark.parametrize(
    ("arguments", "due"),
    [
        ({"at": datetime.min.replace(tzinfo=UTC)}, datetime(1970, 1, 1, tzinfo=UTC)),
        ({"at": datetime.min.replace(tzinfo=FAR_EAST)}, datetime(1970, 1, 1, tzinfo=UTC)),
        ({"at": datetime.max.replace(tzinfo=UTC)}, datetime(9999, 1, 1, tzinfo=UTC)),
        ({"at": datetime.max.replace(tzinfo=FAR_WEST)}, datetime(9999, 1, 1, tzinfo=UTC)),
        ({"after": timedelta.max}, datetime(9999, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_schedule_is_due_at_a_time_that_every_store_counts_from(
    arguments: dict[str, Any], due: datetime
) -> None:
    assert Schedule(Send(parcel=1), **arguments).due(datetime(2026, 1, 1, tzinfo=UTC)) == due


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({}, "not neither"),
        ({"after": timedelta(1), "at": datetime(2026, 1, 1, tzinfo=UTC)}, "not both"),
        ({"after": timedelta(-1)}, "is negative"),
        ({"at": datetime(2026, 1, 1)}, "has no zone"),  # noqa: DTZ001 that is the fault
    ],
)
def test_an_unusable_time_is_refused(arguments: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Schedule(Send(parcel=1), **arguments)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"subject": "x", "after": timedelta(1)}, "'x' cannot be scheduled"),
        ({"subject": int}, "cannot be scheduled"),
        ({"subject": Withdraw}, "or the type of a timer"),
        ({"subject": TooLate(), "after": 5}, "after=5 is no timedelta"),
        ({"subject": TooLate(), "at": "2030-01-01"}, "is no datetime"),
        ({"subject": TooLate(), "at": date(2030, 1, 1)}, "is no datetime"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Schedule(**given)
