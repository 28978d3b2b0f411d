"""When a command is to be executed: `POST /commands/{Command}?at=…`, and lines with `"at": …`."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from multidict import MultiMapping

from chekov.domain.messages import Command
from chekov.domain.recurrence import Missed, Recurrence
from chekov.runtime import Runtime
from chekov.serialization.command_lines import CommandLine
from chekov.serialization.json import to_json
from chekov.server import parameters
from chekov.server.authentication.authenticator import principal
from chekov.server.permissions import Permissions
from chekov.server.problems import MALFORMED, RequestError, malformed

_WAYS: Final = ("at", "after", "cron")
_OF_CRON: Final = ("timezone", "missed")
PARAMETERS: Final = frozenset({*_WAYS, *_OF_CRON})
"""The parameters that say when a command is to be executed."""

_CONDITIONS: Final = ("If-Match", "If-None-Match")


@dataclass(frozen=True, slots=True)
class Future:
    """When a command is to be executed."""

    at: datetime | None = None
    after: timedelta | None = None
    recurrence: Recurrence | None = None

    async def schedule(
        self,
        runtime: Runtime,
        permissions: Permissions,
        command: Command[Any],
        *,
        command_id: UUID | None,
        correlation_id: UUID | None,
        causation_id: UUID | None,
        metadata: Mapping[str, Any] | None,
    ) -> bytes:
        """Schedule the command, and answer with the id under which it can be cancelled.

        Raises:
            Forbidden: the principal of this request may not send the command.
            TooManyRecurring: the domain has as many recurring commands as it may have.
        """
        await permissions.require(command)
        scheduled = await runtime.schedule(
            command,
            at=self.at,
            after=self.after,
            cron=self.recurrence,
            id=command_id,
            correlation_id=correlation_id,
            causation_id=causation_id,
            metadata=metadata,
            principal=principal.get(),
        )
        return to_json({"scheduled": scheduled})


def future(query: MultiMapping[str], headers: Mapping[str, str]) -> Future | None:
    """When a command is to be executed; `None` if that is now.

    Raises:
        RequestError: a parameter is unknown or cannot be used, or a header is for now only.
    """
    way = _way(query)
    if way is None:
        return None
    parameters.refuse_unknown(query, PARAMETERS)
    for name in _CONDITIONS:
        if name in headers:
            raise malformed("header", name, f"a command for later takes no {name}")
    if way == "cron":
        zone, missed = query.get("timezone"), cast("Missed | None", query.get("missed"))
        return Future(recurrence=_recurrence(query["cron"], zone, missed))
    return Future(parameters.moment(query, "at"), parameters.seconds(query, "after"))


def future_of(line: CommandLine) -> Future | None:
    """When the command of a line is to be executed; `None` if that is now.

    Raises:
        RequestError: a member cannot be used, or is for now only.
    """
    way = _way({name for name in PARAMETERS if getattr(line, name) is not None}, "$.")
    if way is None:
        return None
    if line.expected_version is not None:
        raise malformed("path", "$.expected_version", "is not for a command for later")
    if line.returned != "events":
        raise malformed("path", "$.return", "is not for a command for later")
    if line.wait is not None:
        raise malformed("path", "$.wait", "is not for a command for later")
    if line.cron is not None:
        return Future(recurrence=_recurrence(line.cron, line.timezone, line.missed, "$."))
    if line.after is None:
        return Future(line.at)
    if not 0 <= line.after <= parameters.LONGEST_DELAY:
        expected = f"expected a whole number from 0 to {parameters.LONGEST_DELAY}"
        raise malformed("path", "$.after", expected, str(line.after))
    return Future(after=timedelta(seconds=line.after))


def _way(given: Container[str], prefix: str = "") -> str | None:
    """Which way to say it is given; `prefix` stands before the names in errors."""
    for name in _OF_CRON:
        if name in given and "cron" not in given:
            raise malformed("path", prefix + name, "is for cron, which is not given")
    first, *others = [name for name in _WAYS if name in given] or [None]
    if others:
        fault = f"give one of at, after and cron, not {first} too"
        raise malformed("path", f"{prefix}{others[0]}", fault)
    return first


def _recurrence(
    cron: str, timezone: str | None, missed: Missed | None, prefix: str = ""
) -> Recurrence:
    try:
        # An empty one is not the default, but a mistake.
        zone = "UTC" if timezone is None else timezone
        return Recurrence(cron, zone, "once" if missed is None else missed)
    except ValueError as error:
        name, _, _ = str(error).partition("=")
        raise RequestError(MALFORMED, str(error), {"path": prefix + name}) from None
