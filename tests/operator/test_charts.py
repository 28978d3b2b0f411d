"""The charts, as Helm renders them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from chekov_operator import settings as operator_settings
from chekov_operator.kube.kinds import DEFINED
from tests.operator.rendering import CHARTS, Manifest, Refused, helm, of_kind, rendered

pytestmark = pytest.mark.usefixtures("helm_built")

CHART_NAMES = ("chekov", "chekov-crds")
VALUES: Manifest = yaml.safe_load((CHARTS / "chekov" / "values.yaml").read_text())
_FILLED_BY_USERS = ("resources", "dashboards.labels")
ALLOWED: Manifest = json.loads((CHARTS / "chekov" / "values.schema.json").read_text())


@pytest.fixture(scope="module")
def usual() -> list[Manifest]:
    return rendered("chekov")


def operator(manifests: list[Manifest]) -> Manifest:
    """The pod's spec of the one Deployment."""
    [deployment] = of_kind(manifests, "Deployment")
    return deployment["spec"]["template"]["spec"]


def environment(manifests: list[Manifest]) -> dict[str, Any]:
    variables = operator(manifests)["containers"][0]["env"]
    assert len({each["name"] for each in variables}) == len(variables)
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in variables}


def leaves(given: Manifest, path: str = "") -> Iterator[tuple[str, object]]:
    """Each value that can be set, by its path; maps a user fills are one."""
    for name, value in given.items():
        here = f"{path}{name}"
        if isinstance(value, dict) and value and here not in _FILLED_BY_USERS:
            yield from leaves(cast("Manifest", value), f"{here}.")
        else:
            yield here, value


def rules_of(role: Manifest) -> dict[str, set[str]]:
    """What a role allows, by group and resource."""
    allowed: dict[str, set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                allowed.setdefault(f"{resource}.{group}".rstrip("."), set()).update(rule["verbs"])
    return allowed


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    return next(each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name)


@pytest.mark.parametrize("chart", CHART_NAMES)
def test_lint_finds_nothing(chart: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHARTS / chart)


@pytest.mark.parametrize("chart", CHART_NAMES)
def test_charts_carry_the_version_of_the_project(chart: str) -> None:
    about = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text())
    project = (CHARTS.parent / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.*)"', project, re.MULTILINE)
    assert version is not None
    assert about["version"] == about["appVersion"] == version[1]


