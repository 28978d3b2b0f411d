"""`kubectl chekov diff`: a dry run, a check and a gate before anything is applied."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from chekov.gate.documents import as_json
from chekov.gate.report import Finding, Report
from chekov_operator.kube.objects import Object
from chekov_operator.plugin import local_code
from tests.operator.fake_api import FakeApi
from tests.operator.plugin.conftest import Kubectl
from tests.operator.plugin.objects import BUNDLE, CORE, NEW, put_bundle, put_revision

DOMAIN = """\
from chekov import Context, Domain, Event, EventHandler, handle


class Opened(Event):
    owner: str


class Mails(EventHandler):
    @handle
    async def opened(self, event: Opened, context: Context) -> None: ...


domain = Domain("bank", handlers=[Mails()])
"""


def manifest(source: str = DOMAIN, **spec: Any) -> Object:
    return {
        "apiVersion": "chekov.dev/v1alpha1",
        "kind": "DomainBundle",
        "metadata": {"name": "bank"},
        "spec": {
            "eventStoreRef": {"name": "main"},
            "code": {"inline": {"modules": {"bank.py": source}}},
            "entrypoint": "bank:domain",
            "replicas": 2,
            **spec,
        },
    }


def put_applied(api: FakeApi, body: Object) -> None:
    """The bundle as plain `kubectl apply` made it."""
    put_bundle(api, **body["spec"])
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(body)}
    api.objects[BUNDLE]["metadata"]["annotations"] = annotations


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bundle.yaml"


def write(file: Path, *bodies: object) -> None:
    file.write_text(yaml.safe_dump_all(bodies))


async def test_what_would_not_change(api: FakeApi, kubectl: Kubectl, file: Path) -> None:
    body = manifest()
    put_bundle(api, **body["spec"])
    write(file, body)
    answer = await kubectl("diff", "-f", file)
    assert (answer.code, answer.errors) == (0, "")
    assert answer.output.startswith("DomainBundle/bank: no difference\n")
    assert "gate: give a --dsn" in answer.output


async def test_what_would_change_is_shown_and_nothing_is_changed(
    api: FakeApi, kubectl: Kubectl, file: Path
) -> None:
    put_bundle(api, **manifest()["spec"])
    check = {"ok": True, "commands": ["Open"], "events": [], "subscriptions": []}
    put_revision(api, NEW, 1, check=check)
    write(file, manifest(replicas=3))
    before = json.dumps(api.objects[BUNDLE])
    answer = await kubectl("diff", "-f", file)
    assert answer.code == 1
    assert "-  replicas: 2\n+  replicas: 3\n" in answer.output
    assert "DomainBundle/bank: commandsRemoved: Open" in answer.output
    assert json.dumps(api.objects[BUNDLE]) == before
    assert [item.query.get("dryRun") for item in api.requests if item.method != "GET"] == ["All"]


async def test_what_plain_apply_made_is_compared_as_that_does_it(
    api: FakeApi, kubectl: Kubectl, file: Path
) -> None:
    put_applied(api, manifest(restartNonce="1"))
    write(file, manifest())
    answer = await kubectl("diff", "-f", file)
    assert answer.code == 1
    assert "-  restartNonce: '1'\n" in answer.output
    assert api.objects[BUNDLE]["spec"]["restartNonce"] == "1"
    assert [item.query.get("dryRun") for item in api.requests if item.method != "GET"] == ["All"]


async def test_a_new_bundle_is_different(api: FakeApi, kubectl: Kubectl, file: Path) -> None:
    write(file, manifest())
    answer = await kubectl("diff", "-f", file, "-o", "json")
    assert answer.code == 1
    (finding,) = json.loads(answer.output)
    assert (finding["exists"], finding["refused"]) == (False, [])
    assert BUNDLE not in api.objects


async def test_what_the_api_server_refuses(api: FakeApi, kubectl: Kubectl, file: Path) -> None:
    put_bundle(api)
    write(file, manifest())
    api.fail("PATCH", "/bank", 422, "spec.replicas: Invalid value")
    answer = await kubectl("diff", "-f", file)
    assert answer.code == 3
    assert answer.errors == "kubectl chekov: DomainBundle/bank: spec.replicas: Invalid value\n"


async def test_code_that_does_not_load(api: FakeApi, kubectl: Kubectl, file: Path) -> None:
    put_bundle(api)
    write(file, manifest("import nowhere\n" + DOMAIN))
    answer = await kubectl("diff", "-f", file)
    assert answer.code == 3
    assert "check: ImportFailed" in answer.errors
    assert (await kubectl("diff", "-f", file, "--no-check")).code == 1


async def test_variables_of_the_bundle_are_those_of_the_check(
    api: FakeApi, kubectl: Kubectl, file: Path
) -> None:
    put_bundle(api)
    env = [{"name": "LIMIT", "value": "7"}]
    write(file, manifest("import os\nint(os.environ['LIMIT'])\n" + DOMAIN, env=env))
    assert (await kubectl("diff", "-f", file)).code == 1


async def test_code_in_a_config_map_of_the_file_or_of_the_cluster(
    api: FakeApi, kubectl: Kubectl, file: Path
) -> None:
    put_applied(api, manifest())
    code = {"configMapRef": {"name": "code"}}
    data: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "code"}}
    write(file, {**data, "data": {"bank.py": "import nowhere"}}, manifest(code=code))
    assert "check: ImportFailed" in (await kubectl("diff", "-f", file)).errors
    api.put(f"{CORE}/configmaps/code", {"data": {"bank.py": DOMAIN}})
    write(file, manifest(code=code))
    assert (await kubectl("diff", "-f", file)).code == 1


async def test_a_module_with_a_path_is_written_nowhere(
    api: FakeApi, kubectl: Kubectl, file: Path
) -> None:
    put_bundle(api)
    body = manifest()
    body["spec"]["code"]["inline"]["modules"]["../evil.py"] = "x = 1"
    write(file, body)
    answer = await kubectl("diff", "-f", file)
    assert answer.code == 3
    assert "'../evil.py' cannot be the name of a module" in answer.errors


async def test_code_in_an_image_is_left_to_the_operator(
    api: FakeApi, kubectl: Kubectl, file: Path
) -> None:
    put_applied(api, manifest())
    write(file, manifest(code={"image": "registry.example/bank:2"}))
    answer = await kubectl("diff", "-f", file)
    assert answer.code == 1
    assert "the operator checks once the file is applied" in answer.output


STORE: Final = {
    "apiVersion": "chekov.dev/v1alpha1",
    "kind": "EventStore",
    "metadata": {"name": "main"},
    "spec": {"schema": "shop"},
}


def found(compatibility: Any) -> str:
    """What `chekov gate` prints."""
    finding = Finding("UnknownType", "error", "it has no type for it", "opened", "account-1")
    return json.dumps(as_json(Report(compatibility, "UnknownType", "looked", [finding])))


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """In place of the runtime's program, one that prints what it was asked, and a gate's answer."""
    answer, program = tmp_path / "answer", tmp_path / "python"
    script = f"""#!{sys.executable}
