"""What is left out of a report: by its field, by its value wherever it appears, and by its form."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from chekov_operator.plugin.redaction import (
    LEFT_OUT,
    Redactor,
    secret_names,
    values_of_secret,
    values_of_variables,
)

SECRET = "pa$s/w?rd&42"
DSN = f"postgresql://bank:{quote(SECRET, safe='')}@db.example:5432/bank?sslmode=require"


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"password {SECRET}.",
        DSN,
        json.dumps({"a": SECRET}),
        base64.b64encode(SECRET.encode()).decode(),
        f"?p={quote(SECRET, safe='')}&q=1",
    ],
)
def test_a_known_secret_is_left_out_in_each_form(text: str) -> None:
    shown = Redactor([DSN]).text(f"before {text} after")
    for form in (SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()):
        assert form.rstrip("=") not in shown
    assert LEFT_OUT in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://bank:hunter2@db/bank", f"postgresql://bank:{LEFT_OUT}@db/bank"),
        ("redis://:hunter2@cache", f"redis://:{LEFT_OUT}@cache"),
        ("host=db password=hunter2 dbname=x", f"host=db password={LEFT_OUT} dbname=x"),
        ("host=db password='hunter 2' dbname=x", f"host=db password={LEFT_OUT} dbname=x"),
        ('{"api_key": "hunter2", "a": 1}', f'{{"api_key": {LEFT_OUT}, "a": 1}}'),
        ('{"m": "{\\"token\\": \\"hunter2\\"}"}', None),
        ("SMTP_PASSWORD=hunter2", f"SMTP_PASSWORD={LEFT_OUT}"),
        ("Authorization: Bearer hunter2hunter2", f"Authorization: Bearer {LEFT_OUT}"),
        ("eyJhbGciOiJ.eyJzdWIiOiIx.c2lnbmF0dXJl is it", f"{LEFT_OUT} is it"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n.", f"{LEFT_OUT}\n."),
        ("-----BEGIN RSA PRIVATE KEY-----\nhunter2", LEFT_OUT),
    ],
)
def test_what_looks_like_a_secret_is_left_out(text: str, shown: str | None) -> None:
    found = Redactor().text(text)
    assert "hunter" not in found
    assert shown is None or found == shown


@pytest.mark.parametrize(
    "text",
    [
        "GET https://shop.example:8080/events?after=12 200",
        "the Secret bank-postgres has no key dsn",
        "balances: position 12, lag 0",
        "https://user@host/path",
        '{"level": "INFO", "message": "took 3 tokens of 7"}',
    ],
)
def test_other_text_stays(text: str) -> None:
    assert Redactor().text(text) == text


def container(**fields: Any) -> dict[str, Any]:
    return {"kind": "Pod", "spec": {"containers": [{"name": "runtime", **fields}]}}


PLACES: list[dict[str, Any]] = [
    {"env": [{"name": "KEY", "value": "hunter2"}]},
    {"args": ["--key", "hunter2"]},
    {"command": ["run", "hunter2"]},
    {"livenessProbe": {"httpGet": {"httpHeaders": [{"name": "X-Key", "value": "hunter2"}]}}},
    {"volumes": [{"csi": {"volumeAttributes": {"key": "hunter2"}}}]},
    {"apiToken": "hunter2"},
    {"clientSecret": "hunter2"},
    {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}},
    {"managedFields": [{"fieldsV1": {"v:hunter2": {}}}]},
    {"inline": {"modules": {"bank.py": "KEY = 'hunter2'"}}},
    {"data": {"key": "hunter2"}},
    {"deep": [[{"env": [{"name": "a", "value": "hunter2"}]}]]},
]


@pytest.mark.parametrize("fields", PLACES)
def test_values_are_left_out_by_their_field(fields: dict[str, Any]) -> None:
    assert "hunter2" not in json.dumps(Redactor().body(container(**fields)))


def test_names_and_references_stay() -> None:
    body = container(
        image="chekov:1",
        env=[
            {"name": "KEY", "value": "hunter2"},
            {"name": "DSN", "valueFrom": {"secretKeyRef": {"name": "postgres", "key": "dsn"}}},
        ],
        volumes=[{"secret": {"secretName": "certificate"}}],
    )
    shown = Redactor().body(body)
    found = shown["spec"]["containers"][0]
    assert found["image"] == "chekov:1"
    assert found["env"][0] == {"name": "KEY", "value": LEFT_OUT}
    assert found["env"][1] == body["spec"]["containers"][0]["env"][1]
    assert found["volumes"] == [{"secret": {"secretName": "certificate"}}]
    assert sorted(secret_names(body)) == ["certificate", "postgres"]


def test_code_is_told_by_its_size_and_digest() -> None:
    shown = Redactor().body({"modules": {"bank.py": "KEY = 1"}})
    assert shown["modules"]["bank.py"].startswith("(left out, 7 bytes, sha256 ")


def test_values_of_variables_are_known_secrets_but_for_short_ones() -> None:
    env = [{"name": "A", "value": "longer-than-8"}, {"name": "B", "value": "true"}, {"name": "C"}]
    assert list(values_of_variables(container(env=env))) == ["longer-than-8"]


def test_the_values_of_a_secret_are_known_line_by_line() -> None:
    data = {"tokens": base64.b64encode(b"first-1\nsecond-2\n").decode(), "bad": "\xff"}
    binary = base64.b64encode(b"\xff\xfe").decode()
    found = set(values_of_secret({"data": {**data, "binary": binary}}))
    assert found == {"first-1\nsecond-2", "first-1", "second-2"}
    assert set(values_of_secret({})) == set()
