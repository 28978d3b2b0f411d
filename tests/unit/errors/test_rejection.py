"""A rejection is a dataclass with a message, and has a name that does not change with its class."""

import copy
import pickle
from typing import Any

import pytest

from chekov import DefinitionError, Rejected
from chekov.errors.rejection import fields_of


class Overdrawn(Rejected, code="overdrawn"):
    """The balance does not cover the amount.

    Further lines are for readers of the code.
    """

    balance: int
    wanted: int = 1


class Gold(Overdrawn):
    limit: int = 0


class Plain(Rejected):
    pass


class Own(Rejected):
    balance: int

    def __init__(self, balance: int) -> None:
        self.balance = balance
        super().__init__(f"only {balance} are left")


class Heir(Own):
    pass


HEIR: Rejected = Heir(4)  # pyright: ignore[reportCallIssue] it expects an `__init__` of fields


def pickled(error: Rejected) -> Any:
    return pickle.loads(pickle.dumps(error))


def test_fields_are_keywords_and_the_message_is_the_first_line_of_the_docstring() -> None:
    error = Overdrawn(balance=3)
    assert (error.balance, error.wanted) == (3, 1)
    assert str(error) == error.message == "The balance does not cover the amount."
    assert error.args == (error.message,)


def test_a_message_may_be_given_first() -> None:
    error = Overdrawn("nothing left", balance=0, wanted=2)
    assert (str(error), error.wanted) == ("nothing left", 2)
    assert str(Rejected("not today")) == "not today"


def test_without_a_docstring_the_message_is_the_class_name() -> None:
    assert str(Plain()) == "Plain"
    assert str(Gold(balance=1)) == "Gold"


def test_the_code_is_the_class_name_unless_it_is_given_and_is_not_inherited() -> None:
    codes = [kind.__chekov__.code for kind in (Rejected, Overdrawn, Gold, Plain)]
    assert codes == ["Rejected", "overdrawn", "Gold", "Plain"]


def test_fields_are_inherited_and_the_message_is_none_of_them() -> None:
    assert fields_of(Gold(balance=3)) == {"balance": 3, "wanted": 1, "limit": 0}
    assert fields_of(Plain()) == {}


@pytest.mark.parametrize("kind", [Own, Heir])
def test_a_class_may_have_an_init_of_its_own(kind: type[Own]) -> None:
    error = kind(4)
    assert str(error) == "only 4 are left"
    assert fields_of(error) == {"balance": 4}


@pytest.mark.parametrize("error", [Overdrawn("no", balance=3), HEIR, Plain()], ids=repr)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_is_the_same(error: Rejected, copied: Any) -> None:
    again = copied(error)
    assert type(again) is type(error)
    assert (str(again), again.args, fields_of(again)) == (
        str(error),
        error.args,
        fields_of(error),
    )


def test_two_are_equal_only_if_they_are_one() -> None:
    error = Plain()
    assert error != Plain()
    assert len({error, error, Plain()}) == 2


def test_a_misspelt_keyword_is_named() -> None:
    with pytest.raises(DefinitionError, match="no class keyword 'cod': it takes code"):
        type("Wrong", (Rejected,), {}, cod="wrong")


@pytest.mark.parametrize("name", ["type", "detail", "rejection", "request_id", "args"])
def test_a_field_must_not_hide_a_member_of_every_problem(name: str) -> None:
    with pytest.raises(DefinitionError, match=f"its field '{name}' has the name of a member"):
        type("Wrong", (Rejected,), {"__annotations__": {name: int}})


@pytest.mark.parametrize("code", ["", "a\nb"])
def test_a_code_is_printable(code: str) -> None:
    with pytest.raises(DefinitionError, match="must be printable and not empty"):
        type("Wrong", (Rejected,), {}, code=code)
