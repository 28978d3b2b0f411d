"""Stored revisions: a BundleRevision for each, which owns the ConfigMap with its code. Pure.

With it a revision can run again after its Deployment was deleted or the bundle's spec was changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, cast

from chekov.serialization.json import from_json, to_sorted_json
from chekov_operator.api.domain_bundle import Bundle, parse_bundle
from chekov_operator.api.event_store import Store
from chekov_operator.api.spec import InvalidSpec, Meta, parse_meta
from chekov_operator.children import names
from chekov_operator.children.revision import TEMPLATE_VERSION, Revision
from chekov_operator.children.workloads import child, child_labels
from chekov_operator.controllers.bundle.check_result import result_of
from chekov_operator.kube.kinds import (
    BUNDLE,
    COMPONENT_LABEL,
    CONFIG_MAP,
    DEPLOYMENT,
    GROUP,
    REVISION,
    REVISION_LABEL,
)
from chekov_operator.kube.objects import (
    Children,
    Object,
    annotation,
    label,
    nested,
    with_annotation,
)

_COMPONENT: Final = "revision"
_SPEC_ANNOTATION: Final = f"{GROUP}/spec"
_TEMPLATE_ANNOTATION: Final = f"{GROUP}/template-version"
_IMAGE_ANNOTATION: Final = f"{GROUP}/image"
_FIRST_TEMPLATE: Final = 1
"""The version of the pod template of an older operator, which did not write it down."""


def to_record(revision: Revision, number: int) -> Object:
    """The BundleRevision that stores a revision; the number counts those of the bundle."""
    code = {"code": revision.code} if revision.code else {}
    return _record(
        revision.bundle.meta,
        {
            "bundle": revision.bundle.meta.name,
            "revision": revision.name,
            "number": number,
            "image": revision.image,
            **code,
            "entrypoint": revision.bundle.entrypoint,
            "template": _without_source(revision.spec),
            "templateVersion": revision.template,
        },
    )


def _as_wanted(record: Object, meta: Meta) -> Object:
    """A stored BundleRevision as it should be; its spec cannot change."""
    return _record(meta, record["spec"])


def _record(meta: Meta, spec: Object) -> Object:
    labels = {REVISION_LABEL: spec["revision"], COMPONENT_LABEL: _COMPONENT}
    name = names.revision(meta.name, spec["revision"])
    body = child(REVISION, name, meta, BUNDLE, {**child_labels(meta.name), **labels})
    return {**body, "spec": spec}


def _code_of(record: Object, modules: Mapping[str, str]) -> Object:
    """The ConfigMap of a revision's code, which the BundleRevision owns.

    Args:
        record: the BundleRevision as the API server has it.
        modules: the source of each file.
    """
    bundle, revision = record["spec"]["bundle"], record["spec"]["revision"]
    labels = {REVISION_LABEL: revision, COMPONENT_LABEL: _COMPONENT}
    name = str(record["spec"]["code"])
    owner = parse_meta(record)
    body = child(CONFIG_MAP, name, owner, REVISION, {**child_labels(bundle), **labels})
    return {**body, "immutable": True, "data": dict(modules)}


def records(children: Children) -> dict[str, Object]:
    """The stored BundleRevisions by the hashes of their revisions."""
    return {
        str(nested(body, "spec", "revision")): body
        for (kind, _), body in children.items()
        if kind == REVISION.name
    }


def stored_objects(children: Children, meta: Meta, wanted: Revision | None) -> list[Object]:
    """Every BundleRevision and every ConfigMap with code, as they should be.

    Args:
        children: of the bundle.
        meta: of the bundle.
        wanted: the revision that the bundle's spec asks for.
    """
    known = records(children)
    found = [*(_as_wanted(body, meta) for body in known.values()), *_adopted(children, meta)]
    if wanted is not None and all(nested(b, "spec", "revision") != wanted.name for b in found):
        found.append(to_record(wanted, _next_number(found)))
    for revision, body in known.items():
        if not nested(body, "spec", "code") or not is_taken_over(body, children):
            continue
        modules = wanted.modules if wanted and wanted.name == revision else None
        modules = modules or modules_of(body, children)
        if modules:
            found.append(_code_of(body, modules))
    return found


def template_version(children: Children, revision: str) -> int:
    """The version of the pod template that a revision was made with; the newest for a new one.

    Its Deployment has it too, so that it survives the deletion of the BundleRevision.
    """
    record = records(children).get(revision)
    if record is not None:
        return int(nested(record, "spec", "templateVersion") or _FIRST_TEMPLATE)
    live = deployments(children).get(revision)
    if live is None and revision not in _older_records(children):
        return TEMPLATE_VERSION
    found = annotation(live, _TEMPLATE_ANNOTATION) or ""
    known = int(found) if found.isascii() and found.isdecimal() else 0
    return known or _FIRST_TEMPLATE


def is_taken_over(record: Object, children: Children) -> bool:
    """Whether the BundleRevision has all that the ConfigMap of an older operator stored."""
    older = _older_records(children).get(str(nested(record, "spec", "revision")))
    return result_of(older) is None or nested(record, "status", "check") is not None


def _next_number(stored: Iterable[Object]) -> int:
    return 1 + max((int(nested(body, "spec", "number") or 0) for body in stored), default=0)


def to_revision(
    record: Object,
    bundle: Bundle,
    children: Children,
    store: Store,
    runtime_pull_policy: str,
) -> Revision | None:
    """A stored revision, with the metadata and the replicas that the bundle has now.

    Its Deployment remembers settings that changed since without a new revision, such as resources.

    Returns:
        `None` if it cannot be used.
    """
    name = str(nested(record, "spec", "revision"))
    spec = stored_spec(children, name)
    if spec is None:
        return None
    try:
        stored = parse_bundle({"metadata": record["metadata"], "spec": spec})
    except InvalidSpec:
        return None
    code = nested(record, "spec", "code")
    return Revision(
        name=name,
        spec=spec,
        bundle=replace(
            stored, meta=bundle.meta, replicas=bundle.replicas, suspended=bundle.suspended
        ),
        image=str(nested(record, "spec", "image")),
        modules=modules_of(record, children) if code else None,
        store=store,
        pull_policy=stored.image_pull_policy or (runtime_pull_policy if code else None),
        template=template_version(children, name),
    )


def modules_of(record: Object, children: Children) -> Mapping[str, str]:
    """The stored source of a revision."""
    name = str(nested(record, "spec", "code"))
    return nested(children.get((CONFIG_MAP.name, name)), "data") or {}


def with_spec(deployment: Object, revision: Revision) -> Object:
    """A copy of a Deployment that remembers the spec and the template its pods are made from."""
    text = to_sorted_json(_without_source(revision.spec)).decode()
    remembering = with_annotation(deployment, _SPEC_ANNOTATION, text)
    return with_annotation(remembering, _TEMPLATE_ANNOTATION, str(revision.template))


def stored_spec(children: Children, revision: str | None) -> Object | None:
    """The spec that the pods of a revision are made from; `None` if none is stored.

    It has the inline source, too.
    """
    record = records(children).get(revision or "")
    if record is None:
        return None
    spec: Object = _spec_of(deployments(children).get(str(revision))) or dict(
        nested(record, "spec", "template") or {}
    )
    if nested(spec, "code", "inline") is not None:
        inline = {"modules": dict(modules_of(record, children))}
        spec = {**spec, "code": {**spec["code"], "inline": inline}}
    return spec


def deployments(children: Children) -> dict[str, Object]:
    """The Deployments of a bundle by the hashes of their revisions.

    One that an older operator made has the name of the bundle.
    """
    return {
        revision: body
        for (kind, _), body in children.items()
        if kind == DEPLOYMENT.name and (revision := label(body, REVISION_LABEL))
    }


def known_result(children: Children, revision: str | None) -> Object | None:
    """The result of a revision's check.

    Its Deployment has it too, so that it survives the deletion of the BundleRevision.
    """
    if revision is None:
        return None
    stored = nested(records(children).get(revision), "status", "check")
    if stored:
        return stored
    deployment = result_of(deployments(children).get(revision))
    return deployment or result_of(_older_records(children).get(revision))


def _adopted(children: Children, meta: Meta) -> list[Object]:
    """A BundleRevision for each ConfigMap that stores a revision of an older operator alone."""
    known = records(children)
    number = _next_number(known.values())
    older = [
        (name, body)
        for name, body in _older_records(children).items()
        if name not in known and _spec_of(body) and annotation(body, _IMAGE_ANNOTATION)
    ]
    older.sort(key=lambda item: str(nested(item[1], "metadata", "creationTimestamp")))
    return [
        _record(meta, _adopted_spec(name, body, meta.name, number + index))
        for index, (name, body) in enumerate(older)
    ]


def _adopted_spec(revision: str, body: Object, bundle: str, number: int) -> Object:
    spec = _spec_of(body) or {}
    has_code = nested(spec, "code", "image") is None
    code = {"code": names.revision(bundle, revision)} if has_code else {}
    return {
        "bundle": bundle,
        "revision": revision,
        "number": number,
        "image": annotation(body, _IMAGE_ANNOTATION),
        **code,
        "entrypoint": str(spec.get("entrypoint") or ""),
        "template": spec,
        "templateVersion": _FIRST_TEMPLATE,
    }


def _older_records(children: Children) -> dict[str, Object]:
    """The ConfigMaps that store a revision each, as older operators made them."""
    return {
        revision: body
        for (kind, _), body in children.items()
        if kind == CONFIG_MAP.name
        and label(body, COMPONENT_LABEL) == _COMPONENT
        and (revision := label(body, REVISION_LABEL))
    }


def _spec_of(body: Object | None) -> Object | None:
    """The spec that an annotation holds."""
    try:
        found = from_json(annotation(body, _SPEC_ANNOTATION) or "")
    except (ValueError, RecursionError):
        return None
    return cast("Object", found) if isinstance(found, dict) else None


def _without_source(spec: Mapping[str, object]) -> Object:
    """The spec without inline source, which a ConfigMap holds."""
    code = dict(cast("Mapping[str, object]", spec.get("code") or {}))
    if "inline" in code:
        code["inline"] = {"modules": {}}
    return {**spec, "code": code}
