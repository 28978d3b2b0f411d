"""`chekov subscriptions`: lists, pauses and resumes subscriptions, and lists parked events."""

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from chekov.cli.output import complain, show_json, show_table
from chekov.cli.store import domain_name, opened, store_settings
from chekov.engine.subscriptions.control import SubscriptionControl
from chekov.server.settings import Settings
from chekov.store.port import ParkedEvent, Store, SubscriptionRow

_WRONG_USAGE: Final = 2
_COLUMNS: Final = (
    "name", "version", "partition", "state", "position", "lag", "parked", "owner", "error",
)  # fmt: skip
_PARKED_COLUMNS: Final = (
    "position", "stream", "type", "version", "partition", "attempts", "time", "error",
)  # fmt: skip

_Rows = Sequence[Mapping[str, Any]]


def subscriptions(arguments: Namespace) -> int:
    """Run the action that the arguments name; by default, list the subscriptions."""
    columns, action = _ACTIONS[arguments.action]
    if arguments.action != "list" and arguments.name is None:
        complain(f"subscriptions {arguments.action} needs the NAME of a subscription")
        return _WRONG_USAGE
    settings = store_settings(arguments)
    rows = asyncio.run(_run(settings, domain_name(settings, arguments), arguments.name, action))
    if arguments.output == "json":
        show_json(rows)
    else:
        show_table(columns, rows)
    return 0


_Action = Callable[[Store, str, str], Awaitable[_Rows]]


async def _run(settings: Settings, domain: str, name: str, action: _Action) -> _Rows:
    async with opened(settings) as store:
        return await action(store, domain, name)


async def _list(store: Store, domain: str, name: str | None) -> _Rows:
    head = await store.head()
    rows = await store.subscriptions.list(domain)
    return [_subscription(row, head) for row in rows if name in (None, row.key.name)]


async def _pause(store: Store, domain: str, name: str) -> _Rows:
    await SubscriptionControl(store.subscriptions, domain).pause(name)
    return await _list(store, domain, name)


async def _resume(store: Store, domain: str, name: str) -> _Rows:
    await SubscriptionControl(store.subscriptions, domain).resume(name)
    return await _list(store, domain, name)


async def _parked(store: Store, domain: str, name: str) -> _Rows:
    found = await SubscriptionControl(store.subscriptions, domain).parked(name)
    return [_parked_event(item) for item in found]


_ACTIONS: Final[Mapping[str, tuple[Sequence[str], _Action]]] = {
    "list": (_COLUMNS, _list),
    "pause": (_COLUMNS, _pause),
    "resume": (_COLUMNS, _resume),
    "parked": (_PARKED_COLUMNS, _parked),
}


def _subscription(row: SubscriptionRow, head: int) -> Mapping[str, Any]:
    return {
        "name": row.key.name,
        "version": row.key.version,
        "partition": row.key.partition,
        "state": row.state,
        "position": row.position,
        "lag": max(head - row.position, 0),
        "parked": row.parked,
        "owner": row.owner,
        "error": row.error,
    }


def _parked_event(parked: ParkedEvent) -> Mapping[str, Any]:
    return {
        "position": parked.position,
        "stream": parked.stream,
        "type": parked.type,
        "version": parked.key.version,
        "partition": parked.key.partition,
        "attempts": parked.attempts,
        "time": parked.time,
        "error": parked.error,
    }
