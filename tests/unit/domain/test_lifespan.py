"""Handlers may be given as classes, whose `__init__` must suit the lifespan of the domain."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import pytest

from chekov import (
    CommandHandler,
    Context,
    Domain,
    EventHandler,
    Lifespan,
    Transaction,
    definition_of,
    execute,
    handle,
)
from chekov.errors import DefinitionError
from tests.unit.domain.messages import Either, Left, Right
from tests.unit.domain.turning import Turns


class Mailer:
    pass


class Postcards(Mailer):
    pass


class Sends(Protocol):
    def send(self) -> None: ...


@asynccontextmanager
async def mailer() -> AsyncGenerator[Mailer]:
    yield Mailer()


class Plain(EventHandler):
    @handle
    async def left(self, event: Left, context: Context) -> None:
        pass


class Mails(Plain):
    def __init__(self, mailer: Mailer) -> None:
        self.mailer = mailer


@dataclass
class MailsAsData(Plain):
    services: Mailer


class MaybeMails(Plain):
    def __init__(self, services: Mailer | None = None) -> None:
        self.services = services


class Sending(Plain):
    def __init__(self, services: Sends) -> None:
        self.services = services


class Unsure(Plain):
    def __init__(self, anything: Any, /) -> None:
        self.services = anything


class Deciding(CommandHandler):
    def __init__(self, services: Mailer) -> None:
        self.mailer = services

    @execute
    async def either(self, command: Either, turns: Turns) -> Iterable[Left | Right]:
        return turns.either(command)


def domain(*handlers: Any, lifespan: Any = mailer, **further: Any) -> Domain:
    return Domain("turning", aggregates=[Turns], handlers=handlers, lifespan=lifespan, **further)


def faults(*handlers: Any, lifespan: Any = mailer, **further: Any) -> str:
    with pytest.raises(DefinitionError) as caught:
        domain(*handlers, lifespan=lifespan, **further)
    [fault] = caught.value.faults
    return fault


@pytest.mark.parametrize("kind", [Plain, Mails, MailsAsData, MaybeMails, Sending, Unsure])
def test_a_class_stands_for_the_object_that_a_runtime_makes(kind: type[EventHandler]) -> None:
    given = domain(kind)
    [handler] = given.handlers
    assert type(handler) is kind
    assert vars(handler) == {}
    assert definition_of(handler).name == kind.__name__
    assert given.made == (handler,)


def test_each_runtime_has_objects_of_its_own() -> None:
    same = Plain()
    given = domain(same, Mails, command_handlers=[Deciding])
    renewed = given.renewed()
    assert renewed.handlers[0] is same
    assert renewed.handlers[1] is not given.handlers[1]
    assert renewed.made == (renewed.handlers[1], renewed.command_handlers[0])
    found = renewed.command_handler_of(Either)
    assert found is not None
    assert found[0] is renewed.command_handlers[0]
    assert domain(same).renewed().handlers == (same,)


def test_an_object_is_nothing_that_a_runtime_makes() -> None:
    given = domain(Mails(Mailer()), command_handlers=[Deciding(Mailer())])
    assert given.made == ()
    assert given.renewed() is given


def test_who_takes_services_needs_a_lifespan() -> None:
    assert domain(MaybeMails, Plain, lifespan=None).made
    assert "Mails.__init__ takes services, and the domain has none" in faults(Mails, lifespan=None)
    fault = faults(command_handlers=[Deciding], lifespan=None)
    assert "Deciding.__init__ takes services, and the domain has none" in fault


def test_more_than_the_services_cannot_be_given() -> None:
    class Two(Plain):
        def __init__(self, services: Mailer, address: str) -> None:
            self.given = services, address

    assert "Two.__init__ takes services, address: a handler that is given as a class" in faults(Two)
    assert domain(Two(Mailer(), "ada@example.com")).made == ()


class Entered:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@asynccontextmanager
async def postcards() -> AsyncGenerator[Postcards]:
    yield Postcards()


def untyped() -> Any:
    return mailer()


def test_the_types_of_the_services_are_compared() -> None:
    assert domain(Mails, lifespan=postcards).made
    assert domain(Mails, lifespan=untyped).made
    assert "takes Mailer, but the lifespan yields Entered" in faults(Mails, lifespan=Entered)

    class Posts(Plain):
        def __init__(self, services: Postcards) -> None:
            self.services = services

    assert "Posts.__init__ takes Postcards, but the lifespan yields Mailer" in faults(Posts)


async def generator() -> AsyncGenerator[Mailer]:
    yield Mailer()


async def coroutine() -> Mailer:
    return Mailer()


@asynccontextmanager
async def of(address: str) -> AsyncGenerator[Mailer]:
    yield Mailer()


WRONG: list[tuple[Any, str]] = [
    (generator, "generator is not marked @asynccontextmanager"),
    (coroutine, "expected a function without parameters"),
    (3, "expected a function without parameters"),
    (of, "takes address: expected a function without parameters"),
]


@pytest.mark.parametrize(("lifespan", "said"), WRONG)
def test_a_lifespan_of_another_form_is_refused(lifespan: Any, said: str) -> None:
    assert said in faults(Plain, lifespan=lifespan)


def test_a_context_manager_that_was_made_already_is_refused() -> None:
    made: AbstractAsyncContextManager[Mailer] = of("ada@example.com")
    fault = faults(Plain, lifespan=made)
    assert fault.startswith("lifespan: ")


def test_another_lifespan_is_checked_too() -> None:
    given = domain(Mails)
    assert given.with_lifespan(postcards).lifespan is postcards
    assert given.lifespan is mailer
    with pytest.raises(DefinitionError, match="but the lifespan yields Entered"):
        given.with_lifespan(Entered)


class Abstract(Plain, ABC):
    @abstractmethod
    def address(self) -> str: ...


class Counted(Plain):
    def __new__(cls) -> Self:
        return super().__new__(cls)


@pytest.mark.parametrize("kind", [Abstract, Counted])
def test_a_class_that_python_does_not_make_alone_is_given_as_an_object(kind: type) -> None:
    assert "is abstract or has a `__new__` of its own" in faults(kind)


def test_classes_of_another_kind_are_refused_as_ever() -> None:
    assert "<class 'int'> is not an instance of EventHandler" in faults(int)
    assert "is not an instance of CommandHandler" in faults(command_handlers=[Plain])


def typed(lifespan: Lifespan, transaction: Transaction) -> Callable[[], Any]:
    """The public names suit each other."""
    del transaction
    return domain(Mails, lifespan=lifespan).renewed
