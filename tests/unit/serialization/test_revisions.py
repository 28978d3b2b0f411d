"""Which of two releases reads newer events."""

import pytest

from chekov.serialization.revisions import Revisions

KNOWN = Revisions(["opened", "opened@3", "opened@2", "closed", "with@sign"])


def test_the_newest_revision_of_each_event_counts() -> None:
    assert KNOWN.newest == {"opened": 3, "closed": 1, "with@sign": 1}
    assert KNOWN.names == {"opened@3", "closed@1", "with@sign@1"}
    assert Revisions(KNOWN.names).newest == KNOWN.newest


@pytest.mark.parametrize("name", ["opened@4", "opened@10", "closed@2", "with@sign@2"])
def test_a_newer_revision_of_a_known_event_is_newer(name: str) -> None:
    assert KNOWN.precede(name)


@pytest.mark.parametrize("name", ["opened", "opened@3", "opened@x", "closed@1", "other", "other@9"])
def test_nothing_else_is(name: str) -> None:
    assert not KNOWN.precede(name)


def test_a_release_lacks_what_only_another_one_knows() -> None:
    for newer in (["opened@4", "closed", "with@sign"], ["opened@3", "closed", "with@sign", "new"]):
        assert KNOWN.lack(Revisions(newer))
        assert not Revisions(newer).lack(KNOWN)
    assert not KNOWN.lack(KNOWN)
    dropped = Revisions(["opened@3", "new"])
    assert KNOWN.lack(dropped)
    assert dropped.lack(KNOWN)
