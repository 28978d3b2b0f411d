"""A change of the code rolls out without a failed command; a bad change has no effect."""

from uuid import uuid4

import pytest

from tests.cluster.bank import SOURCE, Bank, Load, assert_nothing_lost_or_doubled
from tests.cluster.manifests import inline

OLD_WORDS = "the account is already open"
NEW_WORDS = "somebody has opened this account before"


def _said_of_a_second_opening(bank: Bank) -> str:
    body = {"account_id": str(uuid4()), "owner": "Ada"}
    bank.command("OpenAccount", body)
    return bank.command("OpenAccount", body).json()["detail"]


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
    assert NEW_WORDS in _said_of_a_second_opening(bank)


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
