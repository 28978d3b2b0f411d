"""What runs in a bundle's pods, and under which restrictions."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chekov_operator.children import workloads
from chekov_operator.kube.objects import Object
from chekov_operator.settings import Settings
from tests.operator.samples import store, target


def pod_of(body: Object) -> Object:
    return body["spec"]["template"]["spec"]


def serving(**spec: Any) -> Object:
    """The template's spec of the bank's Deployment."""
    return pod_of(workloads.deployment(target(**spec)))


def runtime(pod: Object) -> Object:
    """The container that runs the user's code."""
    return next(item for item in pod["containers"] if item["name"] == "runtime")


def env(pod: Object) -> dict[str, Any]:
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in runtime(pod)["env"]}


PODS = [
    pytest.param(serving(), id="serving"),
    pytest.param(pod_of(workloads.check_job(target())), id="check"),
    pytest.param(
        pod_of(workloads.migration_job(store(), 1, Settings(runtime_image="chekov:1"))),
        id="migration",
    ),
]


@pytest.mark.parametrize("pod", PODS)
def test_every_pod_keeps_to_the_restricted_standard(pod: Object) -> None:
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == 10001
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("pod", PODS)
def test_no_pod_may_speak_to_the_api_server(pod: Object) -> None:
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("pod", PODS)
def test_every_pod_may_write_to_tmp_and_says_why_it_ended(pod: Object) -> None:
    (container,) = pod["containers"]
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert container["resources"]["requests"]


@pytest.mark.parametrize("pod", PODS[1:])
def test_jobs_run_once(pod: Object) -> None:
    assert pod["restartPolicy"] == "Never"


def test_the_runtime_gets_all_its_variables() -> None:
    variables = env(serving(telemetry={"logLevel": "debug"}))
    assert variables["CHEKOV_STORE"] == {"secretKeyRef": {"name": "postgres", "key": "dsn"}}
    assert variables["CHEKOV_NODE"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    expected = {
        "CHEKOV_SCHEMA": "chekov",
        "CHEKOV_DOMAIN": "bank:domain",
        "CHEKOV_BUNDLE": "bank",
        "CHEKOV_REVISION": target().name,
        "CHEKOV_LOG_FORMAT": "json",
        "CHEKOV_LOG_LEVEL": "debug",
        "OTEL_SERVICE_NAME": "bank",
    }
    assert expected.items() <= variables.items()


def test_the_runtime_learns_of_a_pooler() -> None:
    connection = {"secretRef": {"name": "postgres"}, "pooled": True}
    behind = replace(target(), store=store(connection=connection))
    assert env(pod_of(workloads.deployment(behind)))["CHEKOV_STORE_POOLED"] == "true"
    assert "CHEKOV_STORE_POOLED" not in env(serving())


def test_the_drain_ends_before_the_pod_is_killed() -> None:
    pod = serving()
    variables = env(pod)
    drain = float(variables["CHEKOV_DRAIN_DELAY"]) + float(variables["CHEKOV_DRAIN_TIMEOUT"])
    assert float(variables["CHEKOV_DRAIN_DELAY"]) >= 2
    assert pod["terminationGracePeriodSeconds"] > drain


def test_code_of_the_spec_is_mounted_and_found() -> None:
    pod = serving()
    (mount,) = [item for item in runtime(pod)["volumeMounts"] if item["name"] == "code"]
    (volume,) = [item for item in pod["volumes"] if item["name"] == "code"]
    assert mount["readOnly"] is True
    assert env(pod)["CHEKOV_PATH"] == mount["mountPath"]
    assert volume["configMap"]["name"] == target().code


def test_an_image_with_the_code_runs_as_it_is() -> None:
    pod = serving(code={"image": "registry.example/bank:2"})
    assert runtime(pod)["image"] == "registry.example/bank:2"
    assert "CHEKOV_PATH" not in env(pod)
    assert [item["name"] for item in pod["volumes"]] == ["tmp"]


def test_the_check_runs_the_same_image_with_the_same_code_and_variables() -> None:
    spec = {"env": [{"name": "MODE", "value": "live"}], "envFrom": [{"secretRef": {"name": "s"}}]}
    check, serve = pod_of(workloads.check_job(target(**spec))), serving(**spec)
    assert runtime(check)["image"] == runtime(serve)["image"]
    assert runtime(check)["envFrom"] == runtime(serve)["envFrom"]
    for name in ("CHEKOV_DOMAIN", "CHEKOV_PATH", "MODE"):
        assert env(check)[name] == env(serve)[name]
    assert check["volumes"] == serve["volumes"]


def test_the_check_is_not_given_the_database() -> None:
    assert "CHEKOV_STORE" not in env(pod_of(workloads.check_job(target())))


def test_a_users_variable_takes_the_place_of_ours() -> None:
    pod = serving(env=[{"name": "CHEKOV_POOL_SIZE", "value": "3"}, {"name": "CHEKOV_LOG_LEVEL"}])
    names = [item["name"] for item in runtime(pod)["env"]]
    assert len(names) == len(set(names))
    assert env(pod)["CHEKOV_POOL_SIZE"] == "3"
    assert env(pod)["CHEKOV_LOG_LEVEL"] is None


def test_traces_go_where_the_spec_says() -> None:
    given = {"otlpEndpoint": "http://collector:4318", "sampleRatio": "0.1"}
    variables = env(serving(telemetry=given))
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    assert variables["OTEL_TRACES_SAMPLER"] == "parentbased_traceidratio"
    assert variables["OTEL_TRACES_SAMPLER_ARG"] == "0.1"


def test_no_traces_go_anywhere_by_default() -> None:
    assert not [name for name in env(serving()) if name.startswith("OTEL_EXPORTER")]


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/startupz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")],
)
def test_probes_ask_the_management_port(probe: str, path: str) -> None:
    container = runtime(serving())
    assert container[probe]["httpGet"]["path"] == path
    assert container[probe]["httpGet"]["port"] == "management"
    assert {item["name"]: item["containerPort"] for item in container["ports"]} == {
        "management": 9090,
        "http": 8080,
    }


