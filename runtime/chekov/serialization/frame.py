"""A result on one marked line of a process's output, so that whoever reads the log finds it.

Code that is imported may print anything before the result or after it, and a log may be cut.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from chekov.errors import ChekovError
from chekov.serialization.json import to_json

MARK: Final = "chekov-result"
LONGEST_RESULT: Final = 128 * 1024
"""Of a result, in bytes: as much as fits into an annotation of a Kubernetes object."""
_MESSAGE_BYTES: Final = 4096
"""The limit of a container's termination message in Kubernetes."""
_LONGEST_TEXT: Final = 1000


class UnreadableFrame(ChekovError):
    """An output holds no whole result."""


def framed(document: bytes) -> str:
    """The line with a result: the mark, the number of bytes, and the result."""
    return f"{MARK} {len(document)} {document.decode()}"


def last_frame(output: str) -> str:
    """The last result in an output.

    Raises:
        UnreadableFrame: there is none, or a part of it is missing.
    """
    # Not `splitlines`: a result may hold characters that it takes for ends of lines.
    for line in reversed(output.split("\n")):
        mark, _, rest = line.partition(" ")
        if mark != MARK:
            continue
        size, _, document = rest.partition(" ")
        found = len(document.encode())
        if size != str(found):
            raise UnreadableFrame(f"the result in it is cut: {found} of {size[:20]} bytes are left")
        return document
    raise UnreadableFrame("it has no result")


def shortened(result: Mapping[str, Any], most_bytes: int = _MESSAGE_BYTES) -> bytes:
    """A result as JSON within a limit; `left_off` counts the entries left out per list."""
    kept = {name: _cut(value) for name, value in result.items()}
    left_off: dict[str, int] = {}
    while len(document := to_json(kept)) > most_bytes:
        name = max(
            (name for name, value in kept.items() if isinstance(value, list)),
            key=lambda name: len(to_json(kept[name])),
        )
        # One by one only near the limit: each round writes everything as JSON again.
        count = len(kept[name]) // 2 if len(document) > 2 * most_bytes else 1
        kept[name] = kept[name][:-count]
        left_off[name] = left_off.get(name, 0) + count
        kept["left_off"] = left_off
    return document


def _cut(value: Any) -> Any:
    """A text, or each text of a list, without what is beyond its length."""
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if isinstance(value, list):
        return [_cut(item) for item in cast("list[object]", value)]
    return value
