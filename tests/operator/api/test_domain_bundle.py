"""Parsing a DomainBundle, and refusing what its definition should have refused."""

from typing import Any

import pytest

from chekov_operator.api.domain_bundle import Code, Telemetry, parse_bundle
from chekov_operator.api.spec import InvalidSpec
from tests.operator.named_fields import BAD_NAMES, BUNDLE_FIELDS, ELSEWHERE
from tests.operator.samples import SOURCE, bundle


@pytest.mark.parametrize(
    ("code", "read"),
    [
        ({"image": "bank:1"}, Code(image="bank:1")),
        ({"inline": {"modules": {"bank.py": SOURCE}}}, Code(modules={"bank.py": SOURCE})),
        ({"configMapRef": {"name": "bank-code"}}, Code(config_map="bank-code")),
    ],
)
def test_code_has_one_of_three_forms(code: Any, read: Code) -> None:
    assert bundle(code=code).code == read


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"code": {}}, "spec.code", "exactly one"),
        (
            {"code": {"image": "a", "configMapRef": {"name": "b"}}},
            "spec.code",
            "image and configMapRef",
        ),
        ({"code": {"configMapRef": {"name": ""}}}, "spec.code.configMapRef.name", "name"),
        ({"entrypoint": "bank"}, "spec.entrypoint", "module:object"),
        ({"eventStoreRef": {}}, "spec.eventStoreRef.name", "name"),
    ],
)
def test_a_bundle_that_cannot_be_read_names_the_field(change: Any, path: str, words: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        bundle(**change)
    assert caught.value.path == path
    assert words in str(caught.value)


def test_what_a_bundle_leaves_out_has_a_default() -> None:
    found = parse_bundle(
        {
            "metadata": {"name": "bank", "namespace": "shops", "uid": "u"},
            "spec": {
                "eventStoreRef": {"name": "main"},
                "code": {"image": "bank:1"},
                "entrypoint": "bank:domain",
            },
        }
    )
    assert (found.replicas, found.service_type, found.network_policy) == (1, "ClusterIP", True)
    assert (list(found.env), list(found.ingress_from), found.resources) == ([], [], {})
    assert found.telemetry == Telemetry(None, None, "info")


def test_zero_pods_are_not_the_default() -> None:
    assert bundle(replicas=0).replicas == 0


def test_every_field_of_a_bundle_is_read() -> None:
    found = bundle(
        imagePullPolicy="Always",
        imagePullSecrets=[{"name": "registry"}],
        restartNonce="2",
        subscriptions=[{"name": "mailer", "partitions": 4}],
        env=[{"name": "A", "value": "1"}],
        envFrom=[{"secretRef": {"name": "keys"}}],
        resources={"requests": {"cpu": "1"}},
        serviceAccountName="bank-account",
        podTemplate={"spec": {"priorityClassName": "high"}},
        service={"type": "NodePort", "annotations": {"a": "b"}},
        networkPolicy={"enabled": False, "ingressFrom": [{"podSelector": {}}]},
        telemetry={"otlpEndpoint": "http://o:4318", "sampleRatio": "0.1", "logLevel": "debug"},
    )
    assert (found.image_pull_policy, found.restart_nonce) == ("Always", "2")
    assert [item["name"] for item in found.image_pull_secrets] == ["registry"]
    assert list(found.subscriptions) == [{"name": "mailer", "partitions": 4}]
    assert [item["name"] for item in found.env] == ["A"]
    assert [item["secretRef"]["name"] for item in found.env_from] == ["keys"]
    assert found.resources == {"requests": {"cpu": "1"}}
    assert found.service_account == "bank-account"
    assert found.pod_template == {"spec": {"priorityClassName": "high"}}
    assert (found.service_type, found.service_annotations) == ("NodePort", {"a": "b"})
    assert (found.network_policy, list(found.ingress_from)) == (False, [{"podSelector": {}}])
    assert found.telemetry == Telemetry("http://o:4318", "0.1", "debug")


@pytest.mark.parametrize("field", BUNDLE_FIELDS)
def test_a_bundle_that_names_what_is_not_in_its_namespace_is_refused(field: str) -> None:
    made = BUNDLE_FIELDS[field]
    bundle(**made("shop-2"))
    for name in BAD_NAMES:
        with pytest.raises(InvalidSpec) as caught:
            bundle(**made(name))
        assert caught.value.path in (field, field.rpartition(".")[0]), name
        assert str(caught.value).startswith(f"{caught.value.path}: ")


def test_a_refused_name_is_shown_with_what_was_expected() -> None:
    with pytest.raises(InvalidSpec) as caught:
        bundle(code={"configMapRef": {"name": ELSEWHERE}})
    for words in ("expected a name made of lower-case letters", repr(ELSEWHERE), "not a path"):
        assert words in str(caught.value)
