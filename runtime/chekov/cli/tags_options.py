"""The options of `chekov tags`."""

import argparse


def add_tags_options(parser: argparse.ArgumentParser) -> None:
    """Add what `chekov tags` does, and to which event."""
    parser.add_argument(
        "action", nargs="?", choices=("list", "skip", "retry", "skipped"), default="list",
        help="what to do (default: list); retry makes the tags of a skipped event after all",
    )  # fmt: skip
    parser.add_argument(
        "position", nargs="?", type=int, metavar="POSITION", help="the event to skip or retry"
    )
    parser.add_argument("--reason", help="why the event is skipped, which is kept")
    parser.add_argument(
        "--overlook",
        action="store_true",
        help="skip: yes, boundaries are to decide as if the event had never happened",
    )
