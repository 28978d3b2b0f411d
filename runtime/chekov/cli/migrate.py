"""`chekov migrate`: brings a store's schema up to date, safely also when several start at once."""

import asyncio
from argparse import Namespace

from chekov.cli.output import show, show_json
from chekov.server.settings import Settings
from chekov.store.postgres.migrator import migrate as bring_up_to_date


def migrate(arguments: Namespace) -> int:
    """Migrate the store that the arguments or the environment name."""
    settings = Settings.read(
        overrides={"CHEKOV_STORE": arguments.dsn, "CHEKOV_SCHEMA": arguments.schema}
    )
    settings.require("store")
    done = asyncio.run(bring_up_to_date(settings.store, settings.schema))
    if arguments.output == "json":
        show_json({"schema": settings.schema, "from": done.found, "to": done.now})
    elif done.found == done.now:
        show(f"schema {settings.schema} is at version {done.now} already")
    else:
        show(f"schema {settings.schema} went from version {done.found} to {done.now}")
    return 0
