"""`kubectl chekov diff`: what applying a file would change, and whether anything refuses it.

The API server is asked by a dry run, so its own rules and defaults apply. Code in the file is
checked here, compared with what runs, and held against stored events where a DSN is known.
"""

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import yaml

from chekov_operator.api.domain_bundle import Bundle, parse_bundle
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.kinds import BUNDLE, CONFIG_MAP, REVISION, STORE, Kind
from chekov_operator.kube.objects import Object, nested, nested_list
from chekov_operator.plugin import environment
from chekov_operator.plugin.cluster import Cluster, opened
from chekov_operator.plugin.comparison import applied, changes, differences, last_applied
from chekov_operator.plugin.failure import PluginError, sentence
from chekov_operator.plugin.local_code import LocalCode, complaint, unpacked
from chekov_operator.plugin.output import Colour, coloured, complain, show, show_value

_KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in (BUNDLE, STORE, CONFIG_MAP)}
_SAME: Final = 0
_DIFFERENT: Final = 1
_REFUSED: Final = 3
_COLOURS: Final[Mapping[str, Colour]] = {"+": "green", "-": "red", "@": "dim"}
_IMAGE: Final = "the code is in an image, which the operator checks once the file is applied"
_NO_DSN: Final = (
    "gate: give a --dsn, or leave it to the operator, which runs it before the first pod"
)


@dataclass(slots=True)
class Finding:
    """What would become of one object.

    Attributes:
        kind, name: of the object.
        exists: whether there is one already.
        diff: lines; none if nothing changes.
        refused: why it cannot be applied, or would not be rolled out.
        changes: of the domain's commands, events and subscriptions.
        notes: what was not looked at, and why.
    """

    kind: str
    name: str
    exists: bool = False
    diff: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])
    changes: Object = field(default_factory=dict[str, Any])
    notes: list[str] = field(default_factory=list[str])


async def diff(arguments: Namespace) -> int:
    """Compare a file with the cluster."""
    bodies = _manifests(arguments.filename)
    async with opened(arguments) as cluster:
        findings = [await _finding(cluster, body, bodies, arguments) for body in bodies]
    if arguments.output == "table":
        for finding in findings:
            _show(finding)
    else:
        names = ("kind", "name", "exists", "diff", "refused", "changes", "notes")
        rows = [{name: getattr(item, name) for name in names} for item in findings]
        show_value(rows, arguments.output)
    if any(finding.refused for finding in findings):
        return _REFUSED
    return _DIFFERENT if any(finding.diff for finding in findings) else _SAME


