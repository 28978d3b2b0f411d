"""`chekov subscriptions`: what people do to subscriptions and their parked events."""

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from chekov.cli.output import complain, show, show_json, show_table
from chekov.cli.service import management_of
from chekov.cli.service_subscriptions import rows_of
from chekov.cli.store import domain_name, opened, store_settings
from chekov.engine.subscriptions.abandoned import AbandonedSubscriptions
from chekov.engine.subscriptions.control import SubscriptionControl
from chekov.server import rendering
from chekov.server.settings import Settings
from chekov.store.port import DiscardedEvent, ParkedEvent, Store, SubscriptionKey, SubscriptionRow
from chekov.store.start_points import parse_start

_WRONG_USAGE: Final = 2
_PAGE: Final = 1000
_COLUMNS: Final = (
    "name", "version", "partition", "state", "position", "lag", "parked", "parked_keys", "owner",
    "error",
)  # fmt: skip
_PARKED_COLUMNS: Final = (
    "position", "key", "type", "state", "version", "partition", "attempts", "time", "error",
)  # fmt: skip
_ABANDONED_COLUMNS: Final = ("name", "version", "partitions", "position", "parked", "schemas")
_GROUP_COLUMNS: Final = ("events", "first", "last", "since", "fingerprint", "error")
_DISCARDED_COLUMNS: Final = (
    "position", "key", "type", "version", "partition", "attempts", "time", "reason", "error",
)  # fmt: skip

_Row = Mapping[str, Any]
_Rows = Sequence[_Row]


def subscriptions(arguments: Namespace) -> int:
    """Run the action that the arguments name; by default, list the subscriptions."""
    fault = _fault(arguments)
    if fault:
        complain(f"subscriptions {arguments.action} {fault}")
        return _WRONG_USAGE
    columns, action = _ACTIONS[arguments.action]
    service = management_of(arguments)
    if service is None:
        settings = store_settings(arguments)
        domain = domain_name(settings, arguments)
        rows = asyncio.run(_run(settings, domain, arguments, action))
    else:
        rows = asyncio.run(rows_of(service, arguments))
    if arguments.output == "json":
        show_json(rows)
    elif arguments.action == "parked" and arguments.position is not None:
        for row in rows:
            _show_details(row)
    else:
        show_table(columns, rows)
    return 0


def _fault(arguments: Namespace) -> str:
    """What is wrong with how the command was called."""
    action = arguments.action
    chosen = [name for name in ("key", "fingerprint", "position") if getattr(arguments, name)]
    if action not in ("list", "abandoned") and arguments.name is None:
        return "needs the NAME of a subscription"
    if action in ("retry", "discard") and not chosen and not arguments.all:
        return "needs --key, --fingerprint or --position, or --all"
    if action == "discard" and not (arguments.reason or "").strip():
        return "needs --reason: why the events are given up"
    if action == "remove" and arguments.version is None:
        return "needs --version: which one of them"
    return _fault_of_start(arguments) if action == "rewind" else ""


def _fault_of_start(arguments: Namespace) -> str:
    if arguments.start is None:
        return "needs --from: origin, a position or a time"
    try:
        parse_start(arguments.start)
    except ValueError as error:
        return f"--from {error}"
    return ""


class _Work(NamedTuple):
    """What an action works on.

    Attributes:
        control: of the domain's subscriptions.
        abandoned: those that no process has any more.
        chosen: the conditions of parked events.
    """

    store: Store
    domain: str
    control: SubscriptionControl
    abandoned: AbandonedSubscriptions
    arguments: Namespace
    chosen: Mapping[str, Any]


_Action = Callable[[_Work], Awaitable[_Rows]]


async def _run(settings: Settings, domain: str, arguments: Namespace, action: _Action) -> _Rows:
    chosen = {
        "key": arguments.key,
        "fingerprint": arguments.fingerprint,
        "position": arguments.position,
    }
    async with opened(settings) as store:
        control = SubscriptionControl(store, domain)
        abandoned = AbandonedSubscriptions(store, domain)
        return await action(_Work(store, domain, control, abandoned, arguments, chosen))


async def _list(work: _Work) -> _Rows:
    head = await work.store.head()
    rows = await work.store.subscriptions.list(work.domain)
    return [_subscription(row, head) for row in rows if work.arguments.name in (None, row.key.name)]


async def _pause(work: _Work) -> _Rows:
    await work.control.pause(work.arguments.name, by="chekov subscriptions pause")
    return await _list(work)


async def _resume(work: _Work) -> _Rows:
    await work.control.resume(work.arguments.name)
    return await _list(work)


