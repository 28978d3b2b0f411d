"""Stored revisions: a ConfigMap for each, with the code, the spec and the result of the check.

With it a revision can run again after its Deployment was deleted or the bundle's spec was changed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

from chekov.serialization.json import from_json, to_sorted_json
from chekov_operator.api.domain_bundle import Bundle, parse_bundle
from chekov_operator.api.event_store import Store
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.children import names
from chekov_operator.children.revision import Revision
from chekov_operator.children.workloads import child, child_labels
from chekov_operator.controllers.bundle.check_result import with_result
from chekov_operator.kube.kinds import BUNDLE, COMPONENT_LABEL, CONFIG_MAP, GROUP, REVISION_LABEL
from chekov_operator.kube.objects import Object, annotation, label, nested

_COMPONENT: Final = "revision"
_SPEC_ANNOTATION: Final = f"{GROUP}/spec"
_IMAGE_ANNOTATION: Final = f"{GROUP}/image"


def to_config_map(revision: Revision, spec: Mapping[str, object], result: Object | None) -> Object:
    """The ConfigMap that stores a revision.

    Args:
        revision: the revision.
        spec: the bundle's spec that it was made from.
        result: of its check, once there is one.
    """
    bundle = revision.bundle
    labels = {REVISION_LABEL: revision.name, COMPONENT_LABEL: _COMPONENT}
    body = child(
        CONFIG_MAP,
        names.revision(bundle.meta.name, revision.name),
        bundle.meta,
        BUNDLE,
        {**child_labels(bundle.meta.name), **labels},
    )
    body["metadata"]["annotations"] = {
        _SPEC_ANNOTATION: to_sorted_json(_without_source(spec)).decode(),
        _IMAGE_ANNOTATION: revision.image,
    }
    stored: Object = {**body, "immutable": True, "data": dict(revision.modules or {})}
    return stored if result is None else with_result(stored, result)


def from_config_map(
    body: Object, bundle: Bundle, store: Store, runtime_pull_policy: str
) -> Revision | None:
    """The stored revision, with the metadata and the replicas that the bundle has now.

    Returns:
        `None` if the ConfigMap cannot be used.
    """
    try:
        spec = from_json(annotation(body, _SPEC_ANNOTATION) or "")
        stored = parse_bundle({"metadata": body["metadata"], "spec": spec})
    except (ValueError, RecursionError, InvalidSpec):
        return None
    image = annotation(body, _IMAGE_ANNOTATION)
    name = label(body, REVISION_LABEL)
    if not image or not name:
        return None
    is_mounted = stored.code.image is None
    return Revision(
        name=name,
        bundle=replace(stored, meta=bundle.meta, replicas=bundle.replicas),
        image=image,
        modules=nested(body, "data") or {} if is_mounted else None,
        store=store,
        pull_policy=stored.image_pull_policy or (runtime_pull_policy if is_mounted else None),
    )


def stored_spec(body: Object | None) -> Object | None:
    """The spec that a revision was made from, with its inline source; `None` if unreadable."""
    try:
        spec = from_json(annotation(body, _SPEC_ANNOTATION) or "")
    except (ValueError, RecursionError):
        return None
    if nested(spec, "code", "inline") is not None:
        spec["code"]["inline"] = {"modules": nested(body, "data") or {}}
    return cast("Object", spec)


def config_map_of(
    children: Mapping[tuple[str, str], Object], bundle: str, revision: str | None
) -> Object | None:
    """The ConfigMap of a revision among a bundle's children."""
    return children.get((CONFIG_MAP.name, names.revision(bundle, revision))) if revision else None


def is_revision(config_map: Object) -> bool:
    return label(config_map, COMPONENT_LABEL) == _COMPONENT


def _without_source(spec: Mapping[str, object]) -> Mapping[str, object]:
    """The spec without inline source, which the ConfigMap's data already holds."""
    code = dict(cast("Mapping[str, object]", spec.get("code") or {}))
    if "inline" in code:
        code["inline"] = {"modules": {}}
    return {**spec, "code": code}
