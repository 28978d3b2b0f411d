"""`kubectl chekov report`: what is in the zip, and that no secret is, wherever it was planted."""

import base64
import json
import stat
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest

from chekov_operator.kube.objects import Object
from tests.operator.fake_api import FakeApi
from tests.operator.plugin.conftest import Answer, Kubectl
from tests.operator.plugin.fake_pod import MANAGEMENT, listening
from tests.operator.plugin.objects import (
    BUNDLE,
    CORE,
    NEW,
    condition,
    put_bundle,
    put_pod,
    put_revision,
    put_subscription,
)

OPERATOR = "/api/v1/namespaces/chekov-system/pods/chekov-1"
PLANTED = {
    "env": "planted-in-a-variable",
    "pod_env": "planted-in-the-pods-variable",
    "argument": "planted-in-an-argument",
    "code": "planted-in-the-code",
    "applied": "planted-in-an-annotation",
    "config_map": "planted-in-a-config-map",
    "dsn": "planted/in?the&dsn",
    "token": "planted-in-the-tokens",
    "certificate": "planted-in-the-certificate",
    "unread": "planted-in-a-secret-that-nobody-names",
}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def shops(api: FakeApi) -> FakeApi:
    """A namespace in which secrets are everywhere, also where they do not belong."""
    dsn = f"postgresql://bank:{quote(PLANTED['dsn'], safe='')}@db.example/bank"
    put_bundle(
        api,
        env=[
            {"name": "KEY", "value": PLANTED["env"]},
            {"name": "TLS", "valueFrom": {"secretKeyRef": {"name": "tls", "key": "tls.key"}}},
        ],
        auth={"tokens": {"secretRef": {"name": "tokens"}}},
        code={"inline": {"modules": {"bank.py": f"KEY = '{PLANTED['code']}'"}}},
        podTemplate={"spec": {"containers": [{"name": "sidecar", "args": [PLANTED["argument"]]}]}},
        status={
            "phase": "Degraded",
            # What the user's code raised is repeated in a message.
            "conditions": [condition("Ready", "False", message=f"KeyError: {PLANTED['env']}")],
        },
    )
    api.objects[BUNDLE]["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": PLANTED["applied"]
    }
    put_revision(api, NEW, 1, check={"ok": False, "message": PLANTED["dsn"]})
    put_subscription(api, "balances", state="stopped", error=f"ValueError: {PLANTED['token']}")
    pod = put_pod(api, "bank-1")
    pod["spec"]["containers"][0]["env"] = [{"name": "OTHER", "value": PLANTED["pod_env"]}]
    pod["status"]["containerStatuses"][0]["restartCount"] = 1
    managed = {"app.kubernetes.io/managed-by": "chekov-operator", "chekov.dev/bundle": "bank"}
    api.put(
        f"{CORE}/configmaps/bank-{NEW}",
        {"metadata": {"labels": managed}, "data": {"bank.py": PLANTED["config_map"]}},
    )
    api.put(f"{CORE}/secrets/postgres", {"data": {"dsn": encoded(dsn)}})
    api.put(f"{CORE}/secrets/tokens", {"data": {"me": encoded(f"one\n{PLANTED['token']}\n")}})
    api.put(f"{CORE}/secrets/tls", {"data": {"tls.key": encoded(PLANTED["certificate"])}})
    api.put(f"{CORE}/secrets/other", {"data": {"key": encoded(PLANTED["unread"])}})
    api.put(
        f"{CORE}/events/1",
        {"reason": "BackOff", "message": f"cannot pull {PLANTED['dsn']}", "lastTimestamp": "2026"},
    )
    api.logs[f"{CORE}/pods/bank-1"] = "\n".join(
        [
            f"connecting to {dsn}",
            json.dumps({"message": f"it is {PLANTED['token']}"}),
            f"env {PLANTED['env']} {PLANTED['pod_env']} {PLANTED['dsn']}",
            f"key {encoded(PLANTED['certificate'])}",
            "Authorization: Bearer 0123456789abcdef0123",
            "this line is kept",
        ]
    )
    labels = {"app.kubernetes.io/name": "chekov-operator"}
    status: Object = {"phase": "Running", "containerStatuses": [{"name": "operator"}]}
    api.put(OPERATOR, {"metadata": {"labels": labels}, "status": status})
    api.logs[OPERATOR] = f"the operator read {dsn}"
    api.documents["/version"] = {"gitVersion": "v1.35.0"}
    return api


async def reported(api: FakeApi, kubectl: Kubectl, file: Path, *words: str) -> Answer:
    metrics = f'chekov_subscription_lag_events{{key="{PLANTED["token"]}"}} 0\n'
    async with listening(api, "bank-1", MANAGEMENT, {"/metrics": metrics}):
        return await kubectl("report", *words, f"--file={file}")


def read(file: Path) -> dict[str, str]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


