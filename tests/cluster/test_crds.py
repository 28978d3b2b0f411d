"""What the API server accepts and refuses: one good and one bad object for each rule."""

import json
import re
from collections.abc import Generator
from typing import Any

import pytest

from tests.cluster.kube.shell import CommandFailed
from tests.cluster.kubectl import Kubectl
from tests.cluster.manifests import bundle, event_store, named
from tests.operator.named_fields import (
    BUNDLE_FIELDS,
    ELSEWHERE,
    REPLAY_FIELDS,
    STORE_FIELDS,
    SUBSCRIPTION_FIELDS,
)
from tests.operator.pod_templates import NULLS, RULES, Pair

Spec = dict[str, Any]
Manifest = dict[str, Any]

CODE: Spec = {"inline": {"modules": {"bank.py": ""}}}
HALF = "x" * 131_072
POD = {"podSelector": {"matchLabels": {"app": "shop"}}}
SECRET = {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "api"}}}


@pytest.fixture(scope="module")
def api(system: Kubectl) -> Kubectl:
    """A namespace of the cluster, with the definitions installed."""
    return system.within("default")


@pytest.fixture
def stored(api: Kubectl) -> Generator[Manifest]:
    """An existing EventStore."""
    manifest = event_store("kept")
    api.apply(manifest)
    yield manifest
    api.delete("eventstore", "kept")


def tried(api: Kubectl, manifest: Manifest) -> Spec:
    """The spec that the API server would store."""
    words = ("create", "--dry-run=server", "--filename=-", "--output=json")
    return json.loads(api.run(*words, stdin=json.dumps(manifest)))["spec"]


def refusal(api: Kubectl, manifest: Manifest) -> str:
    """Why the API server would not store it."""
    with pytest.raises(CommandFailed) as refused:
        tried(api, manifest)
    return str(refused.value)


def store(*, name: str = "tried", **spec: Any) -> Manifest:
    manifest = event_store(name)
    manifest["spec"] |= spec
    return manifest


def of(*, name: str = "tried", **spec: Any) -> Manifest:
    return bundle(name, spec.pop("code", CODE), **spec)


def subscription(*, name: str = "bank-balances", **spec: Any) -> Manifest:
    given = {
        "bundleRef": {"name": "bank"},
        "eventStoreRef": {"name": "main"},
        "domain": "bank",
        "handler": "balances",
        "kind": "projection",
        "version": 1,
    }
    return named("Subscription", "chekov.dev/v1alpha1", name, spec={**given, **spec})


def replay(**spec: Any) -> Manifest:
    given = {"subscriptionRef": {"name": "bank-balances"}, **spec}
    return named("Replay", "chekov.dev/v1alpha1", "tried", spec=given)


def revision(**spec: Any) -> Manifest:
    wanted = {
        "bundle": "bank",
        "revision": "1f2e3d4c5b",
        "number": 1,
        "image": "bank:1",
        "entrypoint": "bank:domain",
        "template": {"entrypoint": "bank:domain"},
        **spec,
    }
    return named("BundleRevision", "chekov.dev/v1alpha1", "tried", spec=wanted)


def modules(**sources: str) -> Spec:
    return {"inline": {"modules": {f"{name}.py": text for name, text in sources.items()}}}


def labels(name: str, value: str) -> Spec:
    return {"metadata": {"labels": {name: value}}}


