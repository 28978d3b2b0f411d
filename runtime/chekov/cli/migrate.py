"""`chekov migrate` and `chekov roles`: a store's schema and its database roles."""

import asyncio
from argparse import Namespace

from chekov.cli.output import show, show_json
from chekov.cli.store import store_settings
from chekov.server.settings import Settings
from chekov.store.postgres.migrator import migrate as bring_up_to_date
from chekov.store.postgres.migrator import pending
from chekov.store.postgres.roles import roles_sql


def migrate(arguments: Namespace) -> int:
    settings = store_settings(arguments)
    if arguments.dry_run:
        return _show_pending(settings, arguments)
    done = asyncio.run(bring_up_to_date(settings.store, settings.schema, to=arguments.to))
    if arguments.output == "json":
        show_json({"schema": settings.schema, "from": done.found, "to": done.now})
    elif done.found == done.now:
        show(f"schema {settings.schema} is already at version {done.now}")
    else:
        show(f"migrated schema {settings.schema} from version {done.found} to {done.now}")
    return 0


def roles(arguments: Namespace) -> int:
    settings = Settings.read(overrides={"CHEKOV_SCHEMA": arguments.schema})
    sql = roles_sql(
        settings.schema, owner=arguments.owner, writer=arguments.writer, reader=arguments.reader
    )
    show(sql.rstrip())
    return 0


def _show_pending(settings: Settings, arguments: Namespace) -> int:
    found, steps = asyncio.run(pending(settings.store, settings.schema, to=arguments.to))
    names = [f"{step.version:04}_{step.name}" for step in steps]
    if arguments.output == "json":
        to = steps[-1].version if steps else found
        show_json({"schema": settings.schema, "from": found, "to": to, "steps": names})
    elif names:
        show(f"schema {settings.schema} is at version {found}; pending: {', '.join(names)}")
    else:
        show(f"schema {settings.schema} is at version {found}; nothing is pending")
    return 0