async def test_it_has_resources_events_logs_and_metrics(
    shops: FakeApi, kubectl: Kubectl, tmp_path: Path
) -> None:
    answer = await reported(shops, kubectl, tmp_path / "report.zip", "bank")
    assert answer.code == 0, answer.errors
    files = read(tmp_path / "report.zip")
    assert sorted(files) == [
        "README.txt",
        "operator/chekov-1/operator.log",
        "operator/pods/chekov-1.yaml",
        "pods/bank-1/metrics.txt",
        "pods/bank-1/runtime.log",
        "pods/bank-1/runtime.previous.log",
        f"resources/bundlerevisions/bank-{NEW}.yaml",
        f"resources/configmaps/bank-{NEW}.yaml",
        "resources/domainbundles/bank.yaml",
        "resources/events.yaml",
        "resources/eventstores/main.yaml",
        "resources/pods/bank-1.yaml",
        "resources/subscriptions/bank-balances.yaml",
        "server-version.yaml",
    ]
    assert "this line is kept" in files["pods/bank-1/runtime.log"]
    assert "BackOff" in files["resources/events.yaml"]
    assert "chekov_subscription_lag_events" in files["pods/bank-1/metrics.txt"]
    assert "v1.35.0" in files["server-version.yaml"]
    assert "read them before" in files["README.txt"]


async def test_no_secret_is_in_it_in_any_form(
    shops: FakeApi, kubectl: Kubectl, tmp_path: Path
) -> None:
    await reported(shops, kubectl, tmp_path / "report.zip")
    files = read(tmp_path / "report.zip")
    everything = "\n".join([*files, *files.values()])
    for name, secret in PLANTED.items():
        for form in (
            secret,
            quote(secret, safe=""),
            encoded(secret).rstrip("="),
            secret.encode().hex(),
        ):
            assert form not in everything, name
    assert "planted" not in everything
    assert "0123456789abcdef" not in everything


async def test_without_the_right_to_secrets_what_looks_like_one_is_left_out(
    shops: FakeApi, kubectl: Kubectl, tmp_path: Path
) -> None:
    for name in ("postgres", "tokens", "tls"):
        message = 'User "me" cannot get resource "secrets" in API group "" in the namespace "shops"'
        shops.fail("GET", f"/secrets/{name}", 403, message)
    answer = await reported(shops, kubectl, tmp_path / "report.zip")
    assert answer.code == 0
    files = read(tmp_path / "report.zip")
    assert quote(PLANTED["dsn"], safe="") not in "".join(files.values())
    missing = "you lack a right: the verb get on the resource secrets in the namespace shops"
    assert missing in files["README.txt"]
    assert missing in answer.output


async def test_secrets_that_nobody_names_are_not_even_read(
    shops: FakeApi, kubectl: Kubectl, tmp_path: Path
) -> None:
    await reported(shops, kubectl, tmp_path / "report.zip")
    read_ = {item.path for item in shops.requests if "/secrets" in item.path}
    assert read_ == {f"{CORE}/secrets/{name}" for name in ("postgres", "tokens", "tls")}
    assert shops.writes() == []


async def test_only_its_owner_may_read_the_file(
    shops: FakeApi, kubectl: Kubectl, tmp_path: Path
) -> None:
    file = tmp_path / "report.zip"
    await reported(shops, kubectl, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_a_file_that_exists_is_kept(shops: FakeApi, kubectl: Kubectl, tmp_path: Path) -> None:
    file = tmp_path / "report.zip"
    file.write_text("mine")
    answer = await reported(shops, kubectl, file)
    assert answer.code == 1
    assert "cannot be written: File exists" in answer.errors
    assert file.read_text() == "mine"


async def test_what_cannot_be_read_is_told_and_the_rest_is_there(
    shops: FakeApi, kubectl: Kubectl, tmp_path: Path
) -> None:
    shops.fail("GET", "/bank-1/log", 500, "the node is away")
    shops.ports.clear()
    answer = await kubectl("report", "bank", f"--file={tmp_path}/report.zip")
    assert answer.code == 0
    assert "the log of runtime in bank-1: the node is away" in answer.output
    assert "the metrics of bank-1" in answer.output
    assert "resources/pods/bank-1.yaml" in read(tmp_path / "report.zip")


async def test_another_bundle_is_not_in_it(
    shops: FakeApi, kubectl: Kubectl, tmp_path: Path
) -> None:
    shops.put(
        BUNDLE.replace("bank", "shop"), {**shops.objects[BUNDLE], "metadata": {"name": "shop"}}
    )
    await reported(shops, kubectl, tmp_path / "one.zip", "bank")
    assert "resources/domainbundles/shop.yaml" not in read(tmp_path / "one.zip")
    await reported(shops, kubectl, tmp_path / "all.zip")
    assert "resources/domainbundles/shop.yaml" in read(tmp_path / "all.zip")


async def test_kinds_that_the_cluster_does_not_have_are_no_failures(
    shops: FakeApi, kubectl: Kubectl, tmp_path: Path
) -> None:
    for kind in ("subscriptions", "replays", "bundlerevisions"):
        shops.fail("GET", f"/{kind}", 404, "the server could not find the requested resource")
    answer = await reported(shops, kubectl, tmp_path / "report.zip")
    assert answer.code == 0
    assert "not in it" not in answer.output
