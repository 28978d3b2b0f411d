"""`chekov check` reports to people, pipelines and the operator whether a domain can run."""

import json

from chekov.cli.check import shortened


def test_a_short_result_is_written_whole() -> None:
    result = {"ok": True, "domain": "shop", "commands": ["Open"]}
    assert json.loads(shortened(result)) == result


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
