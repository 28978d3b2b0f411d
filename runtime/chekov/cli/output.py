"""The output of commands: tables for people or, with `--output json`, JSON for machines."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from chekov.serialization.json import to_json

Output = Literal["table", "json"]


def show_json(value: object) -> None:
    """Write one line of JSON to standard output."""
    sys.stdout.write(to_json(value).decode() + "\n")
    sys.stdout.flush()


def show(text: str) -> None:
    """Write lines to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write lines to standard error."""
    sys.stderr.write(f"chekov: {text}\n")


def show_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows under upper-case headings, as kubectl does."""
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    heading = [column.upper().replace("_", "-") for column in columns]
    widths = [max(map(len, column)) for column in zip(heading, *cells, strict=True)]
    for line in (heading, *cells):
        show("   ".join(map(str.ljust, line, widths)).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    text = to_json(value).decode()
    # JSON has no times and ids of its own: they are text there.
    return text.strip('"') if text.startswith('"') else text
