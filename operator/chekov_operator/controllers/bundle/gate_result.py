"""The result of a gate, as the gate prints it and as a BundleRevision stores it."""

from collections.abc import Mapping
from typing import Final, cast

from chekov.serialization.json import from_json
from chekov_operator.kube.objects import Object, nested
from chekov_operator.kube.text import printable, reason_or

_MOST_FINDINGS: Final = 20
_TEXTS: Final = ("rule", "level", "message", "type", "stream", "file")
_NUMBERS: Final = ("version", "position", "line", "count")
_ANSWERS: Final = ("Compatible", "Incompatible", "Unknown")


def parse_gate(output: str | None) -> Object | None:
    """The result in a gate's output; `None` if the output is something else.

    A user's image may print anything: what has another type than a result has is left out.
    """
    try:
        result = from_json(output or "")
    except (ValueError, RecursionError):
        return None
    answer = nested(result, "compatibility")
    if answer not in _ANSWERS:
        return None
    found: Object = {
        "compatibility": answer,
        "reason": reason_or(nested(result, "reason"), str(answer)),
        "message": printable(str(nested(result, "message") or "")),
    }
    listed: object = nested(result, "findings")
    if isinstance(listed, list):
        findings = [item for given in cast("list[object]", listed) if (item := _finding(given))]
        if findings:
            found["findings"] = findings[:_MOST_FINDINGS]
    return found


def _finding(given: object) -> Object | None:
    if not isinstance(given, Mapping):
        return None
    item = cast("Mapping[str, object]", given)
    texts = {name: printable(text) for name in _TEXTS if isinstance(text := item.get(name), str)}
    numbers = {
        name: number
        for name in _NUMBERS
        if isinstance(number := item.get(name), int) and not isinstance(number, bool)
    }
    return {**texts, **numbers} if "message" in texts else None
