"""Authorization: a function of the domain decides what a principal may do."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, TypeAlias

from chekov.domain.aggregate import Aggregate
from chekov.domain.messages import Command
from chekov.domain.principal import Principal
from chekov.errors import Forbidden


@dataclass(frozen=True, slots=True)
class ReadEvents:
    """To read stored events, also as they are stored.

    Attributes:
        stream: whose events; `None` for those of all streams.
    """

    stream: str | None = None


@dataclass(frozen=True, slots=True)
class ReadState:
    """To read the state of an instance."""

    aggregate: type[Aggregate]
    identifier: object


@dataclass(frozen=True, slots=True)
class RunQuery:
    """To run a query of a projection.

    Attributes:
        name: `projection/query`.
        arguments: by name.
    """

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ForgetSubject:
    """To make a person's data unreadable for good."""

    subject: str


Action: TypeAlias = Command[Any] | ReadEvents | ReadState | RunQuery | ForgetSubject
"""What a principal wants: to have a command executed, to read, or to have somebody forgotten."""

Authorize: TypeAlias = Callable[[Principal, Action], Awaitable[bool]]
"""Whether a principal may do something: only `True` permits it. It may raise `Forbidden` with a
reason, or whatever else the sender is to see. Who was not authenticated is `ANONYMOUS`."""


async def require_permission(
    authorize: Authorize | None, principal: Principal | None, action: Action
) -> None:
    """Return if an action is permitted.

    Args:
        authorize: decides; without it, everything is permitted.
        principal: who asks; `None` is the program itself, which may do everything.
        action: what for.

    Raises:
        Forbidden: it is not permitted.
    """
    if authorize is None or principal is None:
        return
    if await authorize(principal, action) is not True:
        raise Forbidden(f"{principal.subject!r:.100} may not do this")


def check_authorize(authorize: object, faults: list[str]) -> None:
    """Refuse anything but an async function."""
    if authorize is None or iscoroutinefunction(authorize):
        return
    if isinstance(authorize, type) or not iscoroutinefunction(
        getattr(authorize, "__call__", None)  # noqa: B004
    ):
        faults.append(
            f"authorize: {authorize!r:.80} must be an async function of a principal and an action"
        )
