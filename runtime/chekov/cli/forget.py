"""`chekov forget`: makes the personal data of subjects unreadable, for good and everywhere."""

import asyncio
from argparse import Namespace
from collections.abc import Collection

from chekov.cli.output import show, show_json
from chekov.cli.store import opened, store_settings
from chekov.server.settings import Settings


def forget(arguments: Namespace) -> int:
    settings = store_settings(arguments)
    gone = set(asyncio.run(_forget(settings, arguments.subjects)))
    for subject in dict.fromkeys(arguments.subjects):
        if arguments.output == "json":
            show_json({"subject": subject, "forgotten": subject in gone})
        elif subject in gone:
            show(f"{subject} is forgotten")
        else:
            show(f"{subject} has no key: no personal data is stored, or it was forgotten before")
    return 0


async def _forget(settings: Settings, subjects: Collection[str]) -> Collection[str]:
    async with opened(settings) as store:
        return await store.keys.forget_keys(subjects)
