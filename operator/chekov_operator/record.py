"""Records of revisions: a ConfigMap each, with the code, the spec and what its check said.

With them a revision can be run again whatever became of its Deployment, and whatever the bundle's
spec says by now.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

from chekov_operator import names
from chekov_operator.api import Bundle, InvalidSpec, Store, parse_bundle
from chekov_operator.observed import parse_check
from chekov_operator.resources import (
    BUNDLE,
    COMPONENT_LABEL,
    CONFIG_MAP,
    GROUP,
    REVISION_LABEL,
    Object,
    annotation,
    dig,
    label,
    strings,
)
from chekov_operator.workloads import Target, head, labels_of

REVISION: Final = "revision"
RESULT_ANNOTATION: Final = f"{GROUP}/result"
_SPEC_ANNOTATION: Final = f"{GROUP}/spec"
_IMAGE_ANNOTATION: Final = f"{GROUP}/image"


def record(target: Target, spec: Mapping[str, object], result: Object | None) -> Object:
    """The record of a revision.

    Args:
        target: the revision.
        spec: of the bundle it came from, as the user wrote it.
        result: what its check said, once it did.
    """
    bundle = target.bundle
    labels = {REVISION_LABEL: target.revision, COMPONENT_LABEL: REVISION}
    body = head(
        CONFIG_MAP,
        names.record(bundle.meta.name, target.revision),
        bundle.meta,
        BUNDLE,
        {**labels_of(bundle.meta.name), **labels},
    )
    annotations = {_SPEC_ANNOTATION: _text(_without_source(spec)), _IMAGE_ANNOTATION: target.image}
    body["metadata"]["annotations"] = annotations
    kept: Object = {**body, "immutable": True, "data": dict(target.modules or {})}
    return kept if result is None else with_result(kept, result)


def recorded(body: Object, bundle: Bundle, store: Store, runtime_pull_policy: str) -> Target | None:
    """The revision that a record keeps, at the size that the bundle has now.

    Returns:
        `None` when the record cannot be used.
    """
    try:
        spec = json.loads(annotation(body, _SPEC_ANNOTATION) or "")
        kept = parse_bundle({"metadata": body["metadata"], "spec": spec})
    except (ValueError, InvalidSpec):
        return None
    image = annotation(body, _IMAGE_ANNOTATION)
    revision = label(body, REVISION_LABEL)
    if not image or not revision:
        return None
    carried = kept.code.image is None
    return Target(
        bundle=replace(kept, meta=bundle.meta, replicas=bundle.replicas),
        revision=revision,
        image=image,
        modules=dig(body, "data") or {} if carried else None,
        store=store,
        pull_policy=kept.image_pull_policy or (runtime_pull_policy if carried else None),
    )


def with_result(body: Object, result: Mapping[str, object]) -> Object:
    """An object that also tells what the check of its revision said."""
    annotations = strings(body, "metadata", "annotations") | {RESULT_ANNOTATION: _text(result)}
    return {**body, "metadata": {**body["metadata"], "annotations": annotations}}


def result_of(body: Object | None) -> Object | None:
    """What the check of an object's revision said; `None` when it does not tell."""
    return parse_check(annotation(body, RESULT_ANNOTATION))


def record_of(
    children: Mapping[tuple[str, str], Object], bundle: str, revision: str | None
) -> Object | None:
    """The record of a revision, among a bundle's children."""
    return children.get((CONFIG_MAP.name, names.record(bundle, revision))) if revision else None


def is_record(body: Object) -> bool:
    """Whether a ConfigMap is a record of ours."""
    return label(body, COMPONENT_LABEL) == REVISION


def _without_source(spec: Mapping[str, object]) -> Mapping[str, object]:
    code = dict(cast("Mapping[str, object]", spec.get("code") or {}))
    if "inline" in code:
        # The source is the record's own data; twice would take twice the room.
        code["inline"] = {"modules": {}}
    return {**spec, "code": code}


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
