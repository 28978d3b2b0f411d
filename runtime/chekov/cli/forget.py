"""`chekov forget`: makes the personal data about somebody unreadable, for ever and everywhere."""

import asyncio
from argparse import Namespace
from collections.abc import Collection
from typing import Final

from chekov.cli.output import show, show_json
from chekov.server.settings import Settings
from chekov.store.postgres import PostgresStore

_CONNECTIONS: Final = 2
_PATIENCE: Final = 3.0


def forget(arguments: Namespace) -> int:
    """Forget subjects in the store that the arguments or the environment name."""
    settings = Settings.read(
        overrides={"CHEKOV_STORE": arguments.dsn, "CHEKOV_SCHEMA": arguments.schema}
    )
    settings.require("store")
    gone = set(asyncio.run(_forget(settings, arguments.subjects)))
    for subject in dict.fromkeys(arguments.subjects):
        if arguments.output == "json":
            show_json({"subject": subject, "forgotten": subject in gone})
        elif subject in gone:
            show(f"{subject} is forgotten")
        else:
            show(f"{subject} has no key: nothing personal is stored, or it was forgotten before")
    return 0


async def _forget(settings: Settings, subjects: Collection[str]) -> Collection[str]:
    async with PostgresStore(
        settings.store,
        schema=settings.schema,
        migrate=False,
        pooled=settings.pooled,
        pool_size=_CONNECTIONS,
        patience=_PATIENCE,
    ) as store:
        return await store.keys.forget_keys(subjects)
