"""`chekov version` and `chekov settings`."""

import importlib.metadata
from argparse import Namespace

from chekov.cli.output import show, show_json, show_table
from chekov.server.settings import variables


def version(arguments: Namespace) -> int:
    found = importlib.metadata.version("chekov")
    if arguments.output == "json":
        show_json({"version": found})
    else:
        show(f"chekov {found}")
    return 0


def settings(arguments: Namespace) -> int:
    rows = [item._asdict() for item in variables()]
    if arguments.output == "json":
        show_json(rows)
    else:
        show_table(("name", "default", "meaning"), rows)
    return 0
