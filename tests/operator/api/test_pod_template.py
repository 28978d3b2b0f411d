"""Pod templates that would weaken pods are refused, with the field; others keep them restricted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chekov_operator.api import pod_template
from chekov_operator.api.bundle_access import parse_access
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.children import access, workloads
from chekov_operator.kube.objects import Object
from tests.operator.pod_templates import NULLS, RULES, Pair, Spec
from tests.operator.samples import SOURCE, bundle, target


def refused_at(template: Spec) -> str | None:
    """The field for which a bundle with this template is refused; `None` if it is accepted."""
    try:
        bundle(podTemplate=template)
    except InvalidSpec as error:
        return error.path
    return None


def made(template: Spec) -> list[Object]:
    """The specs of the pods that serve and check."""
    revision = target(podTemplate=template)
    jobs = (workloads.deployment(revision), workloads.check_job(revision))
    return [job["spec"]["template"]["spec"] for job in jobs]


def is_restricted(pod: Object) -> bool:
    """Whether Pod Security's profile "restricted" would admit a pod, and it has no token."""
    security = pod["securityContext"]
    containers = [*pod["containers"], *pod.get("initContainers", [])]
    return (
        not any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC"))
        and pod["automountServiceAccountToken"] is False
        and security["runAsNonRoot"] is True
        and security.get("runAsUser") != 0
        and security["seccompProfile"]["type"] in ("RuntimeDefault", "Localhost")
        and all(map(_is_restricted, containers))
        and not any("hostPath" in volume for volume in pod["volumes"])
    )


def _is_restricted(container: Object) -> bool:
    security = container["securityContext"]
    return (
        security["allowPrivilegeEscalation"] is False
        and not security.get("privileged")
        and security["capabilities"]["drop"] == ["ALL"]
        and set(security["capabilities"].get("add") or ()) <= {"NET_BIND_SERVICE"}
        and security.get("runAsNonRoot") is not False
        and security.get("runAsUser") != 0
        and security.get("seccompProfile", {}).get("type") != "Unconfined"
        and security.get("procMount", "Default") == "Default"
        and not any(port.get("hostPort") for port in container.get("ports") or ())
    )


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_what_weakens_a_pod_is_refused_with_its_field(rule: Pair) -> None:
    assert refused_at(rule.good) is None
    assert refused_at(rule.bad) == rule.path
    assert all(map(is_restricted, made(rule.good)))


@pytest.mark.parametrize("path", NULLS)
def test_no_null_drops_what_the_operator_sets(path: str) -> None:
    assert refused_at(NULLS[path]) == path


def test_a_refusal_shows_no_value() -> None:
    container = {"name": "runtime", "command": ["sh", "-c", "echo s3cret"]}
    with pytest.raises(InvalidSpec) as caught:
        bundle(podTemplate={"spec": {"containers": [container]}})
    assert "s3cret" not in str(caught.value)


def test_the_user_of_the_image_may_take_the_place_of_the_operators() -> None:
    for pod in made({"spec": {"securityContext": {"runAsUser": None}}}):
        assert pod["securityContext"]["runAsUser"] is None
        assert pod["securityContext"]["runAsNonRoot"] is True


def test_an_added_container_is_restricted_without_a_word() -> None:
    proxy = {"name": "proxy", "image": "proxy:1"}
    serving, check = made({"spec": {"containers": [proxy], "initContainers": [proxy]}})
    for container in (serving["containers"][1], serving["initContainers"][0]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    assert [item["name"] for item in check["containers"]] == ["runtime"]
    assert is_restricted(check)


def test_the_operators_volumes_and_places_are_all_reserved() -> None:
    keys = {"issuer": "a", "audience": "b", "keys": {"configMapRef": {"name": "k", "key": "k"}}}
    auth = {"tokens": {"secretRef": {"name": "t"}}, "jwt": keys}
    spec: Spec = {"auth": auth, "tls": {"secretRef": {"name": "c"}}}
    code = {"inline": {"modules": {"bank.py": SOURCE}}}
    pod = workloads.deployment(target(code=code, **spec))["spec"]["template"]["spec"]
    assert {item["name"] for item in pod["volumes"]} == pod_template.OWN_VOLUMES
    mounts = {item["mountPath"] for item in pod["containers"][0]["volumeMounts"]}
    assert mounts - {"/tmp"} == set(pod_template.OWN_PLACES)
    assert {item["name"] for item in access.volumes(parse_access(spec))} < pod_template.OWN_VOLUMES


_VOLUMES: list[Spec] = [
    {"name": "a", "emptyDir": {}},
    {"name": "a", "hostPath": {"path": "/"}},
    {"name": "a", "emptyDir": {}, "hostPath": {"path": "/"}},
    {"name": "tmp", "hostPath": {"path": "/"}},
]
_CAPABILITIES: list[Spec | None] = [
    None,
    {},
    {"drop": []},
    {"drop": ["ALL"]},
    {"add": ["SYS_ADMIN"]},
    {"add": None},
]
_SECCOMP: list[Spec | None] = [
    None,
    {},
    {"type": "Unconfined"},
    {"type": None},
    {"type": "RuntimeDefault"},
]
_PORTS: list[list[Spec] | None] = [None, [], [{"containerPort": 1, "hostPort": 80}], [{}]]
_FLAGS: st.SearchStrategy[Any] = st.sampled_from([True, False, None, 0, 1, "true"])
_SECURITY: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "privileged": _FLAGS,
        "allowPrivilegeEscalation": _FLAGS,
        "runAsNonRoot": _FLAGS,
        "runAsUser": st.sampled_from([0, 1, 1000, None]),
        "capabilities": st.sampled_from(_CAPABILITIES),
        "seccompProfile": st.sampled_from(_SECCOMP),
        "procMount": st.sampled_from([None, "Default", "Unmasked"]),
    },
)
_CONTAINER: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"name": st.sampled_from(["runtime", "proxy"])},
    optional={
        "securityContext": st.none() | _SECURITY,
        "ports": st.sampled_from(_PORTS),
    },
)
_POD: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "hostNetwork": _FLAGS,
        "hostPID": _FLAGS,
        "automountServiceAccountToken": _FLAGS,
        "securityContext": st.none() | _SECURITY,
        "containers": st.lists(_CONTAINER, max_size=3),
        "initContainers": st.lists(_CONTAINER, max_size=2),
        "volumes": st.lists(st.sampled_from(_VOLUMES), max_size=2),
    },
)


@given(spec=_POD)
def test_whatever_template_is_accepted_leaves_restricted_pods(spec: Any) -> None:
    if refused_at({"spec": spec}) is None:
        assert all(map(is_restricted, made({"spec": spec})))
