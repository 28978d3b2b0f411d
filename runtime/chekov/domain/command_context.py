"""What an executor gets to know about a command besides the command itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from chekov.domain.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext:
    """When, on whose behalf and as a part of what a command was sent; the same at each attempt.

    Attributes:
        time: when the command entered the process, in UTC: what an executor takes as now.
        command_id: its id, which its events carry as their cause.
        correlation_id: shared by everything that follows from one request.
        metadata: what its sender gave to be stored with its events.
        principal: on whose behalf it was sent; `None` when the program itself sent it.
    """

    time: datetime
    command_id: UUID
    correlation_id: UUID
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    principal: Principal | None = None
