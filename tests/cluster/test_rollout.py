"""A change of the code rolls out without a failed command; a bad change has no effect."""

from typing import Any
from uuid import uuid4

import pytest

from tests.cluster.bank import INSIDE, SOURCE, Bank, Load, assert_nothing_lost_or_doubled
from tests.cluster.kube.shell import wait_for
from tests.cluster.manifests import LOCAL_DSN, inline, script_pod

OLD_WORDS = "the account is already open"
NEW_WORDS = "somebody has opened this account before"


def _said_of_a_second_opening(bank: Bank) -> str:
    body = {"account_id": str(uuid4()), "owner": "Ada"}
    bank.command("OpenAccount", body)
    return bank.command("OpenAccount", body).json()["detail"]


def _wait_until_said(bank: Bank, words: str) -> None:
    """Wait until new code answers: a Service's addresses follow its pods a moment later."""
    wait_for(f"the bank to say {words}", lambda: words in _said_of_a_second_opening(bank))


def test_new_code_rolls_over_under_load_with_no_failed_command(
    bank: Bank, notes: list[str]
) -> None:
    before = bank.revision()
    assert OLD_WORDS in _said_of_a_second_opening(bank)
    load = Load(bank)
    load.start()
    bank.apply(inline(SOURCE.replace(OLD_WORDS, NEW_WORDS)))
    bank.wait_until_rolled_out(after=before)
    load.wait_for_more(100)
    ledger = load.stop()
    assert (ledger["refused"], ledger["unknown"]) == (0, []), ledger["failures"]
    notes.append(
        f"rolled over {len(ledger['acknowledged'])} commands without a failed one, "
        f"the slowest took {ledger['slowest']:.2f} s"
    )
    assert_nothing_lost_or_doubled(bank, ledger)
    _wait_until_said(bank, NEW_WORDS)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (SOURCE.replace("class Balances", "class Balances\n", 1), "SyntaxError"),
        (SOURCE + "\nimport no_such_library\n", "no_such_library"),
    ],
    ids=["a syntax error", "a library that is missing"],
)
def test_code_that_does_not_import_leaves_the_running_revision_alone(
    bank: Bank, broken: str, words: str
) -> None:
    before = bank.revision(), sorted(pod["metadata"]["uid"] for pod in bank.pods())
    bank.apply(inline(broken))
    bank.wait_for_words(words)
    assert before == (bank.revision(), sorted(pod["metadata"]["uid"] for pod in bank.pods()))
    assert bank.command("OpenAccount", {"account_id": str(uuid4()), "owner": "A"}).status == 200


LATER_WORDS = "this account was opened before"
# The check and the gate, which serve nothing, load it.
CRASHING = f"""{SOURCE}
import os
if "CHEKOV_HTTP_PORT" in os.environ:
    raise SystemExit("no pod of it lives")
"""
# With more, commands that wait for those of transfers take longer than they may.
SLOW = SOURCE.replace(
    "yield MoneyDeposited(amount=command.amount)",
    "__import__('time').sleep(0.1)\n        yield MoneyDeposited(amount=command.amount)",
)


@pytest.mark.parametrize(
    ("broken", "rollout", "reason"),
    [
        (CRASHING, {"progressDeadlineSeconds": 10}, "RolloutTimedOut"),
        (
            SLOW,
            {
                "steps": [{"share": 50, "pauseSeconds": 900}],
                # On a busy machine, the other revision is not fast, either.
                "abort": {"minCommands": 20, "latencyFactor": "1.2"},
            },
            "WorseThanBefore",
        ),
    ],
    ids=["it crashes", "its commands take too long"],
)
def test_a_bad_revision_gives_its_place_back_and_costs_no_command(
    bank: Bank, broken: str, rollout: dict[str, Any], reason: str
) -> None:
    before = bank.revision()
    code = inline(_source_of(bank))
    load = Load(bank, f"load-{reason.lower()}")
    load.start()
    try:
        bank.apply(inline(broken), rollout=rollout)
        wait_for("the bank to go back", lambda: _state(bank) == "Returned", timeout=180)
        load.wait_for_more(100)
        ledger = load.stop()
    finally:
        load.remove()
    assert (ledger["refused"], ledger["unknown"]) == (0, []), ledger["failures"]
    assert_nothing_lost_or_doubled(bank, ledger)
    wait_for("its pods to be gone", lambda: bank.revisions_of_pods() == {before})
    stalled = bank.kubectl.condition("domainbundle", bank.name, "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", reason)
    bank.apply(code)
    bank.wait_until_ready()
    assert bank.revision() == before


def test_a_person_promotes_a_revision_and_undoes_it(bank: Bank) -> None:
    before, code = bank.revision(), inline(_source_of(bank))
    said = _said_of_a_second_opening(bank)
    steps = {"steps": [{"share": 50, "pauseSeconds": 900}]}
    bank.apply(inline(SOURCE.replace(OLD_WORDS, LATER_WORDS)), rollout=steps)
    wait_for("the step to be reached", lambda: _state(bank) == "Waiting", timeout=120)
    assert len(bank.revisions_of_pods()) == 2
    new = bank.revision()
    bank.kubectl.run("annotate", f"bundle/{bank.name}", f"chekov.dev/promote={new}")
    bank.wait_until_rolled_out(after=before)
    _wait_until_said(bank, LATER_WORDS)
    bank.kubectl.run("annotate", f"bundle/{bank.name}", f"chekov.dev/undo={new}")
    wait_for("the bank to go back", lambda: _state(bank) == "Returned", timeout=120)
    assert bank.revision() == before
    _wait_until_said(bank, said)
    bank.apply(code)
    bank.wait_until_ready()


def test_a_rollout_waits_while_the_server_has_no_connections_left(bank: Bank) -> None:
    before, code = bank.revision(), inline(_source_of(bank))
    dsn = LOCAL_DSN.replace("127.0.0.1", "postgres")
    script, image = (INSIDE / "sessions.py").read_text(), bank.cluster.image
    bank.kubectl.apply(*script_pod("sessions", image, script, dsn, "10"))
    try:
        bank.kubectl.wait("condition=Ready", "pod/sessions")
        wait_for("the connections to be taken", lambda: bank.kubectl.run("logs", "sessions") != "")
        bank.apply(inline(f"{SOURCE}\nREVISION = 'more'\n"))
        stalled = bank.wait_for_words("database connections", "goes on by itself")
        assert stalled["reason"] == "Connections"
        status = bank.kubectl.get("domainbundle", bank.name)["status"]["rollout"]["connections"]
        assert status["limit"] - status["used"] < status["needed"]
        assert before in bank.revisions_of_pods()
        assert _said_of_a_second_opening(bank)
    finally:
        bank.kubectl.delete("pod", "sessions", "--ignore-not-found", "--now")
    bank.wait_until_rolled_out(after=before)
    bank.apply(code)
    bank.wait_until_ready()


def _state(bank: Bank) -> str:
    status = bank.kubectl.get("domainbundle", bank.name)["status"]
    return str(status.get("rollout", {}).get("state"))


def _source_of(bank: Bank) -> str:
    """The code that serves, even if the bank asks for another one that cannot."""
    stored = bank.kubectl.get("configmap", f"{bank.name}-{bank.revision()}")
    return str(stored["data"]["bank.py"])
