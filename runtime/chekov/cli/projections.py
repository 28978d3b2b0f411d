"""`chekov projections`: lists, rebuilds, cancels and drops generations of read models."""

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from chekov.cli.output import complain, show_json, show_table
from chekov.cli.store import domain_name, opened, store_settings
from chekov.server.projections import shown
from chekov.server.settings import Settings
from chekov.store.port import Generations, SubscriptionKey

_WRONG_USAGE: Final = 2
_COLUMNS: Final = (
    "name", "version", "generation", "state", "ratio", "seconds_left", "position", "in_use",
    "schema",
)  # fmt: skip


def projections(arguments: Namespace) -> int:
    """Run the action that the arguments name; by default, list the generations."""
    action = _ACTIONS[arguments.action]
    if action is not None and arguments.name is None:
        complain(f"projections {arguments.action} needs the NAME of a projection")
        return _WRONG_USAGE
    if arguments.action == "drop" and arguments.version is None:
        complain("projections drop needs --version: which one of them")
        return _WRONG_USAGE
    settings = store_settings(arguments)
    rows = asyncio.run(_run(settings, domain_name(settings, arguments), arguments, action))
    if arguments.output == "json":
        show_json(rows)
    else:
        show_table(_COLUMNS, rows)
    return 0


_Action = Callable[[Generations, str, Namespace], Awaitable[object]]


async def _run(
    settings: Settings, domain: str, arguments: Namespace, action: _Action | None
) -> Sequence[Mapping[str, Any]]:
    async with opened(settings) as store:
        generations = store.read_models.generations
        if action is not None:
            await action(generations, domain, arguments)
        found = await generations.list(domain)
    return [shown(item) for item in found if arguments.name in (None, item.key.name)]


async def _rebuild(generations: Generations, domain: str, arguments: Namespace) -> object:
    return await generations.rebuild(
        domain, arguments.name, arguments.version, beside=not arguments.in_place
    )


async def _cancel(generations: Generations, domain: str, arguments: Namespace) -> object:
    return await generations.cancel(domain, arguments.name, arguments.version)


async def _drop(generations: Generations, domain: str, arguments: Namespace) -> None:
    key = SubscriptionKey(
        domain, arguments.name, arguments.version, generation=arguments.generation
    )
    await generations.drop(key)


_ACTIONS: Final[Mapping[str, _Action | None]] = {
    "list": None,
    "rebuild": _rebuild,
    "cancel": _cancel,
    "drop": _drop,
}
