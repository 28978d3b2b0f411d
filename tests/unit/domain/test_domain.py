# Its classes are wrong on purpose, and checkers see most of it.
# pyright: basic, reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false, reportUndefinedVariable=false
"""Every fault of a domain is found when it is built, and all are reported at once."""

from collections.abc import AsyncIterable, Iterable

import pytest

from chekov import (
    Aggregate,
    Boundary,
    Command,
    CommandContext,
    CommandHandler,
    Context,
    DefinitionError,
    Domain,
    Event,
    EventHandler,
    Identifier,
    Scope,
    apply,
    execute,
    handle,
    scope,
)
from tests.unit.domain.messages import Either, Left, Right
from tests.unit.domain.turning import Seen, Turns, faults, of


class Middle(Event):
    pass


def test_a_sound_domain_knows_its_parts() -> None:
    domain = Domain("turning", aggregates=[Turns], handlers=[Seen()])
    assert domain.commands == {"Either": Either}
    assert domain.events == {"Left": Left, "right-turn": Right}
    assert domain.aggregate_of(Either) is Turns
    assert domain.identifier_of(Either) == "key"
    assert domain.command_handler_of(Either) is None
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


def test_what_is_passed_must_be_of_the_right_kind() -> None:
    found = faults(of(int, Turns, handlers=[int, 3], command_handlers=["x"]))
    text = "\n".join(found)
    assert "aggregates: <class 'int'> is not a subclass of Aggregate" in text
    assert "is not an instance of EventHandler, Projection or ProcessManager" in text
    assert "is not an instance of CommandHandler" in text
    assert len(found) == 4


def test_command_handlers_are_checked() -> None:
    class Elsewhere(Aggregate, identity="elsewhere"):
        count: int = 0

        @apply
        def turned(self, event: Left) -> None:
            self.count += 1

    class Unapplied(Command[Middle]):
        key: Identifier[str]

    class Deciding(CommandHandler):
        @execute
        async def unapplied(self, command: Unapplied, turns: Turns) -> Iterable[Middle]:
            return []

        @execute
        async def either(self, command: Either, elsewhere: Elsewhere) -> Iterable[Left]:
            return []

    class Also(CommandHandler, timeout=0):
        @execute
        async def either(self, command: Either, turns: Turns) -> AsyncIterable[Middle]:
            yield Middle()

        @execute
        def not_async(self, command: Left, turns: int) -> Iterable[Left]:
            return []

        @execute
        async def too_many(
            self, command: Unapplied, turns: Turns, further: int, context: CommandContext
        ) -> Iterable[Middle]:
            return []

    found = "\n".join(faults(of(Turns, command_handlers=[Deciding(), Also()])))
    for part in (
        "Unapplied yields Middle, which Turns does not apply",
        ".Elsewhere: add it to aggregates=",
        ".Unapplied: keep one",
        "Also: timeout=0 must be a number of seconds greater than 0",
        "Also.either yields Middle, but Either is not a Command of it",
        "Also.not_async must be written with `async def`",
        "Also.not_async: annotate its second parameter with the aggregate whose state it takes",
        "Also.not_async takes Left, which is not a Command",
        "Also.too_many takes the command, the aggregate's state and, if it wants, a CommandContext",
    ):
        assert part in found, part


def test_a_command_handler_decides_about_commands_of_its_aggregate_only() -> None:
    class Elsewhere(Aggregate, identity="elsewhere"):
        @apply
        def turned(self, event: Left | Right) -> None:
            pass

    class Deciding(CommandHandler):
        @execute
        async def either(self, command: Either, elsewhere: Elsewhere) -> Iterable[Left]:
            return []

    (fault,) = faults(of(Turns, Elsewhere, command_handlers=[Deciding()]))
    assert "annotate its second parameter with Turns, which Either is for" in fault


def test_a_command_handler_does_not_decide_for_a_boundary() -> None:
    class Names(Boundary, identity="names"):
        @scope
        def needed(self, command: Either) -> Scope:
            return Scope.of(Left)

        @execute
        def either(self, command: Either) -> Iterable[Left]:
            yield Left(text=command.key)

        @apply
        def turned(self, event: Left | Right) -> None:
            pass

    class Deciding(CommandHandler):
        @execute
        async def either(self, command: Either, names: Names) -> Iterable[Left]:
            return names.either(command)

    (fault,) = faults(of(Names, command_handlers=[Deciding()]))
    assert "Names, a boundary, whose commands are decided by its executors alone" in fault


def test_a_command_that_no_aggregate_executes_may_be_for_a_command_handler() -> None:
    class Only(Command[Left]):
        key: Identifier[str]

    class Deciding(CommandHandler):
        @execute
        async def only(self, command: Only, turns: Turns) -> Iterable[Left]:
            return [Left(text=command.key)]

    domain = of(Turns, command_handlers=[Deciding()])()
    assert domain.aggregate_of(Only) is Turns
    assert domain.commands["Only"] is Only
    assert domain.identifier_of(Only) == "key"


@pytest.mark.parametrize("name", ["", "turn/left", "turn\n"])
def test_the_name_of_a_command_must_fit_into_a_url(name: str) -> None:
    class Turn(Command[Left], name=name):
        key: Identifier[str]

    class Turner(Aggregate, identity="turner"):
        @execute
        def turn(self, command: Turn) -> Iterable[Left]:
            yield Left(text=command.key)

        @apply
        def turned(self, event: Left) -> None:
            pass

    (fault,) = faults(of(Turner))
    assert f"Turn: name {name!r} must be printable" in fault
