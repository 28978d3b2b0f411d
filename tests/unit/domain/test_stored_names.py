# Its classes are wrong on purpose, and checkers see most of it.
# pyright: basic, reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false, reportUndefinedVariable=false

from typing import Any

import pytest

from chekov import (
    Aggregate,
    Context,
    Domain,
    Event,
    EventHandler,
    Origin,
    apply,
    definition_of,
    handle,
    upcast,
)
from tests.unit.domain.turning import faults
from tests.unit.domain.upcasters import ALL, Closed, Opened, bank, named, raising, with_currency


def holding(kind: type[Event]) -> type[Aggregate]:
    """An aggregate that applies one kind of event beside another."""

    class Holder(Aggregate, identity="holder"):
        @apply
        def held(self, event: Closed) -> None:
            pass

        @apply
        def other(self, event: kind) -> None:  # type: ignore[valid-type]
            pass

    return Holder


def test_the_stored_name_carries_the_revision_from_the_second_on() -> None:
    class First(Event, revision=1):
        pass

    assert tuple(definition_of(kind).name for kind in (First, Opened, Closed)) == (
        "First",
        "opened@3",
        "closed",
    )


def test_a_domain_knows_every_stored_name_of_an_event() -> None:
    domain = bank(*ALL)()
    assert domain.events == {"opened@3": Opened, "closed": Closed}
    names = domain.stored_names(Opened)
    assert names[0] == "opened@3"
    assert set(names) == {"opened@3", "account_opened", "begun", "opened", "opened@2", "moved"}
    assert set(domain.stored_names(Closed)) == {"closed", "moved"}
    assert domain.stored_types["begun"] is Opened


def test_stored_names_of_what_is_not_in_the_domain_are_not_known() -> None:
    class Foreign(Event):
        pass

    with pytest.raises(KeyError):
        bank()().stored_names(Foreign)


def test_events_that_only_handlers_take_have_stored_names_too() -> None:
    class Seen(EventHandler, name="seen"):
        @handle
        async def opened(self, event: Opened, context: Context) -> None:
            pass

    domain = Domain("seeing", handlers=[Seen()], upcasters=[named, with_currency])
    assert "opened" in domain.stored_names(Opened)


def _unchanged(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return data


def same(source: str, to: Any) -> Any:
    return upcast(source, to=to)(_unchanged)


async def later(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return data


class Signed(Event, name="a@2"):
    pass


class Owned(Event, name="$mine"):
    pass


class Nameless(Event, name=""):
    pass


class Endless(Event, name="x" * 1001):
    pass


class Zeroth(Event, revision=0):
    pass


class Listed(Event, aliases="closed"):
    pass


class Sneaky(Event, aliases=("$x", "")):
    pass


class Clashing(Event, aliases=("closed",)):
    pass


class Selfish(Event, aliases=("Selfish",)):
    pass


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Signed, ["Signed: name 'a@2' must not"]),
        (Owned, ["Owned: name '$mine' must not"]),
        (Nameless, ["Nameless: name '' must not"]),
        (Endless, [f"Endless: name {'x' * 60!r} must be at most 1000 bytes"]),
        (Zeroth, ["Zeroth: revision 0 must be 1 or more"]),
        (Listed, ["Listed: aliases 'closed' must be a tuple"]),
        (Sneaky, ["Sneaky: alias '$x' must not", "Sneaky: alias '' must not"]),
        (Clashing, ["Clashing has the alias 'closed', which is a stored name of Closed too"]),
        (Selfish, ["Selfish: its alias 'Selfish' is its name"]),
    ],
)
def test_names_that_cannot_be_are_faults(kind: type[Event], texts: list[str]) -> None:
    found = faults(bank(events=holding(kind)))
    assert len(found) == len(texts)
    assert all(text in fault for text, fault in zip(texts, found, strict=True))


class Elsewhere(Event, name="closed"):
    pass


@pytest.mark.parametrize(
    ("upcasters", "texts"),
    [
        ([raising], ["is not an upcaster: decorate a function with @upcast"]),
        ([same("old", "nowhere")], ["leads to 'nowhere', which is neither a stored name"]),
        ([same("old", ("closed", 3))], ["leads to '3', which is neither a stored name"]),
        ([same("old", Elsewhere)], ["leads to 'closed', which is neither a stored name"]),
        ([same("closed", Opened)], ["this is a stored name of Closed, whose content needs none"]),
        ([same("begun", Opened)], ["this is a stored name of Opened"]),
        ([same("", Opened)], ["its source must not be empty"]),
        ([same("$link", Opened)], ["its source must not be empty or start with '$'"]),
        ([same("old", Opened), same("old", Closed)], ["of 'old' and an upcaster"]),
        ([upcast("old", to=Closed)(later)], ["later of 'old' is async"]),
        ([same("a", "a")], ["upcasters lead in a circle: 'a' → 'a'"]),
        (
            [same("a", "b"), same("b", ("closed", "c")), same("c", "b"), same("d", "c")],
            ["upcasters lead in a circle: 'b' → 'c' → 'b'"],
        ),
    ],
)
def test_upcasters_that_cannot_work_are_faults(upcasters: list[Any], texts: list[str]) -> None:
    found = faults(bank(*upcasters))
    assert len(found) == len(texts)
    assert all(text in fault for text, fault in zip(texts, found, strict=True))


def test_all_faults_of_names_and_upcasters_come_at_once() -> None:
    found = faults(bank(same("old", "nowhere"), same("a", "a"), events=holding(Zeroth)))
    assert len(found) == 3


def test_upcasters_may_meet_in_one_name() -> None:
    domain = bank(same("a", "c"), same("b", "c"), same("c", ("closed", "closed")))()
    assert domain.stored_names(Closed) == ("closed", "a", "b", "c")
