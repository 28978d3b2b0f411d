"""Output: tables and trees for people, JSON and YAML for programs."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, cast

import yaml

from chekov.serialization.json import from_json, to_json
from chekov_operator.kube.text import printable
from chekov_operator.plugin.environment import colours_wanted

Colour = Literal["red", "green", "yellow", "dim", "bold"]

_CODES: Final[Mapping[Colour, str]] = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "dim": "2",
    "bold": "1",
}
_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"


def show(text: str) -> None:
    """Write lines to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write lines to standard error."""
    sys.stderr.write(f"kubectl chekov: {text}\n")


def show_value(value: object, form: str) -> None:
    """Write a value as `json` or `yaml`."""
    if form == "json":
        show(to_json(value).decode())
    else:
        show(as_yaml(value).rstrip())


def as_yaml(value: object) -> str:
    """A value as YAML, texts of several lines as blocks."""
    plain = from_json(to_json(value))
    return yaml.dump(plain, Dumper=_Blocks, sort_keys=False, allow_unicode=True, width=100)


def show_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows under upper-case headings, as kubectl does."""
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    heading = [column.upper().replace("_", "-") for column in columns]
    widths = [max(map(len, column)) for column in zip(heading, *cells, strict=True)]
    for line in (heading, *cells):
        show("   ".join(map(str.ljust, line, widths)).rstrip())


def is_terminal() -> bool:
    return sys.stdout.isatty()


def clear() -> None:
    """Empty the terminal before the next picture."""
    sys.stdout.write(_CLEAR)


def coloured(text: str, colour: Colour | None) -> str:
    """A text in a colour, where the terminal shows one."""
    if colour is None or not (is_terminal() and colours_wanted()):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, str):
        return printable(value).replace("\n", " ")
    return to_json(value).decode().strip('"')


class _Blocks(yaml.SafeDumper):
    pass


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return cast("Any", dumper).represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Blocks.add_representer(str, _text)
