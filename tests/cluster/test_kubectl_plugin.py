"""`kubectl chekov` as a person runs it: through the real kubectl, with real rights and tunnels."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests.cluster import manifests
from tests.cluster.bank import SOURCE, Bank
from tests.cluster.kube.shell import wait_for

PLUGINS = Path(sys.executable).parent
TOO_MUCH = 9223372036854775808
"""What the column of balances cannot hold."""


@pytest.fixture(scope="module")
def environment(bank: Bank) -> Mapping[str, str]:
    """Kubectl finds the plugin on its path."""
    given = {**os.environ, **bank.cluster.environment()}
    return {**given, "PATH": f"{PLUGINS}:{given['PATH']}", "NO_COLOR": "1"}


class Plugin:
    """Runs `kubectl chekov` in the namespace of the bank."""

    def __init__(self, bank: Bank, environment: Mapping[str, str]) -> None:
        self._words = ("kubectl", "chekov")
        self._namespace = f"--namespace={bank.kubectl.namespace}"
        self._environment = environment

    def __call__(self, *words: str | Path, code: int = 0, **variables: str) -> str:
        """What it printed, and what it complained about."""
        done = subprocess.run(
            [*self._words, *map(str, words), self._namespace],
            env={**self._environment, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def running(self, *words: str) -> Generator[subprocess.Popen[str]]:
        """One that goes on until the end of the block."""
        command = [*self._words, *words, self._namespace]
        with subprocess.Popen(
            command, env=dict(self._environment), stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.terminate()


@pytest.fixture(scope="module")
def plugin(bank: Bank, environment: Mapping[str, str]) -> Plugin:
    return Plugin(bank, environment)


def open_account(bank: Bank) -> str:
    account = str(uuid4())
    answer = bank.command("OpenAccount", {"account_id": account, "owner": "Ada"})
    assert answer.status == 200, answer
    return account


def bundle_file(folder: Path, bank: Bank, **settings: Any) -> Path:
    file = folder / "bundle.yaml"
    code = settings.pop("code", None) or manifests.inline(settings.pop("source", SOURCE))
    body = manifests.bundle(bank.name, code, **settings)
    file.write_text(yaml.safe_dump(body))
    return file


def test_status_is_the_tree_of_the_bundle(bank: Bank, plugin: Plugin) -> None:
    def settled() -> bool:
        return all(
            item["state"] == "live"
            for item in json.loads(plugin("status", bank.name, "-o", "json"))["subscriptions"]
        )

    wait_for("live subscriptions", settled)
    shown = plugin("status", bank.name)
    revision = bank.revision()
    assert f"{bank.name}  Ready  2/2 pods ready  revision {revision}" in shown
    assert "Ready=True  Serving" in shown
    assert "store main: ready" in shown
    for pod in bank.pods():
        assert f"pod {pod['metadata']['name']}  Ready  on " in shown
    assert "balances (projection 1)  live" in shown


def test_each_change_is_shown_while_it_is_watched(bank: Bank, plugin: Plugin) -> None:
    with plugin.running("status", bank.name, "--watch", "-o", "json") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert [item["ready"] for item in first["pods"] or first["revisions"][0]["pods"]]
        bank.kubectl.run("annotate", "bundle", bank.name, "chekov.dev/paused=true")
        while not json.loads(process.stdout.readline())["paused"]:
            pass
        bank.kubectl.run("annotate", "bundle", bank.name, "chekov.dev/paused-")
        while json.loads(process.stdout.readline())["paused"]:
            pass


def test_events_are_listed_and_followed_through_a_pod(bank: Bank, plugin: Plugin) -> None:
    account = open_account(bank)
    stream = f"account-{account}"
    listed = plugin("events", bank.name, "--stream", stream)
    assert "AccountOpened" in listed
    assert '"Ada"' in listed
    with plugin.running("events", bank.name, "--follow", "--stream", stream, "-o", "json") as going:
        assert going.stdout is not None
        assert json.loads(going.stdout.readline())["type"] == "AccountOpened"
        assert bank.command("Deposit", {"account_id": account, "amount": 25}).status == 200
        event = json.loads(going.stdout.readline())
        assert (event["type"], event["data"], event["version"]) == (
            "money-deposited",
            {"amount": 25},
            2,
        )


def test_parked_events_are_listed_with_their_causes(bank: Bank, plugin: Plugin) -> None:
    account = open_account(bank)
    assert bank.command("Deposit", {"account_id": account, "amount": TOO_MUCH}).status == 200
    key = f"--key=account-{account}"

    def rows() -> list[dict[str, Any]]:
        return json.loads(plugin("parked", bank.name, "balances", key, "-o", "json"))

    wait_for("a parked event", lambda: [row["state"] for row in rows()] == ["failed"])
    assert f"account-{account}" in plugin("parked", bank.name)
    groups = json.loads(plugin("parked", bank.name, "balances", "--groups", "-o", "json"))
    assert rows()[0]["fingerprint"] in [group["fingerprint"] for group in groups]
    discarding = ("parked", bank.name, "balances", "--discard", "--reason=typed by mistake")
    assert "was made" in plugin(*discarding, key, "--wait", "--timeout=60")
    assert rows() == []


def test_a_subscription_is_suspended_resumed_and_replayed(bank: Bank, plugin: Plugin) -> None:
    def state() -> str:
        found = json.loads(plugin("status", bank.name, "-o", "json"))["subscriptions"]
        return next(item["state"] for item in found if item["name"] == "balances")

    plugin("suspend", bank.name, "balances")
    wait_for("a paused subscription", lambda: state() == "paused")
    plugin("resume", bank.name, "balances")
    wait_for("a live subscription", lambda: state() == "live")
    plugin("replay", bank.name, "balances", "--wait", "--timeout=60")


def test_a_file_is_compared_before_it_is_applied(
    bank: Bank, plugin: Plugin, tmp_path: Path
) -> None:
    before = bank.kubectl.get("domainbundle", bank.name)
    same = plugin("diff", "-f", bundle_file(tmp_path, bank))
    assert f"DomainBundle/{bank.name}: no difference" in same
    for settings, text in (
        ({"replicas": 3}, "+  replicas: 3"),
        ({"source": SOURCE + "\nLATER = 1\n"}, "+          LATER = 1"),
        ({"code": {"image": bank.cluster.bank_image}}, f"+    image: {bank.cluster.bank_image}"),
    ):
        file = bundle_file(tmp_path, bank, **settings)
        assert text in plugin("diff", "-f", file, code=1)
    refused = plugin("diff", "-f", bundle_file(tmp_path, bank, replicas=1000), code=3)
    assert "spec.replicas" in refused
    broken = bundle_file(tmp_path, bank, source="import nowhere\n" + SOURCE)
    assert "ImportFailed" in plugin("diff", "-f", broken, code=3)
    after = bank.kubectl.get("domainbundle", bank.name)
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_a_packed_folder_is_a_bundle_that_serves(
    bank: Bank, plugin: Plugin, tmp_path: Path
) -> None:
    (tmp_path / "bank.py").write_text(SOURCE)
    packed = Bank(bank.kubectl, bank.cluster, name="folded")
    words = ("bundle", tmp_path, f"--name={packed.name}", "--store=main", "--replicas=1")
    bank.kubectl.run("apply", "--filename=-", stdin=plugin(*words))
    packed.wait_until_ready()
    assert packed.name in plugin("status")
    bank.kubectl.delete("domainbundle", packed.name)


def test_a_restart_is_a_new_revision(bank: Bank, plugin: Plugin) -> None:
    before = bank.revision()
    plugin("restart", bank.name)
    bank.wait_until_rolled_out(after=before)
    assert f"revision {bank.revision()}" in plugin("status", bank.name)


def test_a_report_has_everything_but_the_password(
    bank: Bank, plugin: Plugin, tmp_path: Path
) -> None:
    file = tmp_path / "report.zip"
    plugin("report", bank.name, f"--file={file}")
    with zipfile.ZipFile(file) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    for pod in bank.pods():
        name = pod["metadata"]["name"]
        assert f"resources/pods/{name}.yaml" in files
        assert '"level"' in files[f"pods/{name}/runtime.log"]
        assert "chekov_" in files[f"pods/{name}/metrics.txt"]
    assert "Not read" not in files["README.txt"]
    assert any(name.startswith("operator/") and name.endswith("operator.log") for name in files)
    assert any("chekov_operator_" in text for text in files.values())
    assert "class Account" not in "".join(files.values())
    assert manifests.PASSWORD not in "".join(files.values())


@pytest.fixture(scope="module")
def viewer(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig of somebody who may only look, whose token an exec plugin gives."""
    kubectl = bank.kubectl
    account = f"{kubectl.namespace}:watcher"
    kubectl.run("create", "serviceaccount", "watcher")
    kubectl.run(
        *("create", "rolebinding", "watcher", "--clusterrole=view", f"--serviceaccount={account}")
    )
    token = kubectl.run("create", "token", "watcher").strip()
    config: dict[str, Any] = json.loads(
        kubectl.run("config", "view", "--raw", "--flatten", "--output=json")
    )
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token},
    }
    command = {
        "apiVersion": credential["apiVersion"],
        "command": sys.executable,
        "args": ["-c", f"print({json.dumps(credential)!r})"],
        "interactiveMode": "Never",
    }
    for user in config["users"]:
        user["user"] = {"exec": command}
    file = tmp_path_factory.mktemp("viewer") / "config"
    file.write_text(json.dumps(config))
    return file


def test_who_may_only_look_is_told_which_right_is_missing(
    bank: Bank, plugin: Plugin, viewer: Path
) -> None:
    only = f"--kubeconfig={viewer}"
    assert "Ready=True" in plugin("status", bank.name, only)
    where = f"in the namespace {bank.kubectl.namespace}"
    assert (
        "you lack a right: the verb patch on the resource domainbundles of the API group "
        f"chekov.dev {where}"
    ) in plugin("restart", bank.name, only, code=1)
    forwards = plugin("events", bank.name, only, code=1)
    assert f"the verb get,create on the resource pods/portforward {where}" in forwards


def test_the_completion_of_kubectl_knows_the_plugin(
    bank: Bank, environment: Mapping[str, str]
) -> None:
    words = ("kubectl", "__complete", "chekov", "--namespace", bank.kubectl.namespace)

    def completed(*more: str) -> list[str]:
        done = subprocess.run(
            [*words, *more], env=dict(environment), capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    assert completed("und")[0] == "undo"
    assert bank.name in completed("undo", "")
