"""What an operator asked, by the audit log."""

import json
from pathlib import Path

from benchmarks.operators.audit import AuditLog, Request, by_verb, created, parse


def line(verb: str, resource: str = "", subresource: str = "", code: int = 200) -> str:
    reference = {"resource": resource, "subresource": subresource, "name": "bank"}
    event = {"verb": verb, "responseStatus": {"code": code}}
    return json.dumps(event | ({"objectRef": reference} if resource else {}))


APPLIED = line("patch", "deployments", code=201)
LINES = [
    line("get"),
    line("watch", "deployments"),
    line("update", "leases"),
    line("get", "deployments", code=404),
    APPLIED,
    line("patch", "deployments"),
    line("patch", "domainbundles", "status"),
    line("create", "events", code=201),
]


def test_requests_are_read_from_the_log() -> None:
    assert parse([APPLIED]) == [Request("patch", "deployments", "", 201)]
    assert parse([line("get")]) == [Request("get", "", "", 200)]


def test_watches_leases_and_discovery_are_no_work_for_a_bundle() -> None:
    counted = [item.is_about_children for item in parse(LINES)]
    assert counted == [False, False, False, True, True, True, True, True]


def test_only_what_did_not_exist_was_created() -> None:
    assert created(parse(LINES)) == {"deployments": 1}


def test_requests_are_counted_by_verb_and_subresource() -> None:
    counts = by_verb(parse(LINES))
    assert counts["patch"] == 2
    assert counts["patch status"] == 1


def test_a_line_is_read_when_it_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    file.write_text(f"{APPLIED}\n{APPLIED[:20]}")
    log = AuditLog(file)
    assert len(log.read()) == 1
    with file.open("a") as end:
        end.write(f"{APPLIED[20:]}\n")
    assert len(log.read()) == 2
    assert len(log.read()) == 2
