"""A command is routed by its type and its identifier."""

import pytest

from chekov.errors import InvalidCommand, UnknownCommand
from tests.unit.engine.commands.executions import ROUTER
from tests.unit.engine.counter_domain import Add, Counter


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
