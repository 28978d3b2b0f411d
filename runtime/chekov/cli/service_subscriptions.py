"""What `chekov subscriptions` does through the management port of a service."""

from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from chekov.cli.service import Service
from chekov.client import ManagementClient

_PAGE: Final = 1000

_Row = Mapping[str, Any]
_Rows = Sequence[_Row]


class _Work(NamedTuple):
    """What an action works on."""

    management: ManagementClient
    arguments: Namespace

    @property
    def name(self) -> str:
        return str(self.arguments.name)

    @property
    def chosen(self) -> Mapping[str, object]:
        """The conditions of parked events."""
        return {
            name: getattr(self.arguments, name) or None
            for name in ("key", "fingerprint", "position")
        }


async def rows_of(service: Service, arguments: Namespace) -> _Rows:
    """Run the action that the arguments name."""
    async with service.management() as management:
        return await _ACTIONS[arguments.action](_Work(management, arguments))


async def _list(work: _Work) -> _Rows:
    """The subscriptions as this process sees them, which says of itself whether it owns them."""
    found = await work.management.get("subscriptions")
    return [
        {**item, "owner": "this process" if item["owned"] else None}
        for item in found["subscriptions"]
        if work.arguments.name in (None, item["name"])
    ]


async def _pause(work: _Work) -> _Rows:
    await work.management.post("subscriptions", work.name, "pause")
    return await _list(work)


async def _resume(work: _Work) -> _Rows:
    await work.management.post("subscriptions", work.name, "resume")
    return await _list(work)


async def _rewind(work: _Work) -> _Rows:
    start, version = work.arguments.start, work.arguments.version
    await work.management.post(
        "subscriptions", work.name, "rewind", **{"from": start}, version=version
    )
    return await _list(work)


async def _parked(work: _Work) -> _Rows:
    arguments = work.arguments
    found = await work.management.get(
        *("subscriptions", work.name, "parked"),
        **work.chosen,
        after=arguments.after,
        limit=arguments.limit,
    )
    return list(map(_event, found["parked"]))


async def _groups(work: _Work) -> _Rows:
    found = await work.management.get("subscriptions", work.name, "parked", "groups")
    groups: _Rows = found["groups"]
    return groups


async def _discarded(work: _Work) -> _Rows:
    arguments = work.arguments
    found = await work.management.get(
        *("subscriptions", work.name, "discarded"), after=arguments.after, limit=arguments.limit
    )
    return list(map(_event, found["discarded"]))


async def _retry(work: _Work) -> _Rows:
    return [{"name": work.name, "retried": await _all_pages(work, "retry")}]


async def _discard(work: _Work) -> _Rows:
    done = await _all_pages(work, "discard", reason=work.arguments.reason)
    return [{"name": work.name, "discarded": done}]


async def _abandoned(work: _Work) -> _Rows:
    found = await work.management.get("subscriptions", "abandoned")
    return [item for item in found["abandoned"] if work.arguments.name in (None, item["name"])]


async def _remove(work: _Work) -> _Rows:
    version = work.arguments.version
    await work.management.post("subscriptions", work.name, "remove", version=version)
    return [{"name": work.name, "removed": version}]


async def _all_pages(work: _Work, action: str, **parameters: object) -> int:
    done = after = 0
    while True:
        found = await work.management.post(
            *("subscriptions", work.name, action),
            **{**work.chosen, **parameters, "after": after, "limit": _PAGE},
        )
        positions: Sequence[int] = found["positions"]
        if not positions:
            return done
        done += len(positions)
        after = positions[-1]


def _event(item: Mapping[str, Any]) -> _Row:
    """A parked or discarded event as a row, as `chekov subscriptions` shows those of a store."""
    subscription = item["subscription"]
    own = {name: value for name, value in item.items() if name != "subscription"}
    return {**own, "version": subscription["version"], "partition": subscription["partition"]}


_ACTIONS: Final[Mapping[str, Callable[[_Work], Awaitable[_Rows]]]] = {
    "list": _list,
    "pause": _pause,
    "resume": _resume,
    "rewind": _rewind,
    "parked": _parked,
    "groups": _groups,
    "retry": _retry,
    "discard": _discard,
    "discarded": _discarded,
    "abandoned": _abandoned,
    "remove": _remove,
}
