"""What a revision adds to the domain and takes away from it, compared with another one. Pure."""

from collections.abc import Mapping
from typing import Final

from chekov_operator.api.changes import added_and_removed
from chekov_operator.kube.objects import Object, nested, nested_list

_KINDS: Final = ("commands", "events", "subscriptions")


def changes(before: Object | None, after: Object | None) -> Mapping[str, list[str]]:
    """The names that were added and removed, by what they name; empty if there are none.

    Args:
        before: the result of the check of the revision that serves.
        after: that of the revision that takes over.
    """
    if before is None or after is None:
        return {}
    # Code that does not load has no domain to compare.
    if before.get("ok") is not True or after.get("ok") is not True:
        return {}
    found: dict[str, list[str]] = {}
    for kind in _KINDS:
        # Of a list that was too long, nobody knows what is missing.
        if nested(before, "leftOff", kind) or nested(after, "leftOff", kind):
            continue
        found |= added_and_removed(kind, _names(before, kind), _names(after, kind))
    return found


def in_words(found: Mapping[str, list[str]]) -> str:
    """The changes in one sentence."""
    parts = [
        f"{verb.lower()} {kind} {', '.join(names)}"
        for verb in ("Added", "Removed")
        for kind in _KINDS
        if (names := found.get(f"{kind}{verb}"))
    ]
    return "; ".join(parts)


def _names(result: Object, kind: str) -> set[str]:
    if kind != "subscriptions":
        return set(nested(result, kind) or ())
    return {
        f"{item['name']} version {item['version']}" for item in nested_list(result, "subscriptions")
    }
