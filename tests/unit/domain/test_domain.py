# Its domains are wrong on purpose, and checkers see most of it.
# pyright: basic, reportArgumentType=false, reportGeneralTypeIssues=false, reportUndefinedVariable=false
"""Every fault of a domain is found when it is built, and all are told at once."""

from collections.abc import Callable, Generator, Iterable
from typing import Any

import pytest

from chekov import (
    Aggregate,
    Command,
    CommandHandler,
    Connection,
    Context,
    DefinitionError,
    Domain,
    Event,
    EventHandler,
    Identifier,
    Projection,
    Transaction,
    apply,
    definition_of,
    execute,
    handle,
    prepare,
    query,
)
from tests.unit.domain.messages import Either, Left, Right


class Turns(Aggregate, identity="turns"):
    count: int = 0

    @execute
    def either(self, command: Either) -> Generator[Left | Right]:
        yield Left(text=command.key)

    @apply
    def turned(self, event: Left | Right) -> None:
        del event
        self.count += 1


class Seen(EventHandler, name="seen"):
    @handle
    async def turned(self, event: Left | Right, context: Context) -> None:
        pass


def faults(make: Callable[[], Domain]) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        make()
    return caught.value.faults


def of(*aggregates: type[Aggregate], **options: Any) -> Callable[[], Domain]:
    return lambda: Domain("turning", aggregates=aggregates, **options)


def test_a_sound_domain_knows_its_parts() -> None:
    domain = Domain("turning", aggregates=[Turns], handlers=[Seen()])
    assert domain.commands == {"Either": Either}
    assert domain.events == {"Left": Left, "right-turn": Right}
    assert domain.aggregate_of(Either) is Turns
    assert domain.identifier_of(Either) == "key"
    assert domain.preparer_of(Either) is None
    assert domain.projections == ()


def test_an_empty_domain_is_refused() -> None:
    assert faults(of()) == ("it has neither aggregates nor handlers",)


@pytest.mark.parametrize("name", ["", "Bank", "9lives", "a" * 41, "näme", "a b"])
def test_a_name_that_cannot_name_things_is_refused(name: str) -> None:
    (fault,) = faults(lambda: Domain(name, aggregates=[Turns]))
    assert repr(name) in fault


def test_all_faults_come_at_once() -> None:
    class Turn(Command[Left]):
        key: str

    class Lost(Aggregate, identity="lo-st"):
        count: int

        @execute
        def turn(self, command: Turn) -> Iterable[Left]:
            yield Left(text=command.key)

    class Bad(EventHandler, name="bad"):
        @handle
        def turned(self, event: Left, context: Context) -> None:
            pass

    found = faults(lambda: Domain("Wrong", aggregates=[Lost], handlers=[Bad()]))
    text = "\n".join(found)
    for part in (
        "name 'Wrong'",
        "identity 'lo-st'",
        "Lost.count needs a default",
        "Turn yields Left, which",
        "Turn needs exactly one field annotated Identifier",
        "Bad.turned must be written with `async def`",
    ):
        assert part in text
    assert len(found) == 6


def test_the_message_counts_and_lists_the_faults() -> None:
    with pytest.raises(DefinitionError, match=r"domain 'turning' has 1 fault:\n  - it has neither"):
        of()()


def test_an_event_that_nobody_applies_is_a_fault() -> None:
    class HalfTurns(Aggregate, identity="half"):
        @execute
        def either(self, command: Either) -> Iterable[Left]:
            yield Left(text=command.key)

        @apply
        def turned(self, event: Left) -> None:
            pass

    (fault,) = faults(of(HalfTurns))
    assert "Either yields Right, which" in fault
    assert "add an @apply method" in fault


def test_an_executor_yields_what_its_command_promises() -> None:
    class Turn(Command[Left]):
        key: Identifier[str]

    class Liar(Aggregate, identity="liar"):
        @execute
        def turn(self, command: Turn) -> Iterable[Right]:
            yield Right(number=len(command.key))

        @apply
        def turned(self, event: Left | Right) -> None:
            pass

    (fault,) = faults(of(Liar))
    assert "Liar.turn yields Right, but" in fault


def test_a_command_that_does_not_say_what_it_yields_is_a_fault() -> None:
    class Silent(Command):
        key: Identifier[str]

    class Listener(Aggregate, identity="listener"):
        @execute
        def silent(self, command: Silent) -> Iterable[Left]:
            yield Left(text=command.key)

        @apply
        def turned(self, event: Left) -> None:
            pass

    (fault,) = faults(of(Listener))
    assert "Silent does not say what it yields" in fault


def test_two_executors_of_one_command_are_a_fault() -> None:
    class Twice(Turns, identity="twice"):
        @execute
        def again(self, command: Either) -> Iterable[Left | Right]:
            yield Left(text=command.key)

    (fault,) = faults(of(Twice))
    assert "both take Either: keep one" in fault


def test_a_command_belongs_to_one_aggregate() -> None:
    class Others(Turns, identity="others"):
        pass

    (fault,) = faults(of(Turns, Others))
    assert "Either is executed by Turns and by" in fault


def test_names_are_given_once() -> None:
    class Veer(Event, name="Left"):
        pass

    class Other(Aggregate, identity="turns"):
        @apply
        def veered(self, event: Veer) -> None:
            pass

    class Also(Seen, name="seen"):
        pass

    found = faults(of(Turns, Other, handlers=[Seen(), Also()]))
    assert len(found) == 3
    assert "share the identity 'turns'" in found[0]
    assert "share the handler name 'seen'" in found[1]
    assert "are both the event 'Left'" in found[2]


