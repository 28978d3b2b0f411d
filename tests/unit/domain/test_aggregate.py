# Its classes are wrong on purpose, and checkers see most of it.
# pyright: basic, reportReturnType=false, reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false, reportUndefinedVariable=false

import asyncio
from collections.abc import Iterable
from types import new_class
from uuid import uuid4

import pytest

from chekov import (
    Aggregate,
    Command,
    CommandHandler,
    DefinitionError,
    Domain,
    Event,
    Identifier,
    MemoryStore,
    Runtime,
    apply,
    definition_of,
    execute,
    stream_of,
)
from chekov.domain.names import is_name
from tests.unit.domain.messages import Either, Left, Right
from tests.unit.domain.turning import faults, of

NAMES = (
    "aggregate", "appliers", "command", "commands", "definition", "events", "executors", "faults",
    "fields", "handlers", "identity", "name", "position", "snapshot_due", "snapshot_every",
    "snapshot_version", "state", "stream", "version",
)  # fmt: skip


def test_the_definition_holds_what_the_class_statement_says() -> None:
    class Turns(Aggregate, identity="turns", snapshot_every=3, snapshot_version=2):
        @execute
        def either(self, command: Either) -> Iterable[Left | Right]:
            yield Left(text=command.key)

        @apply
        def turned(self, event: Left | Right) -> None:
            pass

    definition = definition_of(Turns)
    assert definition.identity == "turns"
    assert definition.snapshot_version == 2
    assert definition.snapshot_due is not None
    assert [definition.snapshot_due(9, events, 0.0) for events in (2, 3)] == [False, True]
    assert definition.executors[Either].name == "either"
    assert {kind: item.name for kind, item in definition.appliers.items()} == {
        Left: "turned",
        Right: "turned",
    }
    assert definition.faults == ()
    assert definition.stream(7) == stream_of(Turns, 7) == "turns-7"


def test_fields_of_states_and_messages_may_have_any_name() -> None:
    """Each field keeps its default, is set by its event, and survives in a snapshot."""
    fields = dict.fromkeys(NAMES, str)
    changed = type("Changed", (Event,), {"__annotations__": fields})
    annotations = {"__annotations__": {**fields, "key": Identifier[str]}}
    change = new_class("Change", (Command[changed],), {}, lambda body: body.update(annotations))

    def executor(self: object, command: Command[Event]) -> Iterable[Event]:
        yield changed(**{name: getattr(self, name) + getattr(command, name) for name in NAMES})

    def applier(self: object, event: Event) -> None:
        for name in NAMES:
            setattr(self, name, getattr(event, name))

    executor.__annotations__ = {"command": change, "return": Iterable[changed]}
    applier.__annotations__ = {"event": changed, "return": None}
    kind = type(
        "Thing",
        (Aggregate,),
        {
            "__annotations__": fields,
            **dict.fromkeys(NAMES, "0"),
            "execute_change": execute(executor),
            "apply_changed": apply(applier),
        },
        snapshot_every=1,
    )
    domain = Domain("things", aggregates=[kind])

    async def change_twice() -> dict[str, object]:
        async with Runtime(domain, store=MemoryStore()) as runtime:
            for _ in range(2):
                await runtime.dispatch(change(key="k", **dict.fromkeys(NAMES, "1")))
            loaded = await runtime.load(kind, "k")
            assert loaded.stream == "Thing-k"
            return vars(loaded.state)

    assert asyncio.run(change_twice()) == dict.fromkeys(NAMES, "011")


def test_an_aggregate_without_marked_methods_is_a_fault() -> None:
    class Forgetful(Aggregate):
        def open(self, command: Either) -> Iterable[Left]:
            yield Left(text=command.key)

    assert "Forgetful executes no command and applies no event" in "\n".join(
        definition_of(Forgetful).faults
    )


def test_an_executor_yields_events_and_returns_none() -> None:
    class Returning(Aggregate):
        @execute
        def either(self, command: Either) -> Left | Right:
            return Left(text=command.key)

        @apply
        def turned(self, event: Left | Right) -> None:
            pass

    assert "Returning.either returns" in "\n".join(definition_of(Returning).faults)
    assert "`yield` the events" in "\n".join(definition_of(Returning).faults)


