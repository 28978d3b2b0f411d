"""How a change of a domain is named, in a status and by `kubectl chekov diff`."""

from collections.abc import Iterable


def added_and_removed(
    kind: str, before: Iterable[str], after: Iterable[str]
) -> dict[str, list[str]]:
    """The names of one kind that came and went, as `<kind>Added` and `<kind>Removed`.

    Args:
        kind: what they name, such as `commands`.
        before: the names there were.
        after: the names there are.
    """
    old, new = set(before), set(after)
    found = {f"{kind}Added": sorted(new - old), f"{kind}Removed": sorted(old - new)}
    return {key: names for key, names in found.items() if names}
