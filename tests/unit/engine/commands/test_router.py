"""A command is routed by its type and its identifier."""

from typing import Any

import pytest

from chekov.errors import InvalidArgument, InvalidCommand, UnknownCommand
from tests.unit.engine.commands.executions import ROUTER
from tests.unit.engine.counter_domain import Add, Counter
from tests.unit.engine.snapshot_counter import KeptCounter


def test_a_route_names_the_aggregate_and_the_stream_of_the_instance() -> None:
    route = ROUTER[Add]
    assert (route.name, route.aggregate) == ("Add", Counter)
    assert route.stream(Add(counter="a", amount=1)) == "counter-a"


def test_a_command_that_no_aggregate_executes_is_unknown() -> None:
    class Foreign(Add):
        pass

    with pytest.raises(UnknownCommand, match="Foreign"):
        ROUTER[Foreign]


@pytest.mark.parametrize("identifier", ["", "x" * 1000, "\0"])
def test_an_identifier_that_cannot_name_a_stream_is_refused(identifier: str) -> None:
    with pytest.raises(InvalidCommand, match="1 to") as caught:
        ROUTER[Add].stream(Add(counter=identifier, amount=1))
    assert caught.value.path == "$.counter"


@pytest.mark.parametrize("identifier", [None, 7, b"a", "a ", "e\u0301", "", "x" * 1000])
def test_an_identifier_that_could_name_another_instance_is_refused_everywhere(
    identifier: Any,
) -> None:
    with pytest.raises(InvalidCommand, match="its identifier: ") as caught:
        ROUTER[Add].stream(Add(counter=identifier, amount=1))
    assert caught.value.path == "$.counter"
    with pytest.raises(InvalidArgument, match="an identifier of Counter: "):
        ROUTER.stream_of(Counter, identifier)


def test_an_instance_of_an_aggregate_has_the_stream_of_its_commands() -> None:
    assert ROUTER.stream_of(Counter, "a") == "counter-a"


def test_an_aggregate_that_the_domain_lacks_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"no aggregate .*KeptCounter.*; it has Counter"):
        ROUTER.stream_of(KeptCounter, "a")
