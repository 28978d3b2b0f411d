"""`chekov scheduled`: lists commands that are to be executed later, and cancels one."""

import asyncio
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from chekov.cli.output import complain, show_json, show_table
from chekov.cli.service import Service, management_of
from chekov.cli.store import domain_name, opened, store_settings
from chekov.engine.processes.schedule_control import ScheduleControl, read_cursor
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
    service = management_of(arguments)
    schedules = _OfStore(arguments, after) if service is None else _OfService(service, arguments)
    if arguments.action == "list":
        found = asyncio.run(schedules.list(arguments.limit))
        if arguments.output == "json":
            show_json(found)
        else:
            show_table(_COLUMNS, found)
        return 0
    if id_ is None:
        complain("scheduled cancel needs the ID of a scheduled command")
        return _WRONG_USAGE
    if not asyncio.run(schedules.cancel(id_)):
        complain(f"nothing is scheduled with the id {id_}; `chekov scheduled` lists what is")
        return _FAILED
    if arguments.output == "json":
        show_json([{"id": id_, "cancelled": True}])
    else:
        show_table(("id", "cancelled"), [{"id": id_, "cancelled": True}])
    return 0


class _OfStore:
    """The scheduled commands of a domain in a store."""

    def __init__(self, arguments: Namespace, after: AfterDue | None) -> None:
        self._settings = store_settings(arguments)
        self._domain = domain_name(self._settings, arguments)
        self._after = after

    async def list(self, limit: int) -> Sequence[Mapping[str, Any]]:
        async with opened(self._settings) as store:
            control = ScheduleControl(store.schedules, self._domain)
            found = await control.list(after=self._after, limit=limit)
            return [{**asdict(item), "cursor": item.cursor} for item in found]

    async def cancel(self, id_: UUID) -> bool:
        async with opened(self._settings) as store:
            return await ScheduleControl(store.schedules, self._domain).cancel(id_)


class _OfService:
    """The scheduled commands of a service, by its management port."""

    def __init__(self, service: Service, arguments: Namespace) -> None:
        self._service = service
        self._after: str | None = arguments.after or None

    async def list(self, limit: int) -> Sequence[Mapping[str, Any]]:
        async with self._service.management() as management:
            return await management.scheduled(after=self._after, limit=limit)

    async def cancel(self, id_: UUID) -> bool:
        async with self._service.management() as management:
            return await management.cancel(id_)
