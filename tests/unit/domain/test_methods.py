# Its classes are wrong on purpose, and checkers see most of it.
# pyright: basic, reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false, reportUndefinedVariable=false

from collections.abc import Iterable

from chekov import (
    Aggregate,
    CommandHandler,
    Context,
    Domain,
    Event,
    EventHandler,
    apply,
    definition_of,
    execute,
    handle,
)
from tests.unit.domain.messages import Either, Left, Right
from tests.unit.domain.turning import Turns, faults, of


def test_two_executors_of_one_command_are_a_fault() -> None:
    class Twice(Turns, identity="twice"):
        @execute
        def again(self, command: Either) -> Iterable[Left | Right]:
            yield Left(text=command.key)

    (fault,) = faults(of(Twice))
    assert "both take Either: keep one" in fault


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


def test_a_base_class_is_not_a_message_type() -> None:
    class Odd(Aggregate, identity="odd"):
        @apply
        def anything(self, event: Event) -> None:
            pass

    (fault,) = definition_of(Odd).faults
    assert "Odd.anything takes Event, the base class: name the types" in fault


def test_a_handler_may_take_every_event() -> None:
    class Audit(EventHandler, name="audit"):
        @handle
        async def anything(self, event: Event, context: Context) -> None:
            pass

    domain = Domain("auditing", aggregates=[Turns], handlers=[Audit()])
    assert definition_of(domain.handlers[0]).handlers.keys() == {Event}
    assert "Event" not in domain.events


def test_marks_that_have_no_effect_are_faults() -> None:
    class Odd(Aggregate):
        @handle
        async def left(self, event: Left, context: object) -> None:
            pass

        @staticmethod
        @apply
        def right(event: Right) -> None:
            pass

        @apply
        def turned(self, event: Left, twice: bool) -> None:  # noqa: FBT001
            pass

        @apply
        def never(self, event: Right) -> Iterable[None]:
            yield

    text = "\n".join(definition_of(Odd).faults)
    assert "Odd.left is marked @handle, which has no effect" in text
    assert "Odd.right must be a plain method, not a staticmethod" in text
    assert "Odd.turned takes the event, nothing else" in text
    assert "Odd.never yields, so it would never run" in text

    class Deciding(CommandHandler):
        @apply
        def left(self, event: Left) -> None:
            pass

    (fault,) = definition_of(Deciding).faults
    assert "Deciding.left is marked @apply, which has no effect" in fault
