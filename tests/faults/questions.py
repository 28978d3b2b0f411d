"""Questions that a process manager answers: a domain in which every loss and repetition shows."""

import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from chekov import (
    Aggregate,
    Command,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    ProcessManager,
    Projection,
    Transaction,
    apply,
    execute,
    finish,
    handle,
    start,
)
from chekov.domain.envelope import CommandEnvelope
from tests.faults.history import Given, Sent

NAME: Final = "questions"
PARTITIONS: Final = 4


class Asked(Event):
    topic: str
    number: int


class Answered(Event):
    topic: str
    number: int


class Ask(Command[Asked]):
    topic: Identifier[str]
    number: int


class Answer(Command[Answered]):
    topic: Identifier[str]
    number: int


class Topic(Aggregate, identity="topic"):
    events: int = 0

    @execute
    def ask(self, command: Ask) -> Iterable[Asked]:
        yield Asked(topic=command.topic, number=command.number)

    @execute
    def answer(self, command: Answer) -> Iterable[Answered]:
        yield Answered(topic=command.topic, number=command.number)

    @apply
    def count(self, event: Asked | Answered) -> None:
        self.events += 1


class Ledger:
    """What one process notes: each line is in the kernel before anything else happens.

    Args:
        file: is appended to.
        node: names the process.
    """

    def __init__(self, file: Path, node: str) -> None:
        self._file = os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._node = node

    def given(self, position: int, stream: str) -> None:
        self._write("given", time.monotonic_ns(), position, stream)

    def sent(self, stream: str, number: int, command: UUID) -> None:
        self._write("sent", stream, number, str(command))

    def _write(self, kind: str, *values: object) -> None:
        os.write(self._file, json.dumps([kind, self._node, *values]).encode() + b"\n")


def read(file: Path) -> tuple[list[Given], list[Sent]]:
    """What a process has noted; of a line that it did not finish, nothing followed."""
    given: list[Given] = []
    sent: list[Sent] = []
    for line in file.read_text().splitlines():
        kind, node, *values = json.loads(line)
        if kind == "given":
            given.append(Given(node, *values))
        else:
            stream, number, command = values
            sent.append(Sent(node, stream, number, UUID(command)))
    return given, sent


class Notes(EventHandler, name="notes", partitions=PARTITIONS):
    """Notes each event that it is given."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @handle
    async def was_given(self, event: Asked | Answered, context: Context) -> None:
        self._ledger.given(context.position, context.stream)


class Effects(Projection, name="effects"):
    """Adds a row for each event, whether there is one or not."""

    tables = """
        create table effects (
            number bigserial primary key, position bigint not null, stream text not null
        )
    """

    @handle
    async def was_stored(self, event: Asked | Answered, transaction: Transaction) -> None:
        transaction.write(
            "insert into effects (position, stream) values ($1, $2)",
            transaction.position,
            transaction.stream,
        )


def question(event: Asked | Answered) -> str:
    """The instance of the process manager that an event is for."""
    return f"{event.topic}/{event.number}"


class Answering(ProcessManager, name="answering"):
    """Answers each question once."""

    answered: bool = False

    @start(by=question)
    def was_asked(self, event: Asked) -> Iterable[Command[Any]]:
        yield Answer(topic=event.topic, number=event.number)

    @finish(by=question)
    def was_answered(self, event: Answered) -> None:
        self.answered = True


def domain(ledger: Ledger) -> Domain:
    """What a node runs."""

    async def note(
        envelope: CommandEnvelope[Any], proceed: Callable[[CommandEnvelope[Any]], Awaitable[Any]]
    ) -> Any:
        command = envelope.command
        if isinstance(command, Answer):
            ledger.sent(f"topic-{command.topic}", command.number, envelope.command_id)
        return await proceed(envelope)

    return Domain(
        NAME,
        aggregates=[Topic],
        handlers=[Notes(ledger), Effects(), Answering()],
        middleware=[note],
    )
