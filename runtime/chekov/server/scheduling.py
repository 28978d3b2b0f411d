"""When a command is to be executed: the parameters of `POST /commands/{Command}?at=…`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from multidict import MultiMapping

from chekov.domain.messages import Command
from chekov.domain.recurrence import Missed, Recurrence
from chekov.runtime import Runtime
from chekov.server import parameters
from chekov.server.problems import MALFORMED, RequestError, malformed

_FUTURE: Final = ("at", "after", "cron")
_OF_CRON: Final = ("timezone", "missed")
PARAMETERS: Final = frozenset({*_FUTURE, *_OF_CRON})
"""The parameters that say when a command is to be executed."""

_CONDITIONS: Final = ("If-Match", "If-None-Match")


@dataclass(frozen=True, slots=True)
class Future:
    """When a command is to be executed."""

    at: datetime | None
    after: timedelta | None
    recurrence: Recurrence | None

    async def schedule(
        self,
        runtime: Runtime,
        command: Command[Any],
        *,
        command_id: UUID | None,
        correlation_id: UUID | None,
        metadata: Mapping[str, Any] | None,
    ) -> UUID:
        """Schedule the command, and return the id under which it can be cancelled."""
        return await runtime.schedule(
            command,
            at=self.at,
            after=self.after,
            cron=self.recurrence,
            id=command_id,
            correlation_id=correlation_id,
            metadata=metadata,
        )


def future(query: MultiMapping[str], headers: Mapping[str, str]) -> Future | None:
    """When a command is to be executed; `None` if that is now.

    Raises:
        RequestError: a parameter is unknown or cannot be used, or a header is for now only.
    """
    given = [name for name in _FUTURE if name in query]
    for name in _OF_CRON:
        if name in query and "cron" not in query:
            raise malformed("path", name, "is for cron, which is not given")
    if not given:
        return None
    parameters.refuse_unknown(query, PARAMETERS)
    if len(given) > 1:
        raise malformed("path", given[1], f"give one of at, after and cron, not {given[0]} too")
    for name in _CONDITIONS:
        if name in headers:
            raise malformed("header", name, f"a command for later takes no {name}")
    return Future(
        at=parameters.moment(query, "at"),
        after=parameters.seconds(query, "after"),
        recurrence=_recurrence(query) if "cron" in query else None,
    )


def _recurrence(query: MultiMapping[str]) -> Recurrence:
    try:
        return Recurrence(
            query["cron"], query.get("timezone", "UTC"), cast("Missed", query.get("missed", "once"))
        )
    except ValueError as error:
        name, _, _ = str(error).partition("=")
        raise RequestError(MALFORMED, str(error), {"path": name}) from None
