"""What applying a manifest would change, as text and in terms of the domain. Pure."""

import difflib
import json
from collections.abc import Mapping
from typing import Final, cast

from chekov_operator.api.changes import added_and_removed
from chekov_operator.kube.objects import Object, annotation, nested_list, nested_strings
from chekov_operator.plugin.output import as_yaml

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_OWN: Final = ("apiVersion", "kind", "metadata", "status")
_COMPARED_METADATA: Final = ("labels", "annotations")
_NAMED: Final = ("commands", "events")


def differences(live: Object | None, after: Object) -> list[str]:
    """The lines of a unified diff between an object and what it would be; none if it stays.

    Args:
        live: the object as it is, if it exists.
        after: what the API server says it would be.
    """
    now, then = _compared(live), _compared(after)
    if now == then:
        return []
    name = f"{after['kind']}/{after['metadata']['name']}"
    return list(
        difflib.unified_diff(
            [] if live is None else as_yaml(now).splitlines(),
            as_yaml(then).splitlines(),
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
        found |= added_and_removed(name, before.get(name) or (), after.get(name) or ())
    found |= added_and_removed("subscriptions", _subscriptions(before), _subscriptions(after))
    versions = _versions(before), _versions(after)
    moved = [
        f"{name} {versions[0][name]} → {version}"
        for name, version in sorted(versions[1].items())
        if versions[0].get(name, version) != version
    ]
    return found | ({"versionsChanged": moved} if moved else {})


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


def last_applied(live: Object | None) -> Object | None:
    """What plain `kubectl apply` was given last, if it made the object."""
    text = annotation(live, _LAST_APPLIED)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return cast("Object", found) if isinstance(found, dict) else None


def applied(before: Object, given: Object) -> Object:
    """The merge patch of plain `kubectl apply`: the manifest, without what it had and has not."""
    return {
        **{name: None for name in before if name not in given},
        **{name: _applied(before.get(name), value) for name, value in given.items()},
    }


def _applied(before: object, value: object) -> object:
    if isinstance(before, dict) and isinstance(value, dict):
        return applied(cast("Object", before), cast("Object", value))
    return value