async def _rewind(work: _Work) -> _Rows:
    arguments = work.arguments
    start = parse_start(arguments.start)
    await work.control.rewind(arguments.name, start, version=arguments.version)
    return await _list(work)


async def _parked(work: _Work) -> _Rows:
    arguments = work.arguments
    found = await work.control.parked(
        arguments.name, **work.chosen, after=arguments.after, limit=arguments.limit
    )
    rows = [_parked_event(item) for item in found]
    if arguments.position is None:
        return rows
    page = await work.store.read_page(after=arguments.position - 1, limit=1)
    data = next((rendering.content(event) for event in page), None)
    return [{**row, "data": data} for row in rows]


async def _groups(work: _Work) -> _Rows:
    groups = await work.control.parked_groups(work.arguments.name)
    return [{name: getattr(group, name) for name in _GROUP_COLUMNS} for group in groups]


async def _discarded(work: _Work) -> _Rows:
    arguments = work.arguments
    found = await work.control.discarded(
        arguments.name, after=arguments.after, limit=arguments.limit
    )
    return [_discarded_event(item) for item in found]


async def _retry(work: _Work) -> _Rows:
    async def retry(after: int) -> Sequence[int]:
        return await work.control.retry(
            work.arguments.name, **work.chosen, after=after, limit=_PAGE
        )

    return [{"name": work.arguments.name, "retried": await _all_pages(retry)}]


async def _discard(work: _Work) -> _Rows:
    async def discard(after: int) -> Sequence[int]:
        reason = work.arguments.reason
        return await work.control.discard(
            work.arguments.name, reason=reason, **work.chosen, after=after, limit=_PAGE
        )

    return [{"name": work.arguments.name, "discarded": await _all_pages(discard)}]


async def _abandoned(work: _Work) -> _Rows:
    found = await work.abandoned.list()
    return [asdict(item) for item in found if work.arguments.name in (None, item.name)]


async def _remove(work: _Work) -> _Rows:
    await work.abandoned.remove(work.arguments.name, work.arguments.version)
    return [{"name": work.arguments.name, "removed": work.arguments.version}]


async def _all_pages(page: Callable[[int], Awaitable[Sequence[int]]]) -> int:
    """Work page by page, so that no transaction is long; an interrupted command can be repeated."""
    done = after = 0
    while positions := await page(after):
        done += len(positions)
        after = positions[-1]
    return done


_ACTIONS: Final[Mapping[str, tuple[Sequence[str], _Action]]] = {
    "list": (_COLUMNS, _list),
    "abandoned": (_ABANDONED_COLUMNS, _abandoned),
    "remove": (("name", "removed"), _remove),
    "pause": (_COLUMNS, _pause),
    "resume": (_COLUMNS, _resume),
    "rewind": (_COLUMNS, _rewind),
    "parked": (_PARKED_COLUMNS, _parked),
    "groups": (_GROUP_COLUMNS, _groups),
    "retry": (("name", "retried"), _retry),
    "discard": (("name", "discarded"), _discard),
    "discarded": (_DISCARDED_COLUMNS, _discarded),
}


def _show_details(row: _Row) -> None:
    for name, value in row.items():
        text = value if isinstance(value, str) else str(value)
        show(f"{name}: {text.rstrip()}" if "\n" not in text else f"{name}:\n{text.rstrip()}")


def _subscription(row: SubscriptionRow, head: int) -> _Row:
    return {
        "name": row.key.name,
        "version": row.key.version,
        "partition": row.key.partition,
        "state": row.state,
        "position": row.position,
        "lag": max(head - row.position, 0),
        "parked": row.parked,
        "parked_keys": row.parked_keys,
        "keyed_by": row.keyed_by,
        "owner": row.owner,
        "error": row.error,
        "paused_by": row.paused_by,
    }


def _event(event: ParkedEvent | DiscardedEvent, subscription: SubscriptionKey) -> _Row:
    return {
        "position": event.position,
        "key": event.key,
        "stream": event.stream,
        "type": event.type,
        "version": subscription.version,
        "partition": subscription.partition,
        "attempts": event.attempts,
        "time": event.time,
        "error": event.error,
        "fingerprint": event.fingerprint,
    }


def _parked_event(parked: ParkedEvent) -> _Row:
    return {
        **_event(parked, parked.subscription),
        "state": parked.state,
        "also": list(parked.also),
        "first_error": parked.first_error,
        "traceback": parked.traceback,
    }


def _discarded_event(discarded: DiscardedEvent) -> _Row:
    return {**_event(discarded, discarded.subscription), "reason": discarded.reason}
