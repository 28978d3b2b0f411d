"""`chekov tags`: by which kinds of tags every event is found, and what to do where one is not."""

import asyncio
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chekov.cli.output import complain, show, show_json, show_table
from chekov.cli.store import opened, store_settings
from chekov.store.port import TagIndex, TagKindState

_FAILED: Final = 1
_WRONG_USAGE: Final = 2
_COLUMNS: Final = (
    "type", "tag", "position", "target", "complete", "skipped", "stopped_at", "error",
)  # fmt: skip
_SKIPPED: Final = ("position", "type", "skipped", "reason", "error")


def tags(arguments: Namespace) -> int:
    """Run the action that the arguments name; by default, list the kinds of tags."""
    fault = _fault(arguments)
    if fault is not None:
        complain(fault)
        return _WRONG_USAGE
    return asyncio.run(_run(arguments))


def _fault(arguments: Namespace) -> str | None:
    action, position = arguments.action, arguments.position
    if action in ("skip", "retry") and position is None:
        return f"tags {action} needs the POSITION of an event"
    if action in ("list", "skipped") and position is not None:
        return f"tags {action} takes no POSITION"
    if action != "skip":
        return None
    if not (arguments.reason or "").strip():
        return "tags skip needs a --reason, which is kept"
    if not arguments.overlook:
        return (
            f"boundaries would decide as if the event at position {position} had never happened, "
            "where they depend on its type by tags: say --overlook if that is right; otherwise "
            "give the domain an upcaster that reads the event"
        )
    return None


async def _run(arguments: Namespace) -> int:
    async with opened(store_settings(arguments)) as store:
        match arguments.action:
            case "skip":
                return await _skip(store.tag_index, arguments)
            case "retry":
                return await _retry(store.tag_index, arguments.position)
            case "skipped":
                rows = [each._asdict() for each in await store.tag_index.skipped()]
                _show(_SKIPPED, rows, arguments)
            case _:
                _show(_COLUMNS, [_row(each) for each in await store.tag_index.kinds()], arguments)
    return 0


async def _skip(index: TagIndex, arguments: Namespace) -> int:
    skipped = await index.skip(arguments.position, arguments.reason)
    if skipped is None:
        complain(
            f"no kind of tags has stopped at position {arguments.position}; `chekov tags` lists "
            "where they have, and `chekov tags skipped` what is skipped already"
        )
        return _FAILED
    _show(_SKIPPED, [skipped._asdict()], arguments)
    return 0


async def _retry(index: TagIndex, position: int) -> int:
    if not await index.unskip(position):
        complain(
            f"the event at position {position} is not skipped; `chekov tags skipped` lists them"
        )
        return _FAILED
    show(f"the tags of the events from position {position} on are made again")
    return 0


def _row(state: TagKindState) -> Mapping[str, Any]:
    stopped = state.stopped
    return {
        "type": state.tag.type,
        "tag": state.tag.kind,
        "position": state.position,
        "target": state.target,
        "complete": state.is_complete,
        "skipped": state.skipped,
        "stopped_at": None if stopped is None else stopped.position,
        "error": None if stopped is None else stopped.error,
    }


def _show(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], arguments: Namespace) -> None:
    if arguments.output == "json":
        show_json(rows)
    else:
        show_table(columns, rows)
