"""Whether pods have to be replaced because something in their environment changed. Pure.

A process keeps the environment that it started with: the DSN of the store, and whatever `env` and
`envFrom` take from Secrets and ConfigMaps. So the pods carry a digest of each, and a change of one
is a rollout of the same revision.
"""

from collections.abc import Mapping
from typing import Final, cast

from chekov.serialization.json import from_json, to_sorted_json
from chekov_operator.children.revision import Revision
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.references import reference_to_dsn, references
from chekov_operator.kube.kinds import GROUP, REVISION_LABEL
from chekov_operator.kube.objects import Object, annotation, label, nested, with_annotation

CAUSE_ANNOTATION: Final = "kubernetes.io/change-cause"
"""What `kubectl rollout history` shows."""
_VERSIONS_ANNOTATION: Final = f"{GROUP}/references"


def versions(revision: Revision, observed: ObservedBundle, live: Object | None) -> dict[str, str]:
    """A digest of each value in the environment of a revision's pods, by what holds it.

    What is missing is taken to be as it is on the running pods: new ones could not start.
    """
    before = _versions_on(live)
    found: dict[str, str] = {}
    wanted = [*references(revision.bundle), reference_to_dsn(revision.store)]
    for reference in wanted:
        if not reference.in_env:
            continue
        name = f"{reference.kind.name}/{reference.name}"
        name = f"{name}/{reference.key}" if reference.key else name
        content = observed.contents.get((reference.kind.name, reference.name))
        version = content.version(reference.key) if content else ""
        if version or name in before:
            found[name] = version or before[name]
    return found


def with_versions(deployment: Object, found: Mapping[str, str], cause: str) -> Object:
    """A copy of a Deployment whose pods carry the digests, with why it was changed last."""
    text = to_sorted_json(found).decode()
    spec = deployment["spec"]
    template = with_annotation(spec["template"], _VERSIONS_ANNOTATION, text)
    changed = {**deployment, "spec": {**spec, "template": template}}
    return with_annotation(changed, CAUSE_ANNOTATION, cause)


def cause_of_rollout(revision: str, found: Mapping[str, str], live: Object | None) -> str:
    """Why the pods are replaced, or were replaced last."""
    if label(live, REVISION_LABEL) != revision:
        return f"revision {revision}"
    before = _versions_on(live)
    changed = sorted(
        {
            "the {} {!r} changed".format(*name.split("/")[:2])
            for name, version in found.items()
            if before.get(name, version) != version
        }
    )
    return " and ".join(changed) or annotation(live, CAUSE_ANNOTATION) or f"revision {revision}"


def _versions_on(live: Object | None) -> dict[str, str]:
    try:
        found = from_json(annotation(nested(live, "spec", "template"), _VERSIONS_ANNOTATION) or "")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, str]", found) if isinstance(found, dict) else {}
