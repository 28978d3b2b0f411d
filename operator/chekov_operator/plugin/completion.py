"""`kubectl_complete-chekov`: what kubectl's shell completion asks about this plugin.

kubectl runs it with the words of the command line; it answers with a suggestion per line, and a
last line that says what the shell may add (https://github.com/kubernetes/kubernetes, kubectl 1.26).
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, cast

from chekov_operator.plugin.parser import add_target, commands_of, options_of, parser

_NO_FILES: Final = ":4"
_FILES: Final = ":0"
_TAKES_FILE: Final = frozenset({"--file", "--filename", "-f", "--kubeconfig", "--token-file"})


def main(words: Sequence[str] | None = None) -> int:
    """Print suggestions for the last word."""
    *before, current = [*(sys.argv[1:] if words is None else words)] or [""]
    if before and before[-1] in _TAKES_FILE:
        sys.stdout.write(f"{_FILES}\n")
        return 0
    found = [word for word in _suggestions(before, current) if word.startswith(current)]
    sys.stdout.write("\n".join([*found, _NO_FILES]) + "\n")
    return 0


def _suggestions(before: Sequence[str], current: str) -> Iterator[str]:
    top = parser()
    commands = commands_of(top)
    name = next((word for word in before if word in commands), None)
    if name is None:
        yield from commands
        return
    actions = options_of(commands[name])
    if current.startswith("-"):
        yield from (text for action in actions for text in action.option_strings)
        return
    previous = before[-1]
    given = next((action for action in actions if previous in action.option_strings), None)
    if given is not None and given.choices is not None:
        yield from cast("Iterable[str]", given.choices)
    elif previous == name and any(action.dest == "bundle" for action in actions):
        yield from asyncio.run(_bundles(before))


async def _bundles(before: Sequence[str]) -> Sequence[str]:
    """The names of the bundles; none if they cannot be read, since a shell shows no errors."""
    from chekov.errors import ChekovError  # noqa: PLC0415 -- slow
    from chekov_operator.plugin.cluster import opened  # noqa: PLC0415

    target = argparse.ArgumentParser(add_help=False)
    add_target(target, None)
    known, _ = target.parse_known_args(before)
    try:
        async with opened(known) as cluster:
            return sorted(str(item["metadata"]["name"]) for item in await cluster.bundles())
    except ChekovError:
        return ()
