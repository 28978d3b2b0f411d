"""`chekov check` reports to people, pipelines and the operator whether a domain can run."""

import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from chekov.cli.check import check
from chekov.serialization.frame import LONGEST_RESULT, last_frame, shortened

BANK = Path(__file__).parents[3] / "examples" / "bank"


def test_a_short_result_is_written_whole() -> None:
    result = {"ok": True, "domain": "shop", "commands": ["Open"]}
    assert json.loads(shortened(result)) == result


def test_the_operator_finds_the_result_of_a_large_domain_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHEKOV_PATH", str(BANK))
    arguments = Namespace(domain="bank:domain", termination_log=None, output="frame")
    sys.stdout.write("a line without its end")
    assert check(arguments) == 0
    result = json.loads(last_frame(capsys.readouterr().out))
    assert result["ok"]
    assert result["domain"] == "bank"


def test_what_is_cut_to_4_kib_is_whole_in_128() -> None:
    result = {"ok": True, "domain": "shop", "events": [f"Event{number}" for number in range(999)]}
    assert "left_off" in json.loads(shortened(result))
    assert json.loads(shortened(result, LONGEST_RESULT)) == result


def test_a_long_list_of_faults_is_cut_and_counted() -> None:
    result = {
        "ok": False,
        "reason": "InvalidDomain",
        "message": "m" * 5000,
        "faults": [f"fault {number}: {'x' * 100}" for number in range(100)],
    }
    document = shortened(result)
    assert len(document) <= 4096
    kept = json.loads(document)
    assert kept["reason"] == "InvalidDomain"
    assert kept["faults"][0].startswith("fault 0")
    assert len(kept["faults"]) + kept["left_off"]["faults"] == 100


def test_of_a_large_domain_the_longest_lists_are_cut() -> None:
    result = {
        "ok": True,
        "domain": "shop",
        "aggregates": ["account"],
        "commands": [f"Command{number}" for number in range(100)],
        "events": [f"SomethingHappened{number}" for number in range(300)],
        "subscriptions": [{"name": "balances", "kind": "projection", "version": 1}],
    }
    document = shortened(result)
    assert len(document) <= 4096
    kept = json.loads(document)
    assert kept["aggregates"] == ["account"]
    assert kept["subscriptions"] == result["subscriptions"]
    assert len(kept["events"]) + kept["left_off"]["events"] == 300


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('[{"name": "mailer"}]', "the domain has no subscription 'mailer'; it has"),
        ('[{"name": "balances", "partitions": 3}]', "partitions 3 must be left out"),
    ],
)
def test_settings_that_do_not_fit_the_domain_fail_the_check(
    settings: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHEKOV_PATH", str(BANK))
    monkeypatch.setenv("CHEKOV_SUBSCRIPTIONS", settings)
    arguments = Namespace(domain="bank:domain", termination_log=None, output="json")
    assert check(arguments) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["ok"], result["reason"]) == (False, "InvalidSubscriptions")
    assert message in result["message"]


def test_settings_that_fit_the_domain_pass_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHEKOV_PATH", str(BANK))
    monkeypatch.setenv("CHEKOV_SUBSCRIPTIONS", '[{"name": "balances", "startFrom": "now"}]')
    assert check(Namespace(domain="bank:domain", termination_log=None, output="json")) == 0
    assert json.loads(capsys.readouterr().out)["ok"]
