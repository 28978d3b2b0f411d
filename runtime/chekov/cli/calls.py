"""`chekov dispatch`, `query` and `load`: ask a service over HTTP."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from chekov.cli.listings import show_events
from chekov.cli.output import complain, show, show_json
from chekov.cli.received import recorded
from chekov.cli.service import required_api
from chekov.client import Client, CommandResult, PlainCommand
from chekov.serialization.json import from_json, to_json
from chekov.server import rendering

_WRONG_USAGE: Final = 2


class _WrongUsage(ValueError):
    """An argument cannot be used; says which, and why."""


def dispatch(arguments: Namespace) -> int:
    """Have one command executed, now or later."""
    return _run(arguments, _later if _is_later(arguments) else _now)


def query(arguments: Namespace) -> int:
    """Ask a projection."""
    return _run(arguments, _query)


def load(arguments: Namespace) -> int:
    """Show the state of one instance."""
    return _run(arguments, _load)


def _run(arguments: Namespace, ask: Callable[[Client, Namespace], Awaitable[None]]) -> int:
    service = required_api(arguments)

    async def asked() -> None:
        async with service.client(arguments.timeout) as client:
            await ask(client, arguments)

    try:
        asyncio.run(asked())
    except _WrongUsage as error:
        complain(str(error))
        return _WRONG_USAGE
    return 0


def _is_later(arguments: Namespace) -> bool:
    return any(item is not None for item in (arguments.at, arguments.after, arguments.cron))


async def _now(client: Client, arguments: Namespace) -> None:
    wait: float | None = arguments.wait
    handlers: list[str] | None = arguments.handler
    result = await client.dispatch(
        _command(arguments),
        command_id=_uuid("--id", arguments.id),
        correlation_id=_uuid("--correlation-id", arguments.correlation_id),
        causation_id=_uuid("--causation-id", arguments.causation_id),
        metadata=_object("--metadata", arguments.metadata),
        expected_version=arguments.expected_version,
        consistency=(handlers or "strong") if wait is not None or handlers else "eventual",
        consistency_timeout=5.0 if wait is None else wait,
        returns=arguments.returns,
    )
    _show_result(result, arguments)


async def _later(client: Client, arguments: Namespace) -> None:
    after: float | None = arguments.after
    scheduled = await client.schedule(
        _command(arguments),
        at=_time("--at", arguments.at),
        after=None if after is None else timedelta(seconds=after),
        cron=arguments.cron,
        timezone=arguments.timezone,
        missed=arguments.missed,
        id=_uuid("--id", arguments.id),
        correlation_id=_uuid("--correlation-id", arguments.correlation_id),
        causation_id=_uuid("--causation-id", arguments.causation_id),
        metadata=_object("--metadata", arguments.metadata),
    )
    if arguments.output == "json":
        show_json({"scheduled": scheduled})
    else:
        show(f"scheduled as {scheduled}")


async def _query(client: Client, arguments: Namespace) -> None:
    projection, slash, name = arguments.query.partition("/")
    if not slash:
        raise _WrongUsage(f"{arguments.query!r} is not a query: expected PROJECTION/QUERY")
    given: dict[str, list[str]] = {}
    for item in arguments.arguments:
        key, equals, value = item.partition("=")
        if not equals:
            raise _WrongUsage(f"{item!r} is not an argument: expected NAME=VALUE")
        given.setdefault(key, []).append(value)
    result = await client.query(projection, name, given, min_position=arguments.min_position)
    _show_value(result, arguments)


async def _load(client: Client, arguments: Namespace) -> None:
    at = _time("--time", arguments.time)
    if at is not None and arguments.version is not None:
        raise _WrongUsage("give --version or --time, not both")
    loaded = await client.load(
        arguments.aggregate, arguments.id, at=arguments.version if at is None else at
    )
    if arguments.output == "json":
        show_json(loaded)
    else:
        show(f"{loaded.stream} is at version {loaded.version}")
        _show_value(loaded.state, arguments)


def _show_result(result: CommandResult[Any], arguments: Namespace) -> None:
    if arguments.output == "json":
        show_json(result_members(result))
        return
    again = ", as it was before" if result.repeated else ""
    show(f"{result.stream} is at version {result.version}{again}")
    if result.received:
        show_events(map(recorded, result.received), arguments.output)
    if arguments.returns in ("state", "everything"):
        _show_value(result.state, arguments)


def result_members(result: CommandResult[Any]) -> dict[str, Any]:
    """What a command stored, as JSON shows it; with the state, or why it is missing, if any."""
    members = {
        "stream": result.stream,
        "version": result.version,
        "position": result.position,
        "command_id": result.command_id,
        "correlation_id": result.correlation_id,
        "events": [from_json(rendering.event(recorded(item))) for item in result.received],
        "repeated": result.repeated,
    }
    if result.state is None and result.state_error is None:
        return members
    return {**members, "state": result.state, "state_error": result.state_error}


def _show_value(value: object, arguments: Namespace) -> None:
    """Show a table of rows, a list of members, or the value itself."""
    if arguments.output == "json":
        show_json(value)
    elif isinstance(value, dict):
        for name, item in cast("dict[str, object]", value).items():
            show(f"{name}: {item if isinstance(item, str) else to_json(item).decode()}")
    else:
        show(value if isinstance(value, str) else to_json(value).decode())


def _command(arguments: Namespace) -> PlainCommand:
    text = sys.stdin.read() if arguments.data == "-" else arguments.data
    return PlainCommand(arguments.name, _object("DATA", text) or {})


def _object(name: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        found = from_json(text)
    except ValueError as error:
        raise _WrongUsage(f"{name} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise _WrongUsage(f'{name} is not a JSON object such as {{"amount": 25}}')
    return cast("dict[str, Any]", found)


def _uuid(name: str, text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        raise _WrongUsage(f"{name}: {text!r} is not a UUID") from None


def _time(name: str, text: str | None) -> datetime | None:
    try:
        time = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        time = None
    if text is not None and (time is None or time.tzinfo is None):
        raise _WrongUsage(f"{name}: {text!r} is not a time with a zone, as 2026-01-31T12:00:00Z")
    return time
