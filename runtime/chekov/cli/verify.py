"""`chekov verify`: the promises of a store, checked again from what it holds."""

import asyncio
from argparse import Namespace

from chekov.cli.output import show, show_json
from chekov.cli.progress_bar import ProgressBar
from chekov.cli.store import store_settings
from chekov.store.postgres.verifier import verify_store


def verify(arguments: Namespace) -> int:
    settings = store_settings(arguments)
    with ProgressBar(quiet=arguments.quiet) as progress:
        found = asyncio.run(verify_store(settings.store, settings.schema, progress=progress))
    if arguments.output == "json":
        show_json(found._asdict())
    else:
        for fault in found.faults:
            show(fault)
        show(
            f"{found.events} events, {found.conditions} conditions, of which {found.violations} "
            f"did not hold and {found.unverifiable} cannot be checked: "
            f"{len(found.faults) or 'no'} faults"
        )
    return 1 if found.faults else 0
