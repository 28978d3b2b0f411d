"""What goes wrong is a sentence and an exit code, never a traceback."""

import socket
import sys
from pathlib import Path

import pytest
import yaml

from chekov_operator.plugin import main
from tests.operator.fake_api import FakeApi
from tests.operator.plugin.conftest import Kubectl, kubeconfig
from tests.operator.plugin.objects import BUNDLE, put_bundle


def run(capsys: pytest.CaptureFixture[str], file: Path, *words: str) -> tuple[int, str]:
    code = main([*words, f"--kubeconfig={file}"])
    return code, capsys.readouterr().err


def test_no_kubeconfig(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, errors = run(capsys, tmp_path / "none", "status")
    assert code == 1
    assert errors == (
        f"kubectl chekov: there is no kubeconfig at {tmp_path}/none; name one by --kubeconfig\n"
    )


CONTEXT = "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
HTTPS = CONTEXT + "clusters: [{name: c, cluster: {server: 'https://c'"
UNUSABLE = [
    "{", "a: b", "[]", "", "1", "clusters: 7", "current-context: none", "contexts: [1]",
    "current-context: a\ncontexts: [{name: a}]",
    "current-context: a\ncontexts: [{name: a, context: 1}]",
    CONTEXT,
    CONTEXT + "clusters: [{name: c, cluster: 1}]",
    CONTEXT + "clusters: [{name: c, cluster: {server: 'http://['}}]",
    CONTEXT + "clusters: [{name: c, cluster: {server: 1}}]",
    HTTPS + ", certificate-authority: none}}]",
    HTTPS + ", certificate-authority-data: bm8=}}]",
    HTTPS + "}}]\nusers: [{name: u, user: 1}]",
    HTTPS + "}}]\nusers: [{name: u, user: "
    "{client-certificate-data: bm8=, client-key-data: bm8=}}]",
]  # fmt: skip


@pytest.mark.parametrize("text", UNUSABLE)
def test_a_kubeconfig_that_is_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    code, errors = run(capsys, file, "status")
    assert code == 1
    assert errors.startswith(f"kubectl chekov: the kubeconfig {file} cannot be used")


def test_no_cluster(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "config"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        file.write_text(yaml.safe_dump(kubeconfig(server)))
        code, errors = run(capsys, file, "status", "bank")
    assert code == 1
    assert errors.startswith("kubectl chekov: the cluster does not answer: GET /apis/chekov.dev")


def test_an_exec_plugin_that_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "config"
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", "import sys; sys.exit('log in first')"],
    }
    file.write_text(yaml.safe_dump(kubeconfig("http://127.0.0.1:1", exec=command)))
    code, errors = run(capsys, file, "status")
    assert code == 1
    assert "no credentials for the cluster: exec: process returned 1" in errors
    assert "log in first" in errors


async def test_no_definitions(api: FakeApi, kubectl: Kubectl) -> None:
    api.fail("GET", "/domainbundles", 404, "NotFound")
    answer = await kubectl("status")
    assert answer.code == 1
    assert "the cluster has no DomainBundles: install the charts" in answer.errors


async def test_no_such_bundle(api: FakeApi, kubectl: Kubectl) -> None:
    answer = await kubectl("restart", "bank")
    assert answer.code == 1
    assert answer.errors == (
        "kubectl chekov: there is no DomainBundle bank in the namespace shops\n"
    )


async def test_no_right(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    message = (
        'domainbundles.chekov.dev "bank" is forbidden: User "me" cannot patch resource '
        '"domainbundles" in API group "chekov.dev" in the namespace "shops"'
    )
    api.fail("PATCH", "/bank", 403, message)
    answer = await kubectl("restart", "bank")
    assert answer.code == 1
    assert answer.errors == (
        "kubectl chekov: you lack a right: the verb patch on the resource domainbundles of the API "
        "group chekov.dev in the namespace shops\n"
    )


async def test_credentials_that_are_not_accepted(api: FakeApi, kubectl: Kubectl) -> None:
    api.fail("GET", "/bank", 401, "Unauthorized")
    answer = await kubectl("status", "bank")
    assert "does not accept the credentials" in answer.errors


@pytest.mark.parametrize("words", [[], ["fly"], ["undo"], ["status", "-o", "xml"]])
def test_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


async def test_the_namespace_and_the_context_can_be_named(api: FakeApi, kubectl: Kubectl) -> None:
    await kubectl("status", "bank", "-n", "elsewhere")
    await kubectl("-n", "elsewhere", "status", "bank")
    await kubectl("status", "bank", "--context=other")
    paths = [item.path.split("/")[5] for item in api.requests if item.path.endswith("/bank")]
    assert paths == ["elsewhere", "elsewhere", "default"]
    assert api.requests[0].headers["Authorization"] == "Bearer of-me"


async def test_a_name_that_leads_elsewhere_is_never_sent(api: FakeApi, kubectl: Kubectl) -> None:
    answer = await kubectl("status", "../../../other/domainbundles/bank")
    assert answer.code == 1
    assert api.requests == []
    assert BUNDLE not in answer.output