def test_definitions_outlive_their_release() -> None:
    definitions = rendered("chekov-crds")
    assert {each["kind"] for each in definitions} == {"CustomResourceDefinition"}
    assert len(definitions) == len(DEFINED)
    for each in definitions:
        assert each["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_operator_meets_the_restricted_standard(usual: list[Manifest]) -> None:
    pods = [operator(usual), of_kind(usual, "Pod")[0]["spec"]]
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
    assert operator(usual)["containers"][0]["volumeMounts"] == [
        {"name": "tmp", "mountPath": "/tmp"}
    ]


def test_the_operator_is_probed_on_its_management_port(usual: list[Manifest]) -> None:
    [container] = operator(usual)["containers"]
    assert container["command"] == ["python", "-m", "chekov_operator"]
    assert container["ports"] == [{"name": "management", "containerPort": 9090}]
    probed = {name: container[name]["httpGet"] for name in container if name.endswith("Probe")}
    assert probed == {
        "startupProbe": {"path": "/livez", "port": "management"},
        "livenessProbe": {"path": "/livez", "port": "management"},
        "readinessProbe": {"path": "/readyz", "port": "management"},
    }


def test_the_operator_understands_the_variables_of_the_chart() -> None:
    variables = environment(
        rendered(
            "chekov",
            "image.repository=registry.example/chekov",
            "image.tag=9",
            "watchNamespaces={bank,shop}",
            "allowInlineCode=false",
            "logLevel=debug",
            "runtime.image.pullPolicy=Always",
        )
    )
    known = {name: value for name, value in variables.items() if isinstance(value, str)}
    settings = operator_settings.read(known)
    assert settings.runtime_image == "registry.example/chekov:9"
    assert settings.runtime_pull_policy == "Always"
    assert settings.watch_namespaces == ("bank", "shop")
    assert settings.allow_inline is False
    assert settings.log_level == "debug"
    assert settings.management_port == 9090
    assert settings.lease_name == "chekov"
    assert variables["CHEKOV_OPERATOR_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert variables["CHEKOV_OPERATOR_NAMESPACE"] == {
        "fieldRef": {"fieldPath": "metadata.namespace"}
    }


def test_images_are_named_by_tag_or_digest(usual: list[Manifest]) -> None:
    assert operator(usual)["containers"][0]["image"] == "chekov:0.1.0"
    digest = f"sha256:{'a' * 64}"
    pinned = rendered(
        "chekov", f"image.digest={digest}", "runtime.image.repository=own", "runtime.image.tag=v2"
    )
    assert operator(pinned)["containers"][0]["image"] == f"chekov@{digest}"
    assert of_kind(pinned, "Pod")[0]["spec"]["containers"][0]["image"] == f"chekov@{digest}"
    assert environment(pinned)["CHEKOV_OPERATOR_RUNTIME_IMAGE"] == "own:v2"


def test_traces_are_sent_where_the_values_say(usual: list[Manifest]) -> None:
    assert not [name for name in environment(usual) if name.startswith("OTEL_")]
    telemetry = {"otlpEndpoint": "http://collector:4318", "sampleRatio": "0.1"}
    traced = environment(rendered("chekov", values={"telemetry": telemetry}))
    assert traced["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    assert traced["OTEL_TRACES_SAMPLER"] == "parentbased_traceidratio"
    assert traced["OTEL_TRACES_SAMPLER_ARG"] == "0.1"


def test_the_rights_are_no_more_than_the_work_takes(usual: list[Manifest]) -> None:
    allowed = rules_of(named(usual, "ClusterRole", "chekov-operator"))
    assert allowed["secrets"] == {"get", "list", "watch"}
    assert allowed["pods"] == {"get", "list", "watch"}
    assert allowed["domainbundles.chekov.dev"] == {"get", "list", "watch"}
    assert allowed["domainbundles/status.chekov.dev"] == {"patch"}
    assert allowed["bundlerevisions/status.chekov.dev"] == {"patch"}
    assert allowed["events"] == {"get", "list", "create", "patch"}
    assert allowed["pods/log"] == {"get"}
    assert not [name for name in allowed if "rbac" in name or "*" in name]
    assert all("*" not in verbs for verbs in allowed.values())
    leader = named(usual, "Role", "chekov-leader")
    assert leader["metadata"]["namespace"] == "chekov-system"
    assert set(rules_of(leader)) == {"leases.coordination.k8s.io"}
    (changing,) = [rule for rule in leader["rules"] if "update" in rule["verbs"]]
    assert changing["resourceNames"] == [environment(usual)["CHEKOV_OPERATOR_LEASE_NAME"]]


# Releases that serve some namespaces each may have one name, in different namespaces.
USER_ROLES = {"chekov-system-chekov-editor", "chekov-system-chekov-viewer"}


def test_named_namespaces_yield_roles_and_no_rights_of_the_operator_in_the_whole_cluster() -> None:
    manifests = rendered("chekov", "watchNamespaces={bank,shop}", "podMonitor.enabled=true")
    assert of_kind(manifests, "ClusterRoleBinding") == []
    manifests = [each for each in manifests if each["metadata"]["name"] not in USER_ROLES]
    assert [each for each in manifests if each["kind"].startswith("Cluster")] == []
    roles = [
        (each["metadata"]["namespace"], each["metadata"]["name"])
        for each in of_kind(manifests, "Role")
    ]
    assert sorted(roles) == [
        ("bank", "chekov"),
        ("chekov-system", "chekov-leader"),
        ("shop", "chekov"),
    ]
    bound = of_kind(manifests, "RoleBinding")
    assert len(bound) == len(roles)
    account = {"kind": "ServiceAccount", "name": "chekov", "namespace": "chekov-system"}
    assert all(each["subjects"] == [account] for each in bound)
    runtime = named(manifests, "PodMonitor", "chekov-runtime")
    assert runtime["spec"]["namespaceSelector"] == {"matchNames": ["bank", "shop"]}


def test_people_get_roles_also_where_only_some_namespaces_are_watched() -> None:
    manifests = rendered("chekov", "watchNamespaces={bank}")
    assert {each["metadata"]["name"] for each in of_kind(manifests, "ClusterRole")} == USER_ROLES
    usual = of_kind(rendered("chekov"), "ClusterRole")
    for role in USER_ROLES:
        everywhere = named(usual, "ClusterRole", role.removeprefix("chekov-system-"))
        assert named(manifests, "ClusterRole", role)["rules"] == everywhere["rules"]


def test_people_get_roles_that_can_be_left_out(usual: list[Manifest]) -> None:
    editor = named(usual, "ClusterRole", "chekov-editor")
    assert editor["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    viewer = named(usual, "ClusterRole", "chekov-viewer")
    assert set().union(*rules_of(viewer).values()) == {"get", "list", "watch"}
    apart = rendered("chekov", "rbac.aggregateUserRoles=false")
    labels = named(apart, "ClusterRole", "chekov-editor")["metadata"]["labels"]
    assert not [name for name in labels if "aggregate" in name]
    without = of_kind(rendered("chekov", "rbac.userRoles=false"), "ClusterRole")
    assert [each["metadata"]["name"] for each in without] == ["chekov-operator"]


def test_helm_refuses_a_second_release_for_all_namespaces_by_the_name_of_its_role() -> None:
    settings = ("fullnameOverride=other", "rbac.userRoles=false")
    for kind in ("ClusterRole", "ClusterRoleBinding"):
        (found,) = of_kind(rendered("chekov", *settings), kind)
        assert found["metadata"]["name"] == "chekov-operator"
        assert of_kind(rendered("chekov", *settings, "watchNamespaces={shops}"), kind) == []


def test_selectors_find_the_pods_they_are_for(usual: list[Manifest]) -> None:
    labels = of_kind(usual, "Deployment")[0]["spec"]["template"]["metadata"]["labels"].items()
    [service] = of_kind(usual, "Service")
    [budget] = of_kind(usual, "PodDisruptionBudget")
    [policy] = of_kind(usual, "NetworkPolicy")
    assert service["spec"]["selector"].items() <= labels
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels
    test = of_kind(usual, "Pod")[0]["metadata"]["labels"].items()
    assert not service["spec"]["selector"].items() <= test


def test_one_replica_has_no_budget() -> None:
    assert of_kind(rendered("chekov", "replicaCount=1"), "PodDisruptionBudget") == []


def test_labels_of_a_user_do_not_hide_the_pods_from_their_selectors() -> None:
    given = {"team": "money", "app.kubernetes.io/name": "other"}
    [deployment] = of_kind(rendered("chekov", values={"podLabels": given}), "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels["team"] == "money"
    assert labels["app.kubernetes.io/name"] == "chekov-operator"


def test_a_narrow_policy_still_lets_the_test_of_the_release_in() -> None:
    peer = {"podSelector": {"matchLabels": {"app": "prometheus"}}}
    manifests = rendered("chekov", values={"networkPolicy": {"ingressFrom": [peer]}})
    [policy] = of_kind(manifests, "NetworkPolicy")
    own, given = policy["spec"]["ingress"][0]["from"]
    assert given == peer
    test = of_kind(manifests, "Pod")[0]["metadata"]
    assert own["podSelector"]["matchLabels"].items() <= test["labels"].items()
    assert test["annotations"]["helm.sh/hook"] == "test"


def test_monitors_are_made_when_wanted(usual: list[Manifest]) -> None:
    assert of_kind(usual, "PodMonitor") == []
    monitors = of_kind(rendered("chekov", "podMonitor.enabled=true"), "PodMonitor")
    assert [each["metadata"]["name"] for each in monitors] == ["chekov-operator", "chekov-runtime"]
    assert {each["spec"]["podMetricsEndpoints"][0]["port"] for each in monitors} == {"management"}


@pytest.mark.parametrize(
    "setting",
    [
        "replicaCount=0",
        "replicas=2",
        "image.tags=1",
        "image.pullPolicy=Sometimes",
        "image.digest=latest",
        "logLevel=loud",
        "allowInlineCode=maybe",
        "watchNamespaces={Bank}",
        "telemetry.otlpEndpoint=collector:4318",
        "telemetry.sampleRatio=2",
        "podMonitor.interval=often",
    ],
)
def test_values_that_do_not_fit_are_refused(setting: str) -> None:
    path = setting.partition("=")[0]
    with pytest.raises(Refused, match=path.rpartition(".")[2]):
        rendered("chekov", setting)


def test_a_release_of_the_first_chart_can_reuse_its_values() -> None:
    """With `--reuse-values`, a value that the chart of the release had not is absent."""
    before = yaml.safe_load((Path(__file__).parent / "values_of_first_chart.yaml").read_text())
    newer = {name for name, _ in leaves(VALUES)} - {name for name, _ in leaves(before)}
    assert newer
    absent = [f"{name}=null" for name in newer]
    assert rendered("chekov", *absent) == rendered("chekov")
    with pytest.raises(Refused, match="--reset-then-reuse-values"):
        rendered("chekov", *absent, "prometheusRule.enabled=true")


def test_the_definitions_take_no_values() -> None:
    with pytest.raises(Refused, match="keep"):
        rendered("chekov-crds", "keep=false")


def test_the_readme_lists_every_value_with_its_default_and_meaning() -> None:
    readme = (CHARTS / "chekov" / "README.md").read_text()
    rows = [line for line in readme.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{path}` | `{json.dumps(value)}` | {_described(path)} |"
        for path, value in leaves(VALUES)
    ]


def _described(path: str) -> str:
    node = ALLOWED
    for name in path.split("."):
        node = node["properties"][name]
    return node["description"]