def test_an_identifier_is_exactly_one_field() -> None:
    class Both(Command[Left]):
        one: Identifier[str]
        other: Identifier[str]

    class Taker(Aggregate, identity="taker"):
        @execute
        def both(self, command: Both) -> Iterable[Left]:
            yield Left(text=command.one)

        @apply
        def turned(self, event: Left) -> None:
            pass

    (fault,) = faults(of(Taker))
    assert "it has several: one, other" in fault


def test_methods_are_found_by_annotations_that_must_be_there() -> None:
    class Bare(Aggregate, identity="bare"):
        @execute
        def bare(self, command):  # noqa: ANN001, ANN202
            yield Left(text=str(command))

        @execute
        async def later(self, command: Either) -> Iterable[Left]:
            return [Left(text=command.key)]

        @apply
        def wrong(self, event: int) -> None:
            pass

        @apply
        async def also_later(self, event: Left | Right) -> None:
            pass

    found = "\n".join(faults(of(Bare)))
    assert "Bare.bare: annotate its first parameter" in found
    assert "Bare.later is async, but an executor is pure" in found
    assert "Bare.wrong: annotate its first parameter" in found
    assert "Bare.also_later is async, but an applier is pure" in found


def test_an_annotation_that_is_not_defined_is_told_by_name() -> None:
    class Loose(Aggregate, identity="loose"):
        @apply
        def turned(self, event: "NoSuchEvent") -> None:  # noqa: F821
            pass

    (fault,) = faults(of(Loose))
    assert "Loose.turned" in fault
    assert "NoSuchEvent" in fault


def test_what_is_passed_must_be_of_the_right_kind() -> None:
    found = faults(of(int, Turns, handlers=[Seen, 3], command_handlers=["x"]))
    text = "\n".join(found)
    assert "aggregates: <class 'int'> is not a subclass of Aggregate" in text
    assert "is not an instance of EventHandler or Projection" in text
    assert "is not an instance of CommandHandler" in text
    assert len(found) == 4


def test_handlers_are_checked() -> None:
    class Odd(EventHandler, name="odd one", version=0, on_failure="ignore"):
        @handle
        async def command(self, event: Either, context: Context) -> None:
            pass

        @handle
        async def no_context(self, event: Left) -> None:
            pass

        @handle
        async def transaction(self, event: Right, context: Transaction) -> None:
            pass

    class Idle(EventHandler, name="idle"):
        pass

    found = "\n".join(faults(of(Turns, handlers=[Odd(), Idle()])))
    for part in (
        "name 'odd one' must start with a letter",
        "version 0 must be 1 to 2147483647",
        "on_failure 'ignore' is not 'park' or 'stop'",
        "handles Either, which is not an Event",
        "no_context takes the event and a second parameter annotated Context",
        "transaction takes the event and a second parameter annotated Context",
        "Idle handles no event",
    ):
        assert part in found


def test_projections_are_checked() -> None:
    class Bare(Projection, name="bare"):
        @handle
        async def turned(self, event: Left, context: Context) -> None:
            pass

        @query
        def now(self, connection: Connection) -> int:
            return id(connection)

        @query
        async def unclear(self, connection: Connection, limit) -> int:  # noqa: ANN001
            del connection
            return int(limit)

        @query
        async def no_connection(self, limit: int) -> int:
            return limit

    class Same(Projection, name="BARE"):
        tables = "create table turns (id bigint)"

        @handle
        async def turned(self, event: Left, transaction: Transaction) -> None:
            pass

    found = "\n".join(faults(of(Turns, handlers=[Bare(), Same()])))
    for part in (
        "Bare needs `tables`",
        "Bare.now must be written with `async def`",
        "Bare.unclear: annotate its parameter 'limit'",
        "Bare.no_connection: annotate its first parameter with Connection",
        "share the table schema",
    ):
        assert part in found


def test_a_projection_may_take_a_plain_context() -> None:
    class Plain(Projection, name="plain"):
        tables = "create table turns (id bigint)"

        @handle
        async def turned(self, event: Left, context: Context) -> None:
            pass

    assert Domain("turning", aggregates=[Turns], handlers=[Plain()]).projections


def test_command_handlers_are_checked() -> None:
    class Unknown(Command[Left]):
        key: Identifier[str]

    class Preparing(CommandHandler):
        @prepare
        async def unknown(self, command: Unknown, turns: Turns) -> Unknown:
            del turns
            return command

        @prepare
        async def either(self, command: Either, turns: int) -> Either:
            del turns
            return command

    class Also(CommandHandler):
        @prepare
        async def either(self, command: Either, turns: Turns) -> Either:
            del turns
            return command

        @prepare
        def not_async(self, command: Left) -> Left:
            return command

    found = "\n".join(faults(of(Turns, command_handlers=[Preparing(), Also()])))
    for part in (
        "Unknown, which no aggregate executes",
        "Preparing.either: annotate its second parameter with Turns",
        "both prepare Either: keep one",
        "Also.not_async must be written with `async def`",
        "Also.not_async takes the command and the aggregate's state, nothing else",
        "Also.not_async takes Left, which is not a Command",
    ):
        assert part in found, part


def test_methods_of_base_classes_count_and_can_be_replaced() -> None:
    class Base(Aggregate, identity="base"):
        count: int = 0

        @apply
        def turned(self, event: Left | Right) -> None:
            del event
            self.count += 1

    class Derived(Base, identity="derived"):
        @execute
        def either(self, command: Either) -> Iterable[Left]:
            yield Left(text=command.key)

        @apply
        def turned(self, event: Left | Right) -> None:
            del event
            self.count += 10

    Domain("turning", aggregates=[Derived])
    state = Derived()
    definition_of(Derived).appliers[Left].function(state, Left(text=""))
    assert state.count == 10
