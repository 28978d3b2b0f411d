"""The resources' definitions: described throughout, small, and the same in the chart."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from chekov.server.handler_settings import handler_settings
from chekov_operator.api.pod_template import (
    OWN_VARIABLES,
    OWN_VOLUMES,
    PROJECTED,
    SAFE_SYSCTLS,
    VOLUMES,
)
from chekov_operator.api.reference_names import DATA_KEY, LABEL, SUBDOMAIN
from chekov_operator.kube.kinds import DEFINED
from tests.operator.crd_copies import COPIES, SOURCES, copies
from tests.operator.named_fields import (
    BAD_NAMES,
    BUNDLE_FIELDS,
    REPLAY_FIELDS,
    STORE_FIELDS,
    SUBSCRIPTION_FIELDS,
)

Schema = dict[str, Any]

DEFINITIONS: dict[str, Schema] = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted(SOURCES.glob("*.yaml"))
}
EVERY = pytest.mark.parametrize("name", DEFINITIONS)
USERS_WRITE = pytest.mark.parametrize("name", sorted(DEFINITIONS.keys() - {"bundlerevisions"}))


def schema(name: str) -> Schema:
    return DEFINITIONS[name]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def walk(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema within a schema, with the path of its field."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    for inner, sign in (("items", "[]"), ("additionalProperties", "{}")):
        if inner in node:
            yield from walk(node[inner], path + sign)


def paths(name: str) -> dict[str, Schema]:
    return dict(walk(schema(name)))


def columns(name: str, *, wide: bool) -> list[str]:
    shown = DEFINITIONS[name]["spec"]["versions"][0]["additionalPrinterColumns"]
    return [column["name"] for column in shown if (column.get("priority", 0) > 0) == wide]


def test_there_is_one_of_each_kind() -> None:
    assert set(DEFINITIONS) == {kind.plural for kind in DEFINED}


@EVERY
def test_every_field_is_described(name: str) -> None:
    # The API server allows no description of metadata in a definition; it adds its own.
    found = [
        path
        for path, node in walk(schema(name))
        if path != ".metadata" and not node.get("description", "").strip().endswith(".")
    ]
    assert found == []


@EVERY
def test_every_rule_has_a_message(name: str) -> None:
    rules = [
        rule for _, node in walk(schema(name)) for rule in node.get("x-kubernetes-validations", ())
    ]
    assert rules
    assert [rule["rule"] for rule in rules if len(rule.get("message", "")) < 15] == []


@USERS_WRITE
def test_every_list_in_the_spec_is_bounded_and_says_how_it_merges(name: str) -> None:
    lists = {
        path: node
        for path, node in paths(name).items()
        if path.startswith(".spec") and node.get("type") == "array"
    }
    assert lists or name == "subscriptions"
    assert [path for path, node in lists.items() if "maxItems" not in node] == []
    assert [path for path, node in lists.items() if "x-kubernetes-list-type" not in node] == []


NAMING = [
    (kind, field)
    for kind, fields in {
        "domainbundles": BUNDLE_FIELDS,
        "eventstores": STORE_FIELDS,
        "replays": REPLAY_FIELDS,
        "subscriptions": SUBSCRIPTION_FIELDS,
    }.items()
    for field in fields
]
FREE = {
    # Not names of objects: that of a variable, and that of a handler in the code.
    ".spec.env[].name",
    ".spec.subscriptions[].name",
    # That of a taint.
    ".spec.jobs.tolerations[].key",
    # Those of parts of a pod.
    *(
        f".spec.podTemplate.spec.{part}"
        for part in (
            "containers[].name",
            "containers[].env[].name",
            "initContainers[].name",
            "securityContext.sysctls[].name",
            "volumes[].name",
        )
    ),
}


@pytest.mark.parametrize(("name", "field"), NAMING)
def test_a_field_that_names_an_object_takes_nothing_else(name: str, field: str) -> None:
    node = paths(name)[f".{field.replace('[0]', '[]')}"]
    rules = {rule.pattern: rule.longest for rule in (SUBDOMAIN, LABEL, DATA_KEY)}
    assert rules[node["pattern"]] == node["maxLength"]
    assert node["minLength"] == 1
    taken = [
        bad
        for bad in BAD_NAMES
        if 1 <= len(bad) <= node["maxLength"] and re.search(f"{node['pattern'][:-1]}\\Z", bad)
    ]
    assert taken == []


@EVERY
def test_no_field_that_names_an_object_is_forgotten(name: str) -> None:
    naming = re.compile(r"([.](name|key|cluster)|[a-z]Name)$")
    known = {f".{field.replace('[0]', '[]')}" for kind, field in NAMING if kind == name}
    found = {path for path in paths(name) if path.startswith(".spec") and naming.search(path)}
    assert found - FREE == known


@EVERY
def test_required_fields_are_fields(name: str) -> None:
    required = [
        (f"{path}.{field}", field in node.get("properties", {}))
        for path, node in walk(schema(name))
        for field in node.get("required", ())
    ]
    assert required
    assert [path for path, is_field in required if not is_field] == []


@EVERY
def test_a_definition_is_small(name: str) -> None:
    assert (SOURCES / f"{name}.yaml").stat().st_size < 200_000


@USERS_WRITE
def test_conditions_are_a_map_by_type_and_carry_their_generation(name: str) -> None:
    found = paths(name)
    conditions = found[".status.conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert ".status.conditions[].observedGeneration" in found
    assert ".status.observedGeneration" in found


@EVERY
def test_kubectl_finds_it_among_all_of_chekov(name: str) -> None:
    spec = DEFINITIONS[name]["spec"]
    assert spec["names"]["categories"] == ["chekov"]
    assert spec["scope"] == "Namespaced"
    assert "status" in spec["versions"][0]["subresources"]


@EVERY
def test_columns_show_fields_that_there_are(name: str) -> None:
    known = paths(name)
    shown = DEFINITIONS[name]["spec"]["versions"][0]["additionalPrinterColumns"]
    assert shown
    for column in shown:
        path = column["jsonPath"].split("[?")[0]
        assert path in known or path.startswith(".metadata."), column["name"]
        assert column["description"]


def test_bundles_are_listed_with_what_matters() -> None:
    shown = ["Revision", "Ready", "Lag", "Parked", "Phase", "Age"]
    assert columns("domainbundles", wide=False) == shown
    assert columns("domainbundles", wide=True) == ["Store", "Reason", "Message"]


def test_revisions_are_listed_with_what_matters() -> None:
    shown = ["Bundle", "Number", "Phase", "Ready", "Age"]
    assert columns("bundlerevisions", wide=False) == shown
    assert columns("bundlerevisions", wide=True) == ["Image", "Message"]


def test_stores_are_listed_with_what_matters() -> None:
    assert columns("eventstores", wide=False) == ["Ready", "Schema", "Position", "Streams", "Age"]
    assert columns("eventstores", wide=True) == ["Server", "Message"]


def test_subscriptions_are_listed_with_what_matters() -> None:
    shown = ["State", "Ready", "Lag", "Parked", "Owners", "Age"]
    assert columns("subscriptions", wide=False) == shown
    wide = ["Kind", "Version", "Position", "Built", "Message"]
    assert columns("subscriptions", wide=True) == wide


def test_replays_are_listed_with_what_matters() -> None:
    assert columns("replays", wide=False) == ["Subscription", "Phase", "Percent", "Left", "Age"]
    assert columns("replays", wide=True) == ["Message"]


def test_settings_of_handlers_are_those_that_pods_read() -> None:
    node = paths("domainbundles")[".spec.subscriptions"]
    example: Schema = {
        "name": "mailer",
        "retry": {"attempts": 9, "first": 0.5, "longest": 60},
        "onFailure": "skip",
        "partitions": 4,
        "startFrom": "2026-01-31T08:00:00Z",
        "consistency": "strong",
    }
    assert example.keys() == node["items"]["properties"].keys()
    assert example["retry"].keys() == node["items"]["properties"]["retry"]["properties"].keys()
    assert handler_settings(json.dumps([example]))["mailer"].partitions == 4


@pytest.mark.parametrize(
    ("start", "taken"),
    [
        ("origin", True),
        ("now", True),
        ("1200", True),
        ("2026-01-31T08:00:00Z", True),
        ("2026-01-31T08:00:00.25+02:00", True),
        ("0", False),
        ("-1", False),
        ("end", False),
        ("2026-01-31", False),
        ("2026-01-31T08:00:00", False),
    ],
)
def test_a_start_that_pods_would_refuse_is_refused_at_once(start: str, *, taken: bool) -> None:
    node = paths("domainbundles")[".spec.subscriptions[].startFrom"]
    [rule] = node["x-kubernetes-validations"]
    pattern = re.fullmatch(r"self[.]matches\('(.+)'\)", rule["rule"])
    assert pattern is not None
    assert bool(re.match(pattern[1], start)) is taken
    if taken:
        handler_settings(json.dumps([{"name": "mailer", "startFrom": start}]))


def test_a_pod_template_is_refused_by_the_same_rules_as_at_reconcile() -> None:
    pod = ".spec.podTemplate.spec"
    found = paths("domainbundles")
    volume = found[f"{pod}.volumes[]"]
    assert volume["properties"].keys() - {"name"} == VOLUMES
    source = found[f"{pod}.volumes[].projected.sources[]"]
    assert source["properties"].keys() == PROJECTED
    for node, kinds in ((volume, VOLUMES), (source, PROJECTED)):
        # What is not declared is pruned, so that nothing is left of other kinds.
        assert "x-kubernetes-preserve-unknown-fields" not in node
        rule = node["x-kubernetes-validations"][0]["rule"]
        assert set(re.findall(r"has\(self[.](\w+)\)", rule)) == kinds
    names = volume["x-kubernetes-validations"][1]["rule"]
    assert set(re.findall(r"'(\w+)'", names)) == OWN_VOLUMES
    sysctls = found[f"{pod}.securityContext.sysctls[].name"]
    assert set(sysctls["enum"]) == SAFE_SYSCTLS
    variables = [found[".spec.env"], found[f"{pod}.containers[]"]]
    for node in variables:
        rules = " ".join(rule["rule"] for rule in node["x-kubernetes-validations"])
        assert set(re.findall("'(CHEKOV_[A-Z_]+)'", rules)) == OWN_VARIABLES


def test_bundles_can_be_scaled() -> None:
    scale = DEFINITIONS["domainbundles"]["spec"]["versions"][0]["subresources"]["scale"]
    assert scale == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    assert set(scale.values()) <= set(paths("domainbundles"))


def test_the_chart_holds_the_same_definitions() -> None:
    held = {path.name: path.read_text() for path in COPIES.glob("*.yaml")}
    assert held == copies(), "run `python -m tests.operator.crd_copies`"
