"""`chekov processes`: lists open instances of process managers, and releases what was set aside."""

import asyncio
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from chekov.cli.output import complain, show_json, show_table
from chekov.cli.store import domain_name, opened, store_settings
from chekov.engine.processes.control import ProcessControl, ProcessStatus
from chekov.server.settings import Settings

_WRONG_USAGE: Final = 2
_COLUMNS: Final = (
    "name", "version", "instance", "age", "commands", "refused", "timers", "next_due", "error",
)  # fmt: skip


def processes(arguments: Namespace) -> int:
    """Run the action that the arguments name; by default, list the open instances."""
    if arguments.action == "release" and arguments.name is None:
        complain("processes release needs the NAME of a process manager")
        return _WRONG_USAGE
    settings = store_settings(arguments)
    found = asyncio.run(_run(settings, domain_name(settings, arguments), arguments))
    if arguments.output == "json":
        show_json(found)
    elif arguments.action == "release":
        show_table(("name", "released"), found)
    else:
        show_table(_COLUMNS, found)
    return 0


async def _run(
    settings: Settings, domain: str, arguments: Namespace
) -> Sequence[Mapping[str, Any]]:
    async with opened(settings) as store:
        control = ProcessControl(store.processes, store.subscriptions, domain)
        if arguments.action == "release":
            released = await control.release(arguments.name)
            return [{"name": arguments.name, "released": released}]
        found = await control.list(arguments.name, after=arguments.after, limit=arguments.limit)
        if arguments.output == "json":
            return [asdict(item) for item in found]
        now = datetime.now(UTC)
        return [_row(item, now) for item in found]


def _row(item: ProcessStatus, now: datetime) -> Mapping[str, Any]:
    errors = [part.error for part in (*item.commands, *item.timers) if part.error is not None]
    return {
        "name": item.name,
        "version": item.version,
        "instance": item.instance,
        "age": f"{(now - item.begun).total_seconds():.0f} s",
        "commands": sum(not command.refused for command in item.commands),
        "refused": sum(command.refused for command in item.commands),
        "timers": len(item.timers),
        "next_due": item.timers[0].due if item.timers else None,
        "error": errors[0] if errors else None,
    }