CASES: dict[str, tuple[Manifest, Manifest, str]] = {
    "a store has one connection": (
        store(connection={"cloudNativePG": {"cluster": "main"}}),
        store(connection={"cloudNativePG": {"cluster": "main"}, "secretRef": {"name": "main"}}),
        "set exactly one of secretRef and cloudNativePG",
    ),
    "a revision is a hash": (
        revision(),
        revision(revision="newest"),
        "a revision is a hash: digits and the letters a to f",
    ),
    "a store has any connection": (
        store(connection={"secretRef": {"name": "main"}}),
        store(connection={}),
        "set exactly one of secretRef and cloudNativePG",
    ),
    "a pooler is reached by way of a Secret": (
        store(connection={"secretRef": {"name": "main"}, "pooled": True}),
        store(connection={"cloudNativePG": {"cluster": "main"}, "pooled": True}),
        "pooled requires secretRef",
    ),
    "a schema is named in small letters": (
        store(schema="bank_2"),
        store(schema="Bank"),
        "a schema name consists of 1 to 40 lower-case letters",
    ),
    "a schema is not one of Postgres": (
        store(schema="pgbank"),
        store(schema="pg_bank"),
        "Postgres reserves the names pg_*",
    ),
    "a store's Jobs tolerate taints by key": (
        store(
            jobs={"tolerations": [{"key": "batch", "operator": "Exists"}, {"operator": "Exists"}]}
        ),
        store(jobs={"tolerations": [{"value": "batch"}]}),
        "a toleration of all keys needs the operator Exists",
    ),
    "a store's Jobs tolerate any value by Exists": (
        store(jobs={"tolerations": [{"key": "batch", "value": "yes"}]}),
        store(jobs={"tolerations": [{"key": "batch", "operator": "Exists", "value": "yes"}]}),
        "a toleration with the operator Exists has no value",
    ),
    "a check tolerates taints by key": (
        of(jobs={"tolerations": [{"key": "batch", "operator": "Exists"}, {"operator": "Exists"}]}),
        of(jobs={"tolerations": [{"effect": "NoSchedule"}]}),
        "a toleration of all keys needs the operator Exists",
    ),
    "a check tolerates any value by Exists": (
        of(jobs={"tolerations": [{"key": "batch", "value": "yes"}]}),
        of(jobs={"tolerations": [{"key": "batch", "operator": "Exists", "value": "yes"}]}),
        "a toleration with the operator Exists has no value",
    ),
    "a check takes an hour at most": (
        of(jobs={"deadlineSeconds": 3600}),
        of(jobs={"deadlineSeconds": 3601}),
        "should be less than or equal to 3600",
    ),
    "migration is automatic or manual": (
        store(migrate="Manual"),
        store(migrate="Never"),
        'supported values: "Auto", "Manual"',
    ),
    "a name leaves room for children": (
        of(name="b" * 47),
        of(name="b" * 48),
        "the name of a DomainBundle has at most 47 characters",
    ),
    "a name is one of a Service": (
        of(name="bank-2"),
        of(name="2-bank"),
        "lower-case letters, digits and '-', beginning with a letter",
    ),
    "a name has no dots": (
        of(name="bank"),
        of(name="bank.v2"),
        "lower-case letters, digits and '-', beginning with a letter",
    ),
    "a store's name leaves room for its Job": (
        store(name="s" * 52),
        store(name="s" * 53),
        "the name of an EventStore has at most 52 characters",
    ),
    "code has one form": (
        of(code={"image": "registry.example/bank:1"}),
        of(code={"image": "registry.example/bank:1", "configMapRef": {"name": "bank"}}),
        "set exactly one of image, inline and configMapRef",
    ),
    "code has any form": (
        of(code={"configMapRef": {"name": "bank"}}),
        of(code={}),
        "set exactly one of image, inline and configMapRef",
    ),
    "an image is one word": (
        of(code={"image": f"registry.example:5000/bank@sha256:{'a' * 64}"}),
        of(code={"image": "bank 1"}),
        "an image name has no spaces",
    ),
    "modules are Python files": (
        of(code=modules(bank="", _rules2="")),
        of(code={"inline": {"modules": {"bank.py": "", "my-rules.py": ""}}}),
        "a module has a name like bank.py",
    ),
    "inline code is small": (
        of(code=modules(bank=HALF, rules=HALF)),
        of(code=modules(bank=HALF, rules=HALF, more="x")),
        "inline code has at most 256 KiB in total",
    ),
    "the entrypoint is a module of the code": (
        of(code=modules(shop=""), entrypoint="shop:domain"),
        of(code=modules(shop=""), entrypoint="bank:domain"),
        "bank:domain needs a bank.py",
    ),
    "the entrypoint names an object": (
        of(code={"image": "bank:1"}, entrypoint="shop.bank:Parts.domain"),
        of(code={"image": "bank:1"}, entrypoint="shop.bank"),
        "an entrypoint has the form module:object",
    ),
    "an autoscaler has bounds in order": (
        of(autoscaling={"minReplicas": 2, "maxReplicas": 2}),
        of(autoscaling={"minReplicas": 3, "maxReplicas": 2}),
        "minReplicas is at most maxReplicas",
    ),
    "pods that were all stopped come back by a lag": (
        of(autoscaling={"minReplicas": 0, "maxReplicas": 2, "targetLag": 100}),
        of(autoscaling={"minReplicas": 0, "maxReplicas": 2}),
        "minReplicas 0 needs a targetLag",
    ),
    "there are not too many replicas": (
        of(replicas=100),
        of(replicas=101),
        "should be less than or equal to 100",
    ),
    "there are not too few replicas": (
        of(replicas=0),
        of(replicas=-1),
        "should be greater than or equal to 0",
    ),
    "an image is pulled when Kubernetes knows": (
        of(imagePullPolicy="Never"),
        of(imagePullPolicy="Sometimes"),
        'supported values: "Always", "IfNotPresent", "Never"',
    ),
    "variables of the operator are its own": (
        of(env=[{"name": "CHEKOV_POOL_SIZE", "value": "20"}]),
        of(env=[{"name": "CHEKOV_STORE", "value": "postgresql://elsewhere"}]),
        "are set by the operator",
    ),
    "a variable has one value": (
        of(env=[SECRET]),
        of(env=[{**SECRET, "value": "1"}]),
        "set value or valueFrom, not both",
    ),
    "a variable is named once": (
        of(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
        of(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        "Duplicate value",
    ),
    "variables come from one source": (
        of(envFrom=[{"secretRef": {"name": "shop"}, "prefix": "SHOP_"}]),
        of(envFrom=[{"prefix": "SHOP_"}]),
        "set exactly one of configMapRef and secretRef",
    ),
    "resources are quantities": (
        of(resources={"requests": {"cpu": 1, "memory": "64Mi"}, "limits": {"cpu": "1500m"}}),
        of(resources={"requests": {"cpu": "one"}}),
        "spec.resources.requests.cpu",
    ),
    "labels of the operator are its own": (
        of(podTemplate=labels("team", "money")),
        of(podTemplate=labels("chekov.dev/bundle", "other")),
        "are set by the operator",
    ),
    "a Service is of a known type": (
        of(service={"type": "LoadBalancer", "annotations": {"a": "b"}}),
        of(service={"type": "ExternalName"}),
        'supported values: "ClusterIP", "NodePort", "LoadBalancer"',
    ),
    "a peer is of one sort": (
        of(networkPolicy={"ingressFrom": [POD, {"ipBlock": {"cidr": "10.0.0.0/8"}}]}),
        of(networkPolicy={"ingressFrom": [{**POD, "ipBlock": {"cidr": "10.0.0.0/8"}}]}),
        "set an ipBlock alone, or a podSelector, a namespaceSelector or both",
    ),
    "traces go to a URL": (
        of(telemetry={"otlpEndpoint": "https://collector.example:4318"}),
        of(telemetry={"otlpEndpoint": "collector.example:4318"}),
        "an OTLP endpoint begins with http:// or https://",
    ),
    "a sample is a share": (
        of(telemetry={"sampleRatio": "0.25"}),
        of(telemetry={"sampleRatio": "1.5"}),
        "a sample ratio is a number from 0 to 1",
    ),
    "logs have a level": (
        of(telemetry={"logLevel": "debug"}),
        of(telemetry={"logLevel": "loud"}),
        'supported values: "debug", "info", "warning", "error"',
    ),
    "fields are known": (
        of(restartNonce="2"),
        of(replica=2),
        'unknown field "spec.replica"',
    ),
    "a subscription's name is as long as that of a label": (
        subscription(name="b" * 63),
        subscription(name="b" * 64),
        "the name of a Subscription has at most 63 characters",
    ),
    "a subscription is of a known kind": (
        subscription(kind="process"),
        subscription(kind="saga"),
        'supported values: "handler", "projection", "process"',
    ),
    "a replay does one thing": (
        replay(**{"from": "origin"}),
        replay(**{"from": "origin", "retry": {"all": True}}),
        "set exactly one of from, retry and discard",
    ),
    "a replay does something": (
        replay(retry={"all": True}),
        replay(),
        "set exactly one of from, retry and discard",
    ),
    "a replay begins somewhere": (
        replay(**{"from": "2026-01-31T08:00:00+02:00"}),
        replay(**{"from": "now"}),
        "from is origin, a position",
    ),
    "a replay is in place or beside": (
        replay(**{"from": "1200", "mode": "InPlace"}),
        replay(**{"from": "1200", "mode": "Twice"}),
        'supported values: "Beside", "InPlace"',
    ),
    "a mode needs a beginning": (
        replay(**{"from": "1200", "mode": "Beside"}),
        replay(retry={"all": True}, mode="Beside"),
        "mode requires from",
    ),
    "what is retried is chosen in one way": (
        replay(retry={"keys": ["account-1", "account-2"]}),
        replay(retry={"keys": ["account-1"], "fingerprint": "x"}),
        "to choose what to retry",
    ),
    "what is retried is chosen": (
        replay(retry={"fingerprint": "balances/MoneyDeposited/ValueError/f:1"}),
        replay(retry={}),
        "to choose what to retry",
    ),
    "all is what it says": (
        replay(retry={"all": True}),
        replay(retry={"all": False}),
        "spec.retry.all",
    ),
    "what is discarded is chosen": (
        replay(discard={"all": True, "reason": "a mistake"}),
        replay(discard={"reason": "a mistake"}),
        "to choose what to discard",
    ),
    "what is discarded has a reason": (
        replay(discard={"keys": ["account-1"], "reason": "a mistake"}),
        replay(discard={"keys": ["account-1"], "reason": " "}),
        "say why the events are given up",
    ),
    **{
        f"{field} of a subscription stays in the namespace": (
            subscription(**made("shop-2")),
            subscription(**made(ELSEWHERE)),
            "in body should match",
        )
        for field, made in SUBSCRIPTION_FIELDS.items()
    },
    **{
        f"{field} of a replay stays in the namespace": (
            replay(**{"from": "origin", **made("shop-2")}),
            replay(**{"from": "origin", **made(ELSEWHERE)}),
            "in body should match",
        )
        for field, made in REPLAY_FIELDS.items()
    },
    **{
        f"{field} of a bundle stays in the namespace": (
            of(**made("shop-2")),
            of(**made(ELSEWHERE)),
            "in body should match",
        )
        for field, made in BUNDLE_FIELDS.items()
    },
    **{
        f"{field} of a store stays in the namespace": (
            store(**made("shop-2")),
            store(**made(ELSEWHERE)),
            "in body should match",
        )
        for field, made in STORE_FIELDS.items()
    },
}


IN_SCHEMA = {words: rule for words, rule in RULES.items() if rule.in_schema}


@pytest.mark.parametrize("rule", IN_SCHEMA.values(), ids=IN_SCHEMA)
def test_a_pod_template_cannot_weaken_a_pod(api: Kubectl, rule: Pair) -> None:
    tried(api, of(podTemplate=rule.good))
    # What concerns several fields is reported of what holds them.
    told = [rule.path, rule.path.rpartition(".")[0], re.sub(r"(ers\[0\]).*", r"\1", rule.path)]
    reason = refusal(api, of(podTemplate=rule.bad))
    assert any(f"{path}: " in reason or f'"{path}' in reason for path in told)


@pytest.mark.parametrize("path", NULLS)
def test_a_null_in_a_pod_template_drops_nothing(api: Kubectl, path: str) -> None:
    # Fields that may not be null are stored without it.
    assert "null" not in json.dumps(tried(api, of(podTemplate=NULLS[path]))["podTemplate"])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_api_server_accepts_the_good_and_refuses_the_bad(
    api: Kubectl, case: tuple[Manifest, Manifest, str]
) -> None:
    good, bad, words = case
    tried(api, good)
    assert words in refusal(api, bad)


def test_the_spec_of_a_revision_stays(api: Kubectl) -> None:
    manifest = revision()
    api.apply(manifest)
    changed = {**manifest["spec"], "template": {"entrypoint": "bank:other"}}
    assert "never changes" in api.refusal({**manifest, "spec": changed})
    api.delete("bundlerevision", "tried")


def test_the_schema_of_a_store_stays(api: Kubectl, stored: Manifest) -> None:
    moved = {**stored, "spec": {**stored["spec"], "schema": "elsewhere"}}
    assert "its events would stay in the old one" in api.refusal(moved)
    api.apply({**stored, "spec": {**stored["spec"], "migrate": "Manual"}})


def test_a_subscription_stays_that_of_its_handler(api: Kubectl) -> None:
    api.apply(subscription())
    try:
        assert "the handler of a Subscription" in api.refusal(subscription(handler="mails"))
        other = subscription(bundleRef={"name": "shop"})
        assert "the bundle of a Subscription" in api.refusal(other)
        api.apply(subscription(suspend=True, resumeNonce="2"))
    finally:
        api.delete("subscriptions.chekov.dev", "bank-balances")


def test_a_replay_stays_as_it_is(api: Kubectl) -> None:
    api.apply(replay(retry={"all": True}))
    try:
        assert "a Replay cannot be changed" in api.refusal(replay(**{"from": "origin"}))
    finally:
        api.delete("replay", "tried")


def test_defaults_are_visible_in_the_stored_object(api: Kubectl) -> None:
    least = of()
    del least["spec"]["replicas"]
    spec = tried(api, least)
    assert spec["replicas"] == 1
    assert spec["service"] == {"type": "ClusterIP"}
    assert spec["networkPolicy"] == {"enabled": True, "ingressFrom": []}
    connection = {"secretRef": {"name": "main"}}
    plain = {**store(), "spec": {"connection": connection}}
    assert tried(api, plain) == {
        "connection": {"secretRef": {"name": "main", "key": "dsn"}, "pooled": False},
        "schema": "chekov",
        "migrate": "Auto",
    }


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("domainbundle.spec.code", "Exactly one of image, inline and configMapRef is set"),
        ("eventstore.spec.connection.secretRef.key", "The key of the DSN"),
        ("bundle.status.subscriptions", "and their progress"),
        ("evs.status.neededSchemaVersion", "that this operator needs"),
        ("csub.spec.suspend", "Whether no pod may run it"),
        ("replay.spec.from", "Handle every event again from here on"),
    ],
)
def test_kubectl_explains_every_field(api: Kubectl, field: str, words: str) -> None:
    assert words in " ".join(api.run("explain", field).split())


def test_a_pod_template_is_passed_on_whole(api: Kubectl) -> None:
    spec = {"tolerations": [{"operator": "Exists"}], "nodeSelector": {"disk": "ssd"}}
    assert tried(api, of(podTemplate={"spec": spec}))["podTemplate"]["spec"] == spec


@pytest.mark.parametrize("names", ["bundle", "bundles", "evs", "csub", "chekov"])
def test_kubectl_knows_the_short_names(api: Kubectl, names: str) -> None:
    assert "error" not in api.run("get", names)
