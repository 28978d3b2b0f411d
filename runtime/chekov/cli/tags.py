"""`chekov tags`: by which kinds of tags every event is found."""

import asyncio
from argparse import Namespace
from collections.abc import Sequence
from typing import Final

from chekov.cli.output import show_json, show_table
from chekov.cli.store import opened, store_settings
from chekov.server.settings import Settings
from chekov.store.port import TagKindState

_COLUMNS: Final = ("type", "tag", "position", "target", "complete")


def tags(arguments: Namespace) -> int:
    found = asyncio.run(_kinds(store_settings(arguments)))
    rows = [
        {
            "type": each.tag.type,
            "tag": each.tag.kind,
            "position": each.position,
            "target": each.target,
            "complete": each.is_complete,
        }
        for each in found
    ]
    if arguments.output == "json":
        show_json(rows)
    else:
        show_table(_COLUMNS, rows)
    return 0


async def _kinds(settings: Settings) -> Sequence[TagKindState]:
    async with opened(settings) as store:
        return await store.tag_index.kinds()
