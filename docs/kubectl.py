"""Writes docs/reference/kubectl.md from the parser itself: `python docs/kubectl.py`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chekov_operator.plugin.parser import PROGRAM, commands_of, options_of, parser

TARGET = Path(__file__).parent / "reference" / "kubectl.md"
NOTES = Path(__file__).parent / "kubectl.txt"

_TARGET = ("namespace", "context", "kubeconfig")
_OF_ALL = (*_TARGET, "help")


def page() -> str:
    head, *notes = NOTES.read_text().split("\n%% ")
    explained = dict(note.split("\n", 1) for note in notes)
    top = parser()
    commands = commands_of(top)
    if unknown := explained.keys() - commands.keys():
        raise KeyError(unknown)
    rows = [f"| [`{name}`](#{name}) | {item.description} |" for name, item in commands.items()]
    listed = "\n".join(["| command | what it does |", "|---|---|", *rows])
    shared = _table([action for action in options_of(top) if action.dest in _TARGET])
    parts = [head.replace("%commands%", listed).replace("%options%", shared).rstrip() + "\n"]
    for name, command in commands.items():
        parts.append(_section(name, command, explained.get(name, "").strip()))
    return "\n".join(parts)


def _section(name: str, command: argparse.ArgumentParser, note: str) -> str:
    own = [item for item in options_of(command) if item.dest not in _OF_ALL]
    words = [_word(item) for item in own if not item.option_strings]
    lines = [f"## {name}", f"`{' '.join([PROGRAM, name, *words, '[options]'])}`", ""]
    lines += [str(command.description), ""]
    lines += [_table(own), ""] if own else []
    lines += [note, ""] if note else []
    return "\n".join(lines)


def _word(action: argparse.Action) -> str:
    return f"[{action.metavar}]" if action.nargs == "?" else str(action.metavar)


def _table(actions: Sequence[argparse.Action]) -> str:
    rows = [f"| {_names(item)} | {_help(item)} |" for item in actions]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _names(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar}`"
    value = "" if action.nargs == 0 else f" {action.dest.upper().replace('_', '-')}"
    if action.choices is not None:
        choices: Any = action.choices
        value = " " + "\\|".join(choices)
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def _help(action: argparse.Action) -> str:
    return str(action.help) % {"default": action.default}


if __name__ == "__main__":
    TARGET.write_text(page())
