"""`chekov processes`: open instances of process managers, and what was set aside of them."""

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
    fault = _fault(arguments)
    if fault:
        complain(f"processes {arguments.action} {fault}")
        return _WRONG_USAGE
    settings = store_settings(arguments)
    columns, action = _ACTIONS[arguments.action]
    found = asyncio.run(_run(settings, domain_name(settings, arguments), arguments, action))
    if arguments.output == "json":
        show_json(found)
    else:
        show_table(columns, found)
    return 0


def _fault(arguments: Namespace) -> str:
    """What is wrong with how the command was called."""
    action = arguments.action
    if action != "list" and arguments.name is None:
        return "needs the NAME of a process manager"
    if action == "discard" and arguments.instance is None and not arguments.all:
        return "needs --instance, or --all"
    if action == "discard" and not (arguments.reason or "").strip():
        return "needs --reason: why they are given up"
    if action == "discarded" and not (arguments.after or "0").isdecimal():
        return "--after needs a number"
    return ""


async def _run(
    settings: Settings, domain: str, arguments: Namespace, action: "_Action"
) -> Sequence[Mapping[str, Any]]:
    async with opened(settings) as store:
        control = ProcessControl(store.processes, store.subscriptions, domain)
        return await action(control, arguments)


async def _list(control: ProcessControl, arguments: Namespace) -> Sequence[Mapping[str, Any]]:
    found = await control.list(arguments.name, after=arguments.after, limit=arguments.limit)
    if arguments.output == "json":
        return [asdict(item) for item in found]
    now = datetime.now(UTC)
    return [_row(item, now) for item in found]


async def _release(control: ProcessControl, arguments: Namespace) -> Sequence[Mapping[str, Any]]:
    released = await control.release(arguments.name, instance=arguments.instance)
    return [{"name": arguments.name, "released": released}]


async def _discard(control: ProcessControl, arguments: Namespace) -> Sequence[Mapping[str, Any]]:
    discarded = await control.discard(
        arguments.name, reason=arguments.reason, instance=arguments.instance
    )
    return [{"name": arguments.name, "discarded": discarded}]


async def _discarded(control: ProcessControl, arguments: Namespace) -> Sequence[Mapping[str, Any]]:
    found = await control.discarded(
        arguments.name, after=int(arguments.after or 0), limit=arguments.limit
    )
    return [
        {"version": item.key.version, **item._asdict(), "key": asdict(item.key)} for item in found
    ]


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


_Action = Callable[[ProcessControl, Namespace], Awaitable[Sequence[Mapping[str, Any]]]]

_ACTIONS: Final[Mapping[str, tuple[Sequence[str], _Action]]] = {
    "list": (_COLUMNS, _list),
    "release": (("name", "released"), _release),
    "discard": (("name", "discarded"), _discard),
    "discarded": (
        ("number", "version", "instance", "input", "id", "time", "reason", "error"), _discarded
    ),
}  # fmt: skip
