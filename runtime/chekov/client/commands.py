"""How a command, and what its sender says about it, is written as a request."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from chekov.client.addresses import moment
from chekov.client.transport import Call
from chekov.client.values import CommandResult, PlainCommand
from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.envelope import Consistency
from chekov.domain.messages import Command
from chekov.domain.recurrence import Missed
from chekov.errors import (
    ConsistencyTimeout,
    HandlerFailed,
    InvalidArgument,
    InvalidCommand,
    InvalidConsistency,
    UnusableState,
)
from chekov.serialization.answers import CommandDocument, read_state
from chekov.serialization.codec import Codec
from chekov.serialization.command_lines import Return
from chekov.serialization.json import from_json, to_json
from chekov.uuid7 import uuid7

AnyCommand: TypeAlias = Command[Any] | PlainCommand

_LONGEST_WAIT: Final = 60


def written(command: AnyCommand) -> tuple[str, bytes]:
    """The name and the encoded fields of a command.

    Raises:
        InvalidCommand: JSON cannot hold them.
    """
    plain = isinstance(command, PlainCommand)
    name = command.name if plain else definition_of(type(command)).name
    try:
        return name, to_json(command.fields if plain else command)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidCommand(f"{name} cannot be written as JSON: {error}") from error


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A command, and what its sender says about it, as the arguments of `Client.dispatch`.

    One that is given to `dispatch_all` several times has a new `command_id` each time, unless it is
    given one.
    """

    command: AnyCommand
    command_id: UUID | None = field(default=None, kw_only=True)
    correlation_id: UUID | None = field(default=None, kw_only=True)
    causation_id: UUID | None = field(default=None, kw_only=True)
    metadata: Mapping[str, Any] | None = field(default=None, kw_only=True)
    expected_version: int | None = field(default=None, kw_only=True)
    consistency: Consistency = field(default="eventual", kw_only=True)
    consistency_timeout: float = field(default=5.0, kw_only=True)
    returns: Return = field(default="events", kw_only=True)

    def call(self) -> Call:
        """The request for it alone."""
        name, body = written(self.command)
        wait, id_ = self.wait(), self.command_id or uuid7()
        headers = {
            **command_headers(id_, self.correlation_id, self.causation_id, self.metadata),
            **_version(self.expected_version),
            **({} if wait is None else {"Prefer": self._preference(wait)}),
        }
        query = () if self.returns == "events" else (("return", self.returns),)
        return Call("POST", ("commands", name), query, headers, body, id_, float(wait or 0))

    def line(self, command_id: UUID) -> bytes:
        """The line for it in a batch.

        Raises:
            InvalidCommand: JSON cannot hold the command or the metadata.
            InvalidArgument: the version cannot be expected.
        """
        name, data = written(self.command)
        members: dict[str, object] = {
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "metadata": self.metadata or None,
            "expected_version": _line_version(self.expected_version),
            "wait": self.wait(),
            "handlers": None if isinstance(self.consistency, str) else list(self.consistency),
            "return": None if self.returns == "events" else self.returns,
        }
        given = {member: value for member, value in members.items() if value is not None}
        try:
            more = b"".join(b",%b:%b" % (to_json(each), to_json(given[each])) for each in given)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidCommand(f"the metadata of {name} is no JSON: {error}") from error
        return b'{"command":%b,"id":"%b"%b,"data":%b}\n' % (
            to_json(name),
            str(command_id).encode(),
            more,
            data,
        )

    def wait(self) -> int | None:
        """The seconds to wait for handlers, `None` for none.

        Raises:
            InvalidConsistency: it is neither "eventual" nor "strong" nor a list of names.
        """
        if self.consistency == "eventual":
            return None
        if isinstance(self.consistency, str) and self.consistency != "strong":
            raise InvalidConsistency(self.consistency)
        return min(math.ceil(self.consistency_timeout), _LONGEST_WAIT)

    def _preference(self, wait: int) -> str:
        if isinstance(self.consistency, str):
            return f"wait={wait}"
        return f'wait={wait}; handlers="{",".join(self.consistency)}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """When a command is to be executed; see `Client.schedule`."""

    at: datetime | None = None
    after: timedelta | None = None
    cron: str | None = None
    timezone: str | None = None
    missed: Missed | None = None

    def query(self) -> Sequence[tuple[str, str]]:
        """The parameters of the request.

        Raises:
            InvalidArgument: not one of `at`, `after` and `cron` is given, or a time has no zone.
        """
        if sum(item is not None for item in (self.at, self.after, self.cron)) != 1:
            raise InvalidArgument("give one of at, after and cron")
        given = {"cron": self.cron, "timezone": self.timezone, "missed": self.missed}
        if self.at is not None:
            given["at"] = moment("at", self.at)
        if self.after is not None:
            given["after"] = str(max(0, math.ceil(self.after.total_seconds())))
        return [(name, value) for name, value in given.items() if value is not None]


def command_headers(
    command_id: UUID,
    correlation_id: UUID | None,
    causation_id: UUID | None,
    metadata: Mapping[str, Any] | None,
) -> dict[str, str]:
    """The headers with which a command is sent, now or for later."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(command_id)}
    if correlation_id is not None:
        headers["X-Correlation-ID"] = str(correlation_id)
    if causation_id is not None:
        headers["X-Causation-ID"] = str(causation_id)
    if metadata:
        headers["X-Metadata"] = _ascii_json(metadata)
    return headers


def _ascii_json(value: Mapping[str, Any]) -> str:
    """JSON in ASCII, as all that headers may hold."""
    text = to_json(value).decode()
    return "".join(char if char < "\x7f" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _version(expected: int | None) -> Mapping[str, str]:
    match expected:
        case None | -1:
            return {}
        case 0:
            return {"If-None-Match": "*"}
        case -2:
            return {"If-Match": "*"}
        case int() if expected > 0 and not isinstance(expected, bool):
            return {"If-Match": f'"{int(expected)}"'}
        case _:
            raise InvalidArgument(
                f"expected_version={expected!r:.60}: expected a version or a member of `Expected`"
            )


def _line_version(expected: int | None) -> int | str | None:
    """As a line of a batch has it, by the same rules."""
    match = _version(expected).get("If-Match")
    return match if match == "*" else expected if expected != -1 else None


def check_handled(document: CommandDocument) -> None:
    """Accept the answer to a command that was to wait for handlers.

    Raises:
        ConsistencyTimeout: the events are stored, but some have not handled them in time.
        HandlerFailed: the events are stored, but some have set one aside.
    """
    if document.behind:
        raise ConsistencyTimeout(document.position, document.behind)
    if document.failed:
        raise HandlerFailed(document.position, document.failed)


def result_of(
    document: CommandDocument, command: AnyCommand, domain: Domain | None, codec: Codec | None
) -> CommandResult[Any]:
    """The result of a command, with the state if there is one."""
    state, error = None, document.state_error
    aggregate = None
    if domain is not None and isinstance(command, Command):
        aggregate = domain.aggregate_of(type(command))
    try:
        state = state_of(bytes(document.state), aggregate)
    except UnusableState as unusable:
        error = str(unusable)
    return CommandResult[Any].of(document, codec, state=state, state_error=error)


def state_of(data: bytes, aggregate: type[Aggregate] | None) -> Any:
    """A state as its class, or in plain values.

    Raises:
        UnusableState: it does not fit the class.
    """
    if aggregate is None or data == b"null":
        return from_json(data)
    return read_state(data, aggregate)
