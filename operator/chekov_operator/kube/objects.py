"""Reading fields of Kubernetes objects, which are plain JSON here."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from chekov.serialization.json import to_sorted_json
from chekov_operator.kube.kinds import BUNDLE, BUNDLE_LABEL, STORE, STORE_LABEL, Key, Kind

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON gives it."""

Children: TypeAlias = Mapping[tuple[str, str], Object]
"""Objects by kind and name."""

_DIGEST_LENGTH: Final = 10


def nested(body: Any, *path: str) -> Any:
    """The field at `path`, or `None` where a part of the path is missing."""
    # Called some 180 times for each plan, so without a cast, and without asking whether a missing
    # value is a Mapping: plans take a fifth less time.
    for step in path:
        if body is None:
            return None
        if body.__class__ is not dict and not _is_mapping(body):
            return None
        body = body.get(step)
    return body


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def nested_list(body: object, *path: str) -> Sequence[Object]:
    """The list of objects at `path`; empty where it is missing."""
    found = nested(body, *path)
    return cast("Sequence[Object]", found) if isinstance(found, list) else ()


def nested_strings(body: object, *path: str) -> dict[str, str]:
    """The map of strings at `path`; empty where it is missing."""
    found = nested(body, *path)
    return dict(cast("Mapping[str, str]", found)) if isinstance(found, Mapping) else {}


def condition_of(body: object, kind: str) -> Object:
    """An object's condition of a type; empty if it has none."""
    conditions = nested_list(body, "status", "conditions")
    return next((item for item in conditions if item.get("type") == kind), dict[str, Any]())


def label(body: object, name: str) -> str | None:
    return nested(body, "metadata", "labels", name)


def annotation(body: object, name: str) -> str | None:
    return nested(body, "metadata", "annotations", name)


def with_annotation(body: Object, name: str, value: str) -> Object:
    """A copy of an object with one more annotation."""
    annotations = nested_strings(body, "metadata", "annotations") | {name: value}
    return {**body, "metadata": {**body["metadata"], "annotations": annotations}}


def resource_version(body: object) -> int:
    """An object's resource version, which grows with each change; 0 if it has none."""
    text = str(nested(body, "metadata", "resourceVersion") or "")
    return int(text) if text.isdecimal() else 0


def key_of(kind: Kind, body: object) -> Key:
    metadata = nested(body, "metadata")
    return Key(kind.name, str(nested(metadata, "namespace") or ""), str(nested(metadata, "name")))


def controller_uid(body: object) -> str | None:
    """The uid of the object that controls this one."""
    owners = nested_list(body, "metadata", "ownerReferences")
    return next((str(item["uid"]) for item in owners if item.get("controller")), None)


def owner_of(body: object) -> Key | None:
    """The bundle or store that a child or a pod belongs to, according to its labels."""
    namespace = str(nested(body, "metadata", "namespace") or "")
    for kind, name in ((BUNDLE, label(body, BUNDLE_LABEL)), (STORE, label(body, STORE_LABEL))):
        if name:
            return Key(kind.name, namespace, name)
    return None


def keyed(items: object, key: str) -> list[Object] | None:
    """A list, if every item of it is an object with the field `key`."""
    if not isinstance(items, list):
        return None
    found = cast("list[object]", items)
    has_keys = all(isinstance(item, Mapping) and key in item for item in found)
    return cast("list[Object]", found) if has_keys else None


def digest(value: object) -> str:
    """A short, stable hash of a JSON value."""
    return hashlib.sha256(to_sorted_json(value)).hexdigest()[:_DIGEST_LENGTH]