def _manifests(file: str) -> list[Object]:
    """The objects of a file that this command knows."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        documents: list[object] = list(yaml.safe_load_all(text))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PluginError(f"{file} cannot be read: {error}") from error
    found: list[Object] = []
    for document in documents:
        items = nested_list(document, "items") if nested(document, "kind") == "List" else [document]
        for item in items:
            if nested(item, "kind") in _KINDS and nested(item, "metadata", "name"):
                found.append(cast("Object", item))
            elif item is not None:
                complain(
                    f"left out, `kubectl diff` shows it: {nested(item, 'kind') or 'no object'}"
                )
    if not any(body["kind"] in (BUNDLE.name, STORE.name) for body in found):
        raise PluginError(f"{file} has no DomainBundle and no EventStore")
    return found


async def _finding(
    cluster: Cluster, body: Object, bodies: Sequence[Object], arguments: Namespace
) -> Finding:
    kind, name = _KINDS[body["kind"]], str(body["metadata"]["name"])
    namespace = str(nested(body, "metadata", "namespace") or cluster.namespace)
    if namespace != cluster.namespace:
        raise PluginError(f"{body['kind']} {name} is of the namespace {namespace}: give it by -n")
    body = {**body, "metadata": {**body["metadata"], "namespace": namespace}}
    finding = Finding(kind.name, name)
    live = await cluster.client.get(kind, namespace, name)
    finding.exists = live is not None
    try:
        after = await _preview(cluster, kind, live, body, arguments.field_manager)
    except ApiError as error:
        finding.refused.append(sentence(error))
        return finding
    finding.diff = differences(live, {**after, "kind": kind.name})
    if kind is BUNDLE and not arguments.no_check:
        await _check_code(cluster, finding, live, after, bodies, arguments)
    return finding


async def _preview(
    cluster: Cluster, kind: Kind, live: Object | None, body: Object, manager: str
) -> Object:
    """What the object would be, by the way in which it was applied before."""
    before = last_applied(live)
    if before is None:
        return await cluster.client.preview(kind, body, manager)
    name, patch = str(body["metadata"]["name"]), applied(before, body)
    return await cluster.client.merge(kind, cluster.namespace, name, patch, dry_run=True)


async def _check_code(
    cluster: Cluster,
    finding: Finding,
    live: Object | None,
    after: Object,
    bodies: Sequence[Object],
    arguments: Namespace,
) -> None:
    """Check the code of a bundle, and hold it against stored events."""
    try:
        bundle = parse_bundle(after)
    except InvalidSpec as error:
        finding.refused.append(str(error))
        return
    modules = bundle.code.modules or await _config_map(cluster, bundle.code.config_map, bodies)
    if not modules:
        finding.notes.append(_IMAGE)
        return
    variables = {item["name"]: item["value"] for item in bundle.env if "value" in item}
    async with unpacked(modules, bundle.entrypoint, variables) as code:
        result = await code.check()
        if not result["ok"]:
            finding.refused.append(f"check: {complaint(result)}")
            return
        finding.changes = changes(await _running(cluster, live), result)
        await _gate(cluster, finding, code, bundle, bodies, arguments)


async def _config_map(
    cluster: Cluster, name: str | None, bodies: Sequence[Object]
) -> Mapping[str, str]:
    """The modules of a ConfigMap, of the file rather than of the cluster."""
    if name is None:
        return {}
    for body in bodies:
        if body["kind"] == CONFIG_MAP.name and body["metadata"]["name"] == name:
            return nested(body, "data") or {}
    found = await cluster.client.get(CONFIG_MAP, cluster.namespace, name)
    return nested(found, "data") or {}


async def _running(cluster: Cluster, live: Object | None) -> Object | None:
    """What the code that runs has: by the check of its revision, or by the bundle's status."""
    if live is None:
        return None
    revision = nested(live, "status", "revision")
    for body in await cluster.of_bundle(REVISION, str(live["metadata"]["name"])):
        if nested(body, "spec", "revision") == revision and nested(body, "status", "check"):
            return nested(body, "status", "check")
    status: Object = nested(live, "status") or {}
    return status if status.get("events") or status.get("commands") else None


async def _gate(
    cluster: Cluster,
    finding: Finding,
    code: LocalCode,
    bundle: Bundle,
    bodies: Sequence[Object],
    arguments: Namespace,
) -> None:
    if bundle.compatibility == "Skip":
        finding.notes.append("gate: spec.compatibility is Skip, so the operator runs none")
        return
    dsn = environment.dsn(arguments.dsn)
    if dsn is None:
        finding.notes.append(_NO_DSN)
        return
    stores = [item for item in bodies if item["kind"] == STORE.name]
    given = next((item for item in stores if item["metadata"]["name"] == bundle.store), None)
    found = given or await cluster.client.get(STORE, cluster.namespace, bundle.store)
    report = await code.gate(dsn, str(nested(found, "spec", "schema") or "chekov"))
    lines = [f"gate: {report.get('compatibility')}: {report.get('message')}"]
    lines += [f"  {_as_line(item)}" for item in nested_list(report, "findings")]
    if report.get("compatibility") == "Compatible" or bundle.compatibility == "Warn":
        finding.notes += lines
    else:
        finding.refused.append("\n".join(lines))


def _as_line(found: Object) -> str:
    """What the gate found, such as `UnknownType: opened at account-1: the domain has no …`."""
    subject = " at ".join(str(found[name]) for name in ("type", "stream") if found.get(name))
    return ": ".join(filter(None, [str(found.get("rule")), subject, str(found.get("message"))]))


def _show(finding: Finding) -> None:
    title = f"{finding.kind}/{finding.name}"
    if finding.diff:
        show("\n".join(coloured(line, _COLOURS.get(line[:1])) for line in finding.diff))
    else:
        show(f"{title}: " + ("refused" if finding.refused else "no difference"))
    for name, names in finding.changes.items():
        show(f"{title}: {name}: {', '.join(names)}")
    for note in finding.notes:
        show(f"{title}: {note}")
    for text in finding.refused:
        complain(f"{title}: {text}")
