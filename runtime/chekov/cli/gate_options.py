"""The options of `chekov gate`: what is compared, and how much of the store is read."""

import argparse


def add_gate_options(gate: argparse.ArgumentParser) -> None:
    gate.add_argument("domain", nargs="?", metavar="module:domain", help="default: CHEKOV_DOMAIN")
    gate.add_argument(
        "--running", metavar="FILE",
        help="the manifest of the running code, from `check --output json`, to compare with: a "
        "file, - for stdin, or the JSON itself",
    )  # fmt: skip
    gate.add_argument(
        "--events", type=_some, default=200, help="of each stored name (default: %(default)s)"
    )
    gate.add_argument(
        "--instances", type=_some, default=20, help="of each aggregate (default: %(default)s)"
    )
    gate.add_argument(
        "--items", type=_some, default=200,
        help="process instances, scheduled commands and parked events (default: %(default)s)",
    )  # fmt: skip
    gate.add_argument(
        "--seconds", type=float, default=60.0, help="for all of it (default: %(default)g)"
    )


def _some(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number
