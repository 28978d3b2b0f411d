"""What applying a manifest would change, as text and in terms of the domain. Pure."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from chekov_operator.kube.objects import Object, annotation, keyed, nested_list, nested_strings
from chekov_operator.plugin.output import as_yaml

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_OWN: Final = ("apiVersion", "kind", "metadata", "status")
_COMPARED_METADATA: Final = ("labels", "annotations")
_NAMED: Final = ("commands", "events")


def differences(live: Object | None, after: Object, given: Object) -> list[str]:
    """The lines of a unified diff between an object and what it would be; none if it stays.

    Args:
        live: the object as it is, if it exists.
        after: what the API server says it would be.
        given: the manifest.
    """
    gone = _no_longer_given(_last_applied(live), given)
    before, behind = _compared(live), _without(_compared(after), gone)
    if before == behind:
        return []
    name = f"{after['kind']}/{after['metadata']['name']}"
    return list(
        difflib.unified_diff(
            [] if live is None else as_yaml(before).splitlines(),
            as_yaml(behind).splitlines(),
            f"{name} (live)",
            f"{name} (applied)",
            lineterm="",
        )
    )


def changes(before: Object | None, after: Object) -> Object:
    """What a domain has that it had not, and the other way round, named as in a status.

    Args:
        before: the result of the check of the running code.
        after: that of the new code.
    """
    if before is None:
        return {}
    found: Object = {}
    for name in _NAMED:
        found |= _changed(name, before.get(name) or (), after.get(name) or ())
    found |= _changed("subscriptions", _subscriptions(before), _subscriptions(after))
    versions = _versions(before), _versions(after)
    moved = [
        f"{name} {versions[0][name]} → {version}"
        for name, version in sorted(versions[1].items())
        if versions[0].get(name, version) != version
    ]
    return found | ({"versionsChanged": moved} if moved else {})


def _changed(name: str, before: Sequence[str], after: Sequence[str]) -> Object:
    added, removed = sorted({*after} - {*before}), sorted({*before} - {*after})
    found = {f"{name}Added": added, f"{name}Removed": removed}
    return {key: names for key, names in found.items() if names}


def _subscriptions(result: Object) -> list[str]:
    return [str(item.get("name")) for item in nested_list(result, "subscriptions")]


def _versions(result: Object) -> Mapping[str, object]:
    return {
        str(item.get("name")): item.get("version") for item in nested_list(result, "subscriptions")
    }


def _compared(body: Object | None) -> Object:
    """The part of an object that a manifest can say something about."""
    if body is None:
        return {}
    content = {name: value for name, value in body.items() if name not in _OWN}
    metadata: Object = {}
    for name in _COMPARED_METADATA:
        given = nested_strings(body, "metadata", name)
        given.pop(_LAST_APPLIED, None)
        metadata |= {name: given} if given else {}
    return ({"metadata": metadata} if metadata else {}) | content


def _last_applied(live: Object | None) -> Object:
    """What plain `kubectl apply` was given last, whose fields the next one removes."""
    try:
        found = json.loads(annotation(live, _LAST_APPLIED) or "{}")
    except ValueError:
        return {}
    return cast("Object", found) if isinstance(found, dict) else {}


def _no_longer_given(before: object, now: object) -> Any:
    """The fields of `before` that `now` lacks, as a tree whose leaves are `None`."""
    gone: dict[str, Any] = {}
    for name, value in _fields(before).items():
        if name not in _fields(now):
            gone[name] = None
        elif deeper := _no_longer_given(value, _fields(now)[name]):
            gone[name] = deeper
    return gone


def _without(body: Any, gone: Mapping[str, Any]) -> Any:
    if not gone:
        return body
    left = {
        name: value if gone.get(name) is None else _without(value, gone[name])
        for name, value in _fields(body).items()
        if name not in gone or gone[name] is not None
    }
    return left if isinstance(body, Mapping) else list(left.values())


def _fields(value: object) -> Mapping[str, Any]:
    """The fields of an object, or the items of a list by their names."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    items = keyed(value, "name")
    return {str(item["name"]): item for item in items} if items else {}
