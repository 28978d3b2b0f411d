"""An executor that takes a context is told when and on whose behalf its command was sent."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from chekov import (
    Aggregate,
    Command,
    CommandContext,
    CommandEnvelope,
    DefinitionError,
    Domain,
    Event,
    Identifier,
    MemoryStore,
    Principal,
    Runtime,
    apply,
    execute,
)


class Lent(Event):
    to: str
    at: datetime


class Lend(Command[Lent]):
    copy: Identifier[str]


class Renew(Command[Lent]):
    copy: Identifier[str]


class Copy(Aggregate, identity="copy"):
    lent: int = 0

    @execute
    def lend(self, command: Lend, context: CommandContext) -> Iterable[Lent]:
        borrower = context.principal.subject if context.principal else "nobody"
        yield Lent(to=borrower, at=context.time)

    @execute
    def renew(self, command: Renew, context: CommandContext) -> Iterable[Lent]:
        return [Lent(to=str(context.metadata["to"]), at=context.time)]

    @apply
    def was_lent(self, event: Lent) -> None:
        self.lent += 1


LIBRARY = Domain("library", aggregates=[Copy])


async def test_it_has_the_time_and_the_principal_of_the_envelope() -> None:
    envelope = CommandEnvelope.of(Lend(copy="1"), principal=Principal("ada"))
    async with Runtime(LIBRARY, store=MemoryStore()) as runtime:
        [event] = (await runtime.execute(envelope)).events
        assert (event.to, event.at) == ("ada", envelope.time)
        [event] = (await runtime.dispatch(Lend(copy="1"), expected_version=1)).events
        assert event.to == "nobody"


async def test_it_has_the_metadata_and_an_executor_may_return_the_events() -> None:
    async with Runtime(LIBRARY, store=MemoryStore()) as runtime:
        [event] = (await runtime.dispatch(Renew(copy="1"), metadata={"to": "ada"})).events
        assert event.to == "ada"


def test_it_has_the_ids_of_the_command() -> None:
    envelope = CommandEnvelope.of(Lend(copy="1"))
    assert envelope.context == CommandContext(
        time=envelope.time,
        command_id=envelope.command_id,
        correlation_id=envelope.correlation_id,
    )
    assert envelope.time.tzinfo is UTC


async def test_a_version_conflict_does_not_change_it() -> None:
    times: list[datetime] = []

    class Watched(Aggregate, identity="watched"):
        lent: int = 0

        @execute
        def lend(self, command: Lend, context: CommandContext) -> Iterable[Lent]:
            times.append(context.time)
            yield Lent(to="ada", at=context.time)

        @apply
        def was_lent(self, event: Lent) -> None:
            self.lent += 1

    domain, store = Domain("library", aggregates=[Watched]), MemoryStore()
    async with Runtime(domain, store=store) as one, Runtime(domain, store=store) as other:
        await one.dispatch(Lend(copy="1"))
        await other.dispatch(Lend(copy="1"))
        times.clear()
        assert (await one.dispatch(Lend(copy="1"))).version == 3
    assert len(times) == 2
    assert times[0] == times[1]


class Keyword(Aggregate):
    @execute
    def lend(self, command: Lend, *, context: CommandContext) -> Iterable[Lent]:
        yield Lent(to="ada", at=context.time)

    @apply
    def was_lent(self, event: Lent) -> None:
        pass


class Further(Aggregate):
    @execute
    def lend(self, command: Lend, at: datetime, context: CommandContext) -> Iterable[Lent]:
        yield Lent(to="ada", at=at)

    @apply
    def was_lent(self, event: Lent) -> None:
        pass


class Unannotated(Aggregate):
    @execute
    def lend(self, command: Lend, context: Any) -> Iterable[Lent]:
        yield Lent(to="ada", at=context.time)

    @apply
    def was_lent(self, event: Lent) -> None:
        pass


@pytest.mark.parametrize("wrong", [Keyword, Further, Unannotated])
def test_it_is_the_second_parameter_and_annotated(wrong: type[Aggregate]) -> None:
    with pytest.raises(DefinitionError) as caught:
        Domain("library", aggregates=[wrong])
    [fault] = caught.value.faults
    assert fault == (
        f"{wrong.__name__}.lend takes the command and, if it wants, a CommandContext as its next "
        "positional parameter, nothing else"
    )
