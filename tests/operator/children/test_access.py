"""Authentication and TLS in a bundle's pods."""

from typing import Any

import pytest

from chekov_operator.api.domain_bundle import parse_bundle
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.children import workloads
from chekov_operator.controllers.bundle.references import references
from chekov_operator.kube.objects import Object
from tests.operator.samples import bundle, target

TOKENS = {"tokens": {"secretRef": {"name": "bank-tokens"}}}
URL = "https://issuer.example:8443/jwks.json"
JWT = {"jwt": {"issuer": "https://issuer.example", "audience": "bank", "keys": {"url": URL}}}
IN_MAP = {"configMapRef": {"name": "bank-keys", "key": "keys.json"}}
MANAGEMENT = {"managementToken": {"secretRef": {"name": "bank-management", "key": "token"}}}
TLS = {"secretRef": {"name": "bank-tls"}}


def template(**spec: Any) -> Object:
    return workloads.deployment(target(**spec))["spec"]["template"]


def container(**spec: Any) -> Object:
    return template(**spec)["spec"]["containers"][0]


def env(**spec: Any) -> dict[str, Any]:
    return {
        item["name"]: item.get("value", item.get("valueFrom")) for item in container(**spec)["env"]
    }


def mounted(**spec: Any) -> dict[str, Object]:
    """The volumes of the pods by where the container finds them."""
    volumes = {item["name"]: item for item in template(**spec)["spec"]["volumes"]}
    mounts = container(**spec)["volumeMounts"]
    assert len({item["mountPath"] for item in mounts}) == len(mounts)
    return {item["mountPath"]: volumes[item["name"]] for item in mounts}


def test_without_them_pods_have_neither() -> None:
    assert not [name for name in env() if "AUTH" in name or "TLS" in name or "TOKEN" in name]
    assert set(mounted()) == {"/tmp", "/etc/chekov/bundle"}


def test_tokens_are_mounted_so_that_their_changes_arrive() -> None:
    folder = env(auth=TOKENS)["CHEKOV_AUTH_TOKENS"]
    volume = mounted(auth=TOKENS)[folder]
    assert volume["secret"] == {"secretName": "bank-tokens", "defaultMode": 0o440}


def test_an_issuer_s_keys_come_from_its_url_or_from_a_file() -> None:
    variables = env(auth=JWT)
    assert variables["CHEKOV_AUTH_JWT_ISSUER"] == "https://issuer.example"
    assert variables["CHEKOV_AUTH_JWT_AUDIENCE"] == "bank"
    assert variables["CHEKOV_AUTH_JWT_KEYS"] == URL
    of_map = {"jwt": {**JWT["jwt"], "keys": IN_MAP}}
    path = env(auth=of_map)["CHEKOV_AUTH_JWT_KEYS"]
    folder, _, file = path.rpartition("/")
    assert mounted(auth=of_map)[folder]["configMap"] == {
        "name": "bank-keys",
        "items": [{"key": "keys.json", "path": file}],
    }


def test_pods_may_reach_the_url_of_the_keys() -> None:
    found = workloads.supporting_objects(bundle(auth=JWT), [])
    policy = next(body["spec"] for body in found if body["kind"] == "NetworkPolicy")
    assert {"ports": [{"protocol": "TCP", "port": 8443}]} in policy["egress"]


def test_the_management_token_stays_in_its_secret() -> None:
    assert env(auth=MANAGEMENT)["CHEKOV_MANAGEMENT_TOKEN"] == {
        "secretKeyRef": {"name": "bank-management", "key": "token"}
    }


def test_with_tls_probes_prometheus_and_the_service_use_it() -> None:
    variables, volumes = env(tls=TLS), mounted(tls=TLS)
    for variable, file in (
        ("CHEKOV_TLS_CERTIFICATE_FILE", "tls.crt"),
        ("CHEKOV_TLS_KEY_FILE", "tls.key"),
    ):
        folder, _, name = variables[variable].rpartition("/")
        assert name == file
        assert volumes[folder]["secret"]["secretName"] == "bank-tls"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container(tls=TLS)[probe]["httpGet"]["scheme"] == "HTTPS"
        assert container()[probe]["httpGet"]["scheme"] == "HTTP"
    assert template(tls=TLS)["metadata"]["annotations"]["prometheus.io/scheme"] == "https"
    assert "prometheus.io/scheme" not in template()["metadata"]["annotations"]
    (port,) = workloads.service(bundle(tls=TLS))["spec"]["ports"]
    assert port["appProtocol"] == "https"
    (port,) = workloads.service(bundle())["spec"]["ports"]
    assert "appProtocol" not in port


def test_checks_get_none_of_it() -> None:
    job = workloads.check_job(target(auth={**TOKENS, **JWT, **MANAGEMENT}, tls=TLS))
    pod = job["spec"]["template"]["spec"]
    assert {item["name"] for item in pod["volumes"]} == {"tmp", "code"}
    names = [item["name"] for item in pod["containers"][0]["env"]]
    assert not [name for name in names if "AUTH" in name or "TLS" in name or "TOKEN" in name]


def test_the_objects_that_they_name_must_exist() -> None:
    of_map = {"jwt": {**JWT["jwt"], "keys": IN_MAP}}
    found = {
        (item.path, item.kind.name, item.name, item.key)
        for item in references(bundle(auth={**TOKENS, **of_map, **MANAGEMENT}, tls=TLS))
    }
    assert found >= {
        ("spec.auth.tokens.secretRef", "Secret", "bank-tokens", None),
        ("spec.auth.managementToken.secretRef", "Secret", "bank-management", "token"),
        ("spec.auth.jwt.keys.configMapRef", "ConfigMap", "bank-keys", "keys.json"),
        ("spec.tls.secretRef", "Secret", "bank-tls", "tls.crt"),
        ("spec.tls.secretRef", "Secret", "bank-tls", "tls.key"),
    }


@pytest.mark.parametrize(
    ("jwt", "path"),
    [
        ({"keys": {}}, "spec.auth.jwt.keys"),
        ({"keys": {"url": URL, **IN_MAP}}, "spec.auth.jwt.keys"),
        ({"keys": {"url": "http://issuer.example/jwks.json"}}, "spec.auth.jwt.keys.url"),
        ({"audience": ""}, "spec.auth.jwt"),
        ({"issuer": None}, "spec.auth.jwt"),
    ],
    ids=str,
)
def test_an_issuer_needs_a_name_an_audience_and_one_source_of_keys(
    jwt: dict[str, Any], path: str
) -> None:
    spec = {
        "eventStoreRef": {"name": "main"},
        "code": {"image": "a"},
        "entrypoint": "a:b",
        "auth": {"jwt": {**JWT["jwt"], **jwt}},
    }
    with pytest.raises(InvalidSpec) as raised:
        parse_bundle({"metadata": {"namespace": "a", "name": "b"}, "spec": spec})
    assert raised.value.path == path