def test_a_misspelt_class_keyword_is_named_with_the_known_ones() -> None:
    with pytest.raises(DefinitionError) as caught:

        class Account(Aggregate, identify="account"):
            pass

    (fault,) = caught.value.faults
    assert caught.value.subject.endswith("Account")
    assert "no class keyword 'identify': did you mean 'identity'?" in fault
    assert "identity, snapshot_every, snapshot_version" in fault


def test_keywords_of_a_mixin_are_its_own() -> None:
    class Tagged:
        def __init_subclass__(cls, *, tag: str, **kwargs: object) -> None:
            super().__init_subclass__(**kwargs)
            setattr(cls, "tag", tag)  # noqa: B010

    class Account(Aggregate, Tagged, identity="account", tag="blue"):
        pass

    assert definition_of(Account).identity == "account"
    assert getattr(Account, "tag") == "blue"  # noqa: B009


def test_command_handlers_may_keep_attributes_of_any_name() -> None:
    class Turns(Aggregate):
        @execute
        def either(self, command: Either) -> Iterable[Left | Right]:
            yield Left(text=command.key)

        @apply
        def turned(self, event: Left | Right) -> None:
            pass

    class Deciding(CommandHandler):
        def __init__(self) -> None:
            self.executors = self.faults = "mine"

        @execute
        async def either(self, command: Either, turns: Turns) -> Iterable[Left | Right]:
            return turns.either(command)

    domain = Domain("turning", aggregates=[Turns], command_handlers=[Deciding()])
    assert domain.command_handler_of(Either) is not None


@pytest.mark.parametrize(
    ("identity", "text"),
    [
        ("", "must be printable, not empty"),
        ("lo-st", "without '-'"),
        ("a\nb", "must be printable"),
        ("$own", "must not start with '$'"),
        ("x" * 964, "has 964 bytes; 963 leave room for a UUID"),
    ],
)
def test_an_identity_must_be_able_to_begin_the_name_of_a_stream(identity: str, text: str) -> None:
    class Turns(Aggregate, identity=identity):
        @apply
        def turned(self, event: Left) -> None:
            pass

    (fault,) = definition_of(Turns).faults
    assert text in fault


def test_a_long_identity_leaves_room_for_a_uuid() -> None:
    class Turns(Aggregate, identity="x" * 963):
        @apply
        def turned(self, event: Left) -> None:
            pass

    assert definition_of(Turns).faults == ()
    assert is_name(stream_of(Turns, uuid4()))


def test_an_executor_may_return_its_events() -> None:
    class Turns(Aggregate):
        @execute
        def either(self, command: Either) -> Iterable[Left | Right]:
            return [Left(text=command.key)]

        @apply
        def turned(self, event: Left | Right) -> None:
            pass

    execute_either = definition_of(Turns).executors[Either].function
    assert execute_either(Turns(), Either(key="a")) == [Left(text="a")]


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


def test_an_executor_without_yield_is_found_before_it_runs() -> None:
    class Forgetful(Aggregate, identity="forgetful"):
        @execute
        def either(self, command: Either) -> Iterable[Left | Right]:
            if command.key:
                Left(text=command.key)
            else:
                return

        @apply
        def turned(self, event: Left | Right) -> None:
            pass

    [fault] = definition_of(Forgetful).faults
    assert "Forgetful.either yields no event, and returns none: did you forget `yield`?" in fault


def test_an_executor_may_return_a_list_or_always_refuse() -> None:
    class Listing(Aggregate, identity="listing"):
        @execute
        def either(self, command: Either) -> Iterable[Left | Right]:
            if command.key == "none":
                raise ValueError
            return [] if command.key else (Left(text="a"),)

        @apply
        def turned(self, event: Left | Right) -> None:
            pass

    class Refusing(Listing, identity="refusing"):
        @execute
        def either(self, command: Either) -> Iterable[Left | Right]:
            raise ValueError(command.key)

    assert definition_of(Listing).faults == definition_of(Refusing).faults == ()


def test_a_command_handler_that_returns_no_events_is_found() -> None:
    class Turns(Aggregate, identity="turns"):
        @apply
        def turned(self, event: Left | Right) -> None:
            pass

    class Deciding(CommandHandler):
        @execute
        async def either(self, command: Either, turns: Turns) -> Iterable[Left | Right]:
            await asyncio.sleep(0)

    [fault] = definition_of(Deciding).faults
    assert "Deciding.either yields no event" in fault
