"""The result of a check, as the check prints it and as a BundleRevision stores it.

A check writes its result twice: cut to 4 KiB into the termination message of its container, which
costs no request, and on a line of its log, which holds it whole.
"""

from collections.abc import Mapping
from typing import Final, cast

from chekov.serialization.json import from_json, to_sorted_json
from chekov_operator.kube.kinds import GROUP
from chekov_operator.kube.objects import Object, annotation, nested, with_annotation
from chekov_operator.kube.text import printable, reason_or

_ANNOTATION: Final = f"{GROUP}/result"
_TEXTS: Final = ("domain", "message")
_NAMES: Final = ("aggregates", "commands", "events", "handled", "faults")


def parse_result(output: str | None) -> Object | None:
    """The result in a check's output; `None` if the output is something else.

    A user's image may print anything: what has another type than a result has is left out.
    """
    result = _loaded(output)
    if result is None or not isinstance(result["ok"], bool):
        return None
    parsed: Object = {"ok": result["ok"]}
    if not result["ok"]:
        parsed["reason"] = reason_or(result.get("reason"), "InvalidDomain")
    for name in _TEXTS:
        if isinstance(result.get(name), str):
            parsed[name] = printable(result[name])
    for name in _NAMES:
        if isinstance(result.get(name), list):
            parsed[name] = [printable(item) for item in result[name] if isinstance(item, str)]
    if isinstance(result.get("subscriptions"), list):
        parsed["subscriptions"] = [
            item for given in result["subscriptions"] if (item := _subscription(given))
        ]
    # As a check prints it, and as it is stored.
    left_off: object = result.get("left_off") or result.get("leftOff")
    counts = {name: nested(left_off, name) for name in (*_NAMES, "subscriptions")}
    kept = {name: count for name, count in counts.items() if isinstance(count, int)}
    return parsed | ({"leftOff": kept} if kept else {})


def _subscription(given: object) -> Object | None:
    name, kind, version = (nested(given, field) for field in ("name", "kind", "version"))
    if not isinstance(name, str) or not isinstance(version, int):
        return None
    return {"name": printable(name), "kind": printable(str(kind)), "version": version}


def _loaded(text: str | None) -> Object | None:
    try:
        result = from_json(text or "")
    except (ValueError, RecursionError):
        return None
    return cast("Object", result) if isinstance(result, dict) and "ok" in result else None


def is_whole(result: Object | None) -> bool:
    """Whether it is a result from which nothing was left out."""
    return result is not None and not result.get("leftOff")


def with_result(body: Object, result: Mapping[str, object]) -> Object:
    """A copy of an object with the result of its revision's check."""
    return with_annotation(body, _ANNOTATION, to_sorted_json(result).decode())


def result_of(body: Object | None) -> Object | None:
    """The result that an object's annotation holds, if it holds one."""
    return parse_result(annotation(body, _ANNOTATION))
