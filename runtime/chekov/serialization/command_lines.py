"""The lines of a batch of commands: each is a command and what its sender says about it."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from chekov.domain.recurrence import Missed
from chekov.errors import InvalidCommand
from chekov.serialization.invalid_values import refuse

Return: TypeAlias = Literal["events", "state", "version", "everything"]
"""What a command is answered with."""

_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")


class CommandLine(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One line.

    Attributes:
        command: the command's stored name.
        data: its fields, still encoded.
        id: becomes the command's id.
        expected_version: what the stream must have; `"*"` if it must only exist.
        metadata: stored with each of its events.
        correlation_id: shared by what follows from it; that of the request by default.
        causation_id: what led to it.
        wait: seconds to wait until handlers have handled its events.
        handlers: which ones, by their names; those that are declared strong by default.
        returned: what it is answered with.
        at: when to execute it, if not now.
        after: after how many seconds to execute it.
        cron: at which times to execute it, again and again.
        timezone: of `cron`.
        missed: what makes up for runs of `cron` that were due while no process ran.
    """

    command: str
    data: msgspec.Raw
    id: UUID | None = None
    expected_version: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | Literal["*"] | None = None
    metadata: dict[str, Any] | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    wait: Annotated[int, msgspec.Meta(ge=0)] | None = None
    handlers: list[str] | None = None
    returned: Return = msgspec.field(default="events", name="return")
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    after: int | None = None
    cron: str | None = None
    timezone: str | None = None
    missed: Missed | None = None


MEMBERS: Final = CommandLine.__struct_encode_fields__
"""The names that a line may have."""

_decode: Final = msgspec.json.Decoder(CommandLine).decode


def decode_line(line: bytes) -> CommandLine:
    """Decode one line.

    Raises:
        InvalidCommand: it is not an object with these members; `path` says which is at fault.
    """
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        unknown = _UNKNOWN.match(str(error))
        if unknown is None:
            refuse(error)
        raise InvalidCommand(
            f"a line has no member {unknown['name']!r}; known: {', '.join(MEMBERS)}",
            f"$.{unknown['name']}",
        ) from error