def test_resources_are_those_of_the_spec() -> None:
    wanted = {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi"}}
    assert runtime(serving(resources=wanted))["resources"] == wanted


def test_the_users_template_is_laid_over_ours() -> None:
    pod = serving(
        podTemplate={
            "spec": {
                "nodeSelector": {"disk": "ssd"},
                "containers": [
                    {
                        "name": "runtime",
                        "volumeMounts": [{"name": "tmp", "mountPath": "/var/cache"}],
                    },
                    {"name": "sidecar", "image": "proxy:1"},
                ],
            }
        }
    )
    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert [item["name"] for item in pod["containers"]] == ["runtime", "sidecar"]
    paths = [item["mountPath"] for item in runtime(pod)["volumeMounts"]]
    assert {"/tmp", "/var/cache"} <= set(paths)
    assert runtime(pod)["command"] == ["chekov", "serve"]


def test_our_labels_win_over_those_of_the_users_template() -> None:
    metadata = {
        "labels": {"team": "money", "chekov.dev/bundle": "other"},
        "annotations": {"note": "x", "prometheus.io/scrape": "false"},
    }
    body = workloads.deployment(target(podTemplate={"metadata": metadata}))
    found = body["spec"]["template"]["metadata"]
    assert found["labels"]["team"] == "money"
    assert found["labels"]["chekov.dev/bundle"] == "bank"
    assert found["annotations"]["note"] == "x"
    assert found["annotations"]["prometheus.io/scrape"] == "false"


def test_a_pod_can_be_scraped_by_its_annotations() -> None:
    found = workloads.deployment(target())["spec"]["template"]["metadata"]["annotations"]
    assert (found["prometheus.io/scrape"], found["prometheus.io/port"]) == ("true", "9090")


def test_settings_of_handlers_reach_the_pods_and_their_check() -> None:
    settings = [{"name": "mailer", "retry": {"attempts": 9}, "startFrom": "now"}]
    serve = serving(subscriptions=settings)
    check = pod_of(workloads.check_job(target(subscriptions=settings)))
    for pod in (serve, check):
        assert json.loads(env(pod)["CHEKOV_SUBSCRIPTIONS"]) == settings
    assert "CHEKOV_SUBSCRIPTIONS" not in env(serving())


def test_what_says_how_a_bundle_is_served_does_not_end_its_check() -> None:
    probe = {"httpGet": {"path": "/", "port": 1}}
    container = {
        "name": "runtime",
        "livenessProbe": probe,
        "startupProbe": probe,
        "lifecycle": {"preStop": {"sleep": {"seconds": 9}}},
        "volumeMounts": [{"name": "words", "mountPath": "/words"}],
    }
    template = {"spec": {"containers": [container], "nodeSelector": {"disk": "fast"}}}
    pod = pod_of(workloads.check_job(target(podTemplate=template)))
    found = runtime(pod)
    assert found["command"][:2] == ["chekov", "check"]
    assert not {"livenessProbe", "startupProbe", "lifecycle"} & found.keys()
    assert "/words" in {mount["mountPath"] for mount in found["volumeMounts"]}
    assert pod["nodeSelector"] == {"disk": "fast"}


def test_a_check_has_the_resources_of_the_bundle() -> None:
    wanted = {"limits": {"memory": "2Gi"}}
    assert runtime(pod_of(workloads.check_job(target(resources=wanted))))["resources"] == wanted
    assert runtime(pod_of(workloads.check_job(target())))["resources"]["limits"]


STEERED: dict[str, Any] = {
    "resources": {"limits": {"memory": "2Gi"}},
    "nodeSelector": {"disk": "slow"},
    "tolerations": [{"key": "batch", "operator": "Exists"}],
    "imagePullSecrets": [{"name": "registry"}],
    "serviceAccountName": "jobs",
    "deadlineSeconds": 900,
}


def assert_steered(job: Object) -> None:
    pod = pod_of(job)
    (container,) = pod["containers"]
    assert container["resources"] == STEERED["resources"]
    for name in ("nodeSelector", "tolerations", "imagePullSecrets", "serviceAccountName"):
        assert pod[name] == STEERED[name]
    assert job["spec"]["activeDeadlineSeconds"] == 900


def test_a_check_runs_as_the_spec_says_whatever_the_pods_that_serve_have() -> None:
    template = {
        "nodeSelector": {"disk": "fast"},
        "containers": [{"name": "runtime", "resources": {"limits": {"memory": "1Gi"}}}],
    }
    spec = {"podTemplate": {"spec": template}, "imagePullSecrets": [{"name": "other"}]}
    wanted = target(**spec, jobs=STEERED)
    assert_steered(workloads.check_job(wanted))
    assert serving(**spec, jobs=STEERED) == serving(**spec)
    assert wanted.name == target(**spec).name


def test_a_migration_runs_as_the_spec_says() -> None:
    settings = Settings(runtime_image="chekov:1")
    assert_steered(workloads.migration_job(store(jobs=STEERED), 1, settings))
    default = workloads.migration_job(store(), 1, settings)
    assert default["spec"]["activeDeadlineSeconds"] == 600
    assert not {"tolerations", "nodeSelector", "imagePullSecrets"} & pod_of(default).keys()
