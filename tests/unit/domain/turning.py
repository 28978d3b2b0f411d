"""A sound domain that tests bend, and its faults."""

from collections.abc import Callable, Generator
from typing import Any

import pytest

from chekov import (
    Aggregate,
    Context,
    DefinitionError,
    Domain,
    EventHandler,
    apply,
    execute,
    handle,
)
from tests.unit.domain.messages import Either, Left, Right


class Turns(Aggregate, identity="turns"):
    count: int = 0

    @execute
    def either(self, command: Either) -> Generator[Left | Right]:
        yield Left(text=command.key)

    @apply
    def turned(self, event: Left | Right) -> None:
        del event
        self.count += 1


class Seen(EventHandler, name="seen"):
    @handle
    async def turned(self, event: Left | Right, context: Context) -> None:
        pass


def faults(make: Callable[[], Domain]) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        make()
    return caught.value.faults


def of(*aggregates: type[Aggregate], **options: Any) -> Callable[[], Domain]:
    return lambda: Domain("turning", aggregates=aggregates, **options)
