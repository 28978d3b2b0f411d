# Its domains are wrong on purpose, and checkers see most of it.
# pyright: basic, reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false
"""Stored names and upcasters: what they lead to, and every fault they can have."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from chekov import (
    Aggregate,
    Context,
    DefinitionError,
    Domain,
    Event,
    EventHandler,
    Origin,
    apply,
    definition_of,
    handle,
    upcast,
)
from chekov.domain.upcasting import Upcasting
from chekov.errors import Undecodable

ORIGIN = Origin(
    type="first",
    stream="account-1",
    version=3,
    position=9,
    time=datetime(2024, 1, 1, tzinfo=UTC),
    metadata={},
)


class Opened(Event, name="opened", aliases=("account_opened", "begun"), revision=3):
    owner: str
    currency: str = "EUR"


class Closed(Event, name="closed"):
    pass


class Account(Aggregate, identity="account"):
    @apply
    def opened(self, event: Opened) -> None:
        del event

    @apply
    def closed(self, event: Closed) -> None:
        del event


@upcast("opened", to="opened@2")
def named(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return {"owner": f"{data['name']} of {origin.stream}"}


@upcast("opened@2", to=Opened)
def with_currency(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return {**data, "currency": "USD"}


@upcast("moved", to=(Closed, "opened"))
def moved(data: dict[str, Any], origin: Origin) -> Iterable[tuple[str | type[Event], Any]]:
    yield Closed, {}
    yield "opened", {"name": data["to"]}


@upcast("noise", to=())
def dropped(data: dict[str, Any], origin: Origin) -> Iterable[tuple[str, dict[str, Any]]]:
    return ()


ALL = (named, with_currency, moved, dropped)


def of(*upcasters: Any, events: type[Aggregate] = Account) -> Callable[[], Domain]:
    return lambda: Domain("bank", aggregates=[events], upcasters=upcasters)


def faults(make: Callable[[], Domain]) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        make()
    return caught.value.faults


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
    domain = of(*ALL)()
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
        of()().stored_names(Foreign)


def test_events_that_only_handlers_take_have_stored_names_too() -> None:
    class Seen(EventHandler, name="seen"):
        @handle
        async def opened(self, event: Opened, context: Context) -> None:
            pass

    domain = Domain("seeing", handlers=[Seen()], upcasters=[named, with_currency])
    assert "opened" in domain.stored_names(Opened)


def test_upcasters_are_applied_one_after_the_other() -> None:
    upcasting = of(*ALL)().upcasting
    assert list(upcasting.results("moved", {"to": "Ada"}, ORIGIN)) == [
        ("closed", {}),
        ("opened@3", {"owner": "Ada of account-1", "currency": "USD"}),
    ]
    assert list(upcasting.results("noise", {}, ORIGIN)) == []
    assert list(upcasting.results("closed", {"a": 1}, ORIGIN)) == [("closed", {"a": 1})]


def test_an_upcaster_is_still_the_function_that_it_was() -> None:
    assert with_currency({"owner": "Ada"}, ORIGIN) == {"owner": "Ada", "currency": "USD"}
    assert str(named) == "upcaster named of 'opened'"


def returning(value: Any) -> Callable[..., Any]:
    return lambda *_: value


def raising(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return {"owner": data["nobody"]}


@pytest.mark.parametrize(
    ("to", "function", "text"),
    [
        ("closed", raising, "the upcaster raising of 'old' raised KeyError: 'nobody'"),
        ("closed", returning(None), "returned a NoneType, expected a dict"),
        ("closed", returning([("closed", {})]), "expected a dict"),
        (("closed",), returning(None), "'NoneType' object is not iterable"),
        (("closed",), returning(["closed"]), "returned a str, expected pairs"),
        (("closed",), returning([("closed", 3)]), "expected pairs"),
        (("closed",), returning([("closed", {}, 3)]), "expected pairs"),
        (("closed",), returning([(Opened, {})]), "leads to 'opened@3', which its `to`"),
        (("closed",), returning([(3, {})]), "leads to '3', which its `to`"),
    ],
)
def test_an_upcaster_that_fails_makes_the_event_undecodable(
    to: Any, function: Callable[..., Any], text: str
) -> None:
    upcasting = Upcasting({"old": upcast("old", to=to)(function)})
    with pytest.raises(Undecodable) as caught:
        list(upcasting.results("old", {}, ORIGIN))
    error = caught.value
    assert text in str(error)
    assert (error.type, error.stream, error.version) == ("first", "account-1", 3)


def test_the_error_of_an_upcaster_is_the_cause() -> None:
    upcasting = Upcasting({"old": upcast("old", to="closed")(raising)})
    with pytest.raises(Undecodable) as caught:
        list(upcasting.results("old", {}, ORIGIN))
    assert isinstance(caught.value.__cause__, KeyError)


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
    found = faults(of(events=holding(kind)))
    assert len(found) == len(texts)
    assert all(text in fault for text, fault in zip(texts, found, strict=True))


def _unchanged(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return data


def same(source: str, to: Any) -> Any:
    return upcast(source, to=to)(_unchanged)


async def later(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return data


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
    found = faults(of(*upcasters))
    assert len(found) == len(texts)
    assert all(text in fault for text, fault in zip(texts, found, strict=True))


def test_all_faults_of_names_and_upcasters_come_at_once() -> None:
    found = faults(of(same("old", "nowhere"), same("a", "a"), events=holding(Zeroth)))
    assert len(found) == 3


def test_upcasters_may_meet_in_one_name() -> None:
    domain = of(same("a", "c"), same("b", "c"), same("c", ("closed", "closed")))()
    assert domain.stored_names(Closed) == ("closed", "a", "b", "c")


def test_a_message_may_have_a_field_called_name() -> None:
    class Registered(Event, name="registered"):
        name: str

    class Renamed(Registered, revision=2):
        former: str = ""

    class Defaulted(Event):
        name: str = "nobody"

    assert (definition_of(Registered).name, definition_of(Renamed).name) == (
        "registered",
        "Renamed@2",
    )
    assert Registered(name="Ada").name == "Ada"
    assert Renamed(name="Ada") == Renamed(name="Ada", former="")
    assert (Defaulted().name, definition_of(Defaulted).name) == ("nobody", "Defaulted")
    with pytest.raises(TypeError, match="name"):
        Registered()
