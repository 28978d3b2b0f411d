"""A domain decides which commands a principal may send; the program itself may send all."""

from dataclasses import replace
from typing import Any

import pytest

from chekov import (
    ANONYMOUS,
    Action,
    CommandEnvelope,
    DefinitionError,
    Dispatched,
    Domain,
    Forbidden,
    MemoryStore,
    Principal,
    Runtime,
)
from chekov.domain.authorization import Authorize
from chekov.domain.middleware import Middleware, Next
from tests.unit.engine.commands.outcomes import Outcomes
from tests.unit.engine.counter_domain import Add, Counter

ADD = Add(counter="a", amount=1)
ADA = Principal("ada", {"scope": "add"})


async def adders(principal: Principal, action: Action) -> bool:
    return isinstance(action, Add) and action.counter == "a" and "add" in principal.scopes


def guarded(
    authorize: Authorize = adders, *middleware: Middleware, outcomes: Outcomes | None = None
) -> Runtime:
    domain = Domain("counting", aggregates=[Counter], authorize=authorize, middleware=middleware)
    return Runtime(
        domain,
        store=MemoryStore(),
        subscriptions=False,
        observers=[outcomes] if outcomes else [],
    )


async def test_a_permitted_command_is_executed() -> None:
    async with guarded() as runtime:
        assert (await runtime.dispatch(ADD, principal=ADA)).version == 1


@pytest.mark.parametrize("principal", [ANONYMOUS, Principal("eve", {"scope": "read"})])
async def test_another_is_forbidden_and_stores_nothing(principal: Principal) -> None:
    outcomes = Outcomes()
    async with guarded(outcomes=outcomes) as runtime:
        with pytest.raises(Forbidden, match=principal.subject):
            await runtime.dispatch(ADD, principal=principal)
        assert await runtime.store.head() == 0
    assert outcomes.all == [("rejected", 0)]


async def test_the_program_itself_is_not_asked_about() -> None:
    async def nobody(principal: Principal, action: Action) -> bool:
        raise AssertionError((principal, action))

    async with guarded(nobody) as runtime:
        assert (await runtime.dispatch(ADD)).version == 1


@pytest.mark.parametrize("answer", [None, 1, "yes", False])
async def test_only_true_permits(answer: Any) -> None:
    async def authorize(principal: Principal, action: Action) -> Any:
        del principal, action
        return answer

    async with guarded(authorize) as runtime:
        with pytest.raises(Forbidden):
            await runtime.dispatch(ADD, principal=ADA)


async def test_it_may_give_its_own_reason() -> None:
    async def authorize(principal: Principal, action: Action) -> bool:
        raise Forbidden(f"{principal.subject} is on holiday")

    async with guarded(authorize) as runtime:
        with pytest.raises(Forbidden, match=r"^ada is on holiday$"):
            await runtime.dispatch(ADD, principal=ADA)


async def test_it_is_asked_about_what_middleware_made_of_the_command() -> None:
    async def elsewhere(envelope: CommandEnvelope[Any], proceed: Next) -> Dispatched[Any]:
        return await proceed(replace(envelope, command=replace(ADD, counter="b")))

    async with guarded(adders, elsewhere) as runtime:
        with pytest.raises(Forbidden):
            await runtime.dispatch(ADD, principal=ADA)
        assert await runtime.store.head() == 0


def at_once(principal: Principal, action: Action) -> bool:
    del principal, action
    return True


@pytest.mark.parametrize("wrong", ["admins", at_once, Principal])
def test_what_is_no_async_function_is_refused(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match=r"authorize: .* must be an async function"):
        guarded(wrong)