import json, os, pathlib, sys
words = sys.argv[3:]
result = {{"ok": True}}
if words[0] == "gate":
    assert words[1:] == ["bank:domain", "--schema", "shop", "--output", "frame"], words
    assert os.environ["CHEKOV_STORE"] == "postgresql://reader@db/bank"
    result = json.loads(pathlib.Path({str(answer)!r}).read_text())
text = json.dumps(result)
print("chekov-result", len(text), text)
"""
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setattr(local_code.sys, "executable", str(program))
    return answer


@pytest.mark.parametrize(
    ("compatibility", "code"), [("Compatible", 1), ("Incompatible", 3), ("Unknown", 3)]
)
async def test_stored_events_are_asked_where_a_dsn_is_known(
    api: FakeApi, kubectl: Kubectl, file: Path, gate: Path, compatibility: str, code: int
) -> None:
    put_bundle(api)
    gate.write_text(found(compatibility))  # noqa: ASYNC240
    write(file, STORE, manifest())
    answer = await kubectl("diff", "-f", file, "--dsn=postgresql://reader@db/bank")
    assert answer.code == code
    told = answer.output if compatibility == "Compatible" else answer.errors
    assert f"gate: {compatibility}: looked" in told
    assert "  UnknownType: opened at account-1: it has no type for it" in told


@pytest.mark.parametrize(
    ("policy", "shown"),
    [("Warn", "UnknownType: opened"), ("Skip", "gate: spec.compatibility is Skip")],
)
async def test_the_gate_refuses_only_what_the_operator_would_refuse(
    api: FakeApi, kubectl: Kubectl, file: Path, gate: Path, policy: str, shown: str
) -> None:
    put_bundle(api)
    gate.write_text(found("Incompatible"))  # noqa: ASYNC240
    body = manifest()
    write(file, STORE, {**body, "spec": {**body["spec"], "compatibility": policy}})
    answer = await kubectl("diff", "-f", file, "--dsn=postgresql://reader@db/bank")
    assert answer.code == 1
    assert shown in answer.output


async def test_a_check_that_gives_no_result_is_told_with_what_it_printed(
    api: FakeApi, kubectl: Kubectl, file: Path
) -> None:
    put_bundle(api)
    write(file, manifest("import sys\nsys.stderr.write('so long')\nimport os\nos._exit(7)\n"))
    answer = await kubectl("diff", "-f", file)
    assert answer.code == 3
    assert "`chekov check` gave no result:\nso long" in answer.errors


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{", "cannot be read"),
        ("a: 1", "has no DomainBundle and no EventStore"),
        ("", "has no DomainBundle and no EventStore"),
        ("kind: Pod\nmetadata: {name: a}", "left out, `kubectl diff` shows it: Pod"),
        ("- 1", "has no DomainBundle"),
    ],
)
async def test_files_that_have_nothing_to_compare(
    kubectl: Kubectl, file: Path, text: str, shown: str
) -> None:
    file.write_text(text)  # noqa: ASYNC240
    answer = await kubectl("diff", "-f", file)
    assert answer.code == 3
    assert shown in answer.errors


async def test_another_namespace_has_to_be_given(kubectl: Kubectl, file: Path) -> None:
    body = manifest()
    write(file, {**body, "metadata": {"name": "bank", "namespace": "elsewhere"}})
    answer = await kubectl("diff", "-f", file)
    assert answer.code == 3
    assert "is of the namespace elsewhere: give it by -n" in answer.errors
