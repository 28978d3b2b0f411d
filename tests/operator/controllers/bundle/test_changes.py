"""What a new revision changes in the domain."""

from chekov_operator.controllers.bundle.changes import changes, in_words
from chekov_operator.kube.objects import Object

BEFORE: Object = {
    "ok": True,
    "commands": ["Open", "Close"],
    "events": ["Opened"],
    "subscriptions": [{"name": "balances", "kind": "projection", "version": 1}],
}
AFTER: Object = {
    "ok": True,
    "commands": ["Open", "Freeze"],
    "events": ["Opened", "Frozen"],
    "subscriptions": [{"name": "balances", "kind": "projection", "version": 2}],
}


def test_names_that_came_and_went_are_listed() -> None:
    assert changes(BEFORE, AFTER) == {
        "commandsAdded": ["Freeze"],
        "commandsRemoved": ["Close"],
        "eventsAdded": ["Frozen"],
        "subscriptionsAdded": ["balances version 2"],
        "subscriptionsRemoved": ["balances version 1"],
    }


def test_they_are_told_in_a_sentence() -> None:
    assert in_words(changes(BEFORE, AFTER)) == (
        "added commands Freeze; added events Frozen; added subscriptions balances version 2; "
        "removed commands Close; removed subscriptions balances version 1"
    )


def test_the_same_domain_has_no_changes_and_neither_has_the_first_one() -> None:
    assert changes(BEFORE, BEFORE) == changes(None, BEFORE) == changes(BEFORE, None) == {}


def test_of_a_list_that_was_cut_nothing_is_said() -> None:
    cut: Object = {**AFTER, "commands": [], "leftOff": {"commands": 2}}
    assert "commandsRemoved" not in changes(BEFORE, cut)


def test_code_that_does_not_load_takes_nothing_away() -> None:
    assert changes(BEFORE, {"ok": False, "reason": "ImportFailed"}) == {}
