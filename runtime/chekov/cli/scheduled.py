"""`chekov scheduled`: lists commands that are to be executed later, and cancels one."""

import asyncio
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from chekov.cli.output import complain, show_json, show_table
from chekov.cli.store import domain_name, opened, store_settings
from chekov.engine.processes.schedule_control import ScheduleControl, read_cursor
from chekov.server.settings import Settings
from chekov.store.port import AfterDue

_FAILED: Final = 1
_WRONG_USAGE: Final = 2
_COLUMNS: Final = ("id", "command", "due", "cron", "timezone", "attempts", "error")


def scheduled(arguments: Namespace) -> int:
    """Run the action that the arguments name; by default, list what is scheduled."""
    try:
        after = read_cursor(arguments.after)
        id_ = None if arguments.id is None else UUID(arguments.id)
    except ValueError:
        complain("--after takes the CURSOR of a list, and ID is a UUID")
        return _WRONG_USAGE
    settings = store_settings(arguments)
    domain = domain_name(settings, arguments)
    if arguments.action == "list":
        found = asyncio.run(_list(settings, domain, after, arguments.limit))
        if arguments.output == "json":
            show_json(found)
        else:
            show_table(_COLUMNS, found)
        return 0
    if id_ is None:
        complain("scheduled cancel needs the ID of a scheduled command")
        return _WRONG_USAGE
    if not asyncio.run(_cancel(settings, domain, id_)):
        complain(f"nothing is scheduled with the id {id_}; `chekov scheduled` lists what is")
        return _FAILED
    if arguments.output == "json":
        show_json([{"id": id_, "cancelled": True}])
    else:
        show_table(("id", "cancelled"), [{"id": id_, "cancelled": True}])
    return 0


async def _list(
    settings: Settings, domain: str, after: AfterDue | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    async with opened(settings) as store:
        found = await ScheduleControl(store.schedules, domain).list(after=after, limit=limit)
        return [{**asdict(item), "cursor": item.cursor} for item in found]


async def _cancel(settings: Settings, domain: str, id_: UUID) -> bool:
    async with opened(settings) as store:
        return await ScheduleControl(store.schedules, domain).cancel(id_)
