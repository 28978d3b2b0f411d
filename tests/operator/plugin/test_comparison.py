"""What a manifest would change: by the API server's own answer, and in terms of the domain."""

import json
from typing import Any

from chekov_operator.kube.objects import Object
from chekov_operator.plugin.comparison import applied, changes, differences, last_applied

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def bundle(annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata = {"name": "bank", "annotations": annotations or {}, "generation": 7}
    return {"kind": "DomainBundle", "metadata": metadata, "spec": spec, "status": {"phase": "x"}}


def signs(lines: list[str]) -> list[str]:
    return [line for line in lines if line[0] in "+-" and not line.startswith(("+++", "---"))]


def test_what_only_the_server_writes_is_no_difference() -> None:
    live = bundle(replicas=2)
    after = {**bundle(replicas=2), "status": {}, "metadata": {"name": "bank", "generation": 8}}
    assert differences(live, after) == []


def test_changed_lines_of_code_are_shown_as_lines() -> None:
    live = bundle(code={"inline": {"modules": {"bank.py": "a = 1\nb = 2\n"}}})
    after = bundle(code={"inline": {"modules": {"bank.py": "a = 1\nb = 3\n"}}})
    lines = differences(live, after)
    assert lines[:2] == ["--- DomainBundle/bank (live)", "+++ DomainBundle/bank (applied)"]
    assert [line.replace(" ", "") for line in signs(lines)] == ["-b=2", "+b=3"]


def test_a_new_object_is_all_plus() -> None:
    after = bundle(replicas=2)
    assert signs(differences(None, after)) == ["+spec:", "+  replicas: 2"]


def test_labels_and_annotations_are_compared() -> None:
    live, after = bundle({"a": "1"}), bundle({"a": "2"})
    assert [line.strip("+- ") for line in signs(differences(live, after))] == [
        "a: '1'", "a: '2'",
    ]  # fmt: skip


def test_the_patch_of_plain_apply_removes_what_was_given_before_and_is_not_now() -> None:
    before = bundle(replicas=2, suspend=True, code={"inline": {"modules": {"bank.py": "1"}}})
    given = bundle(replicas=2, env=[{"name": "A"}], code={"image": "bank:2"})
    patch = applied(before, given)
    assert patch["spec"] == {
        "replicas": 2,
        "suspend": None,
        "env": [{"name": "A"}],
        "code": {"inline": None, "image": "bank:2"},
    }
    assert last_applied(bundle({APPLIED: json.dumps(before)})) == before
    for text in ("", "{", "[]", "1"):
        assert last_applied(bundle({APPLIED: text})) is None
    assert last_applied(None) is None


def test_what_a_domain_gains_and_loses_is_named() -> None:
    before = {
        "commands": ["Open", "Close"],
        "events": ["opened"],
        "subscriptions": [{"name": "mails", "version": 1}, {"name": "balances", "version": 1}],
    }
    after = {
        "commands": ["Open", "Rename"],
        "events": ["opened"],
        "subscriptions": [{"name": "balances", "version": 2}],
    }
    assert changes(before, after) == {
        "commandsAdded": ["Rename"],
        "commandsRemoved": ["Close"],
        "subscriptionsRemoved": ["mails"],
        "versionsChanged": ["balances 1 → 2"],
    }
    assert changes(before, before) == {}
    assert changes(None, after) == {}
