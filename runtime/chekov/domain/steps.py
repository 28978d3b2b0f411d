"""Decisions in several steps, each of which sees what the ones before it changed."""

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from chekov.domain.aggregate import Aggregate, returned_events
from chekov.domain.messages import Event
from chekov.errors import DefinitionError

A = TypeVar("A", bound=Aggregate)
E = TypeVar("E", bound=Event)


def steps(state: A, **named: Callable[[A], Iterable[E]]) -> Iterator[E]:
    """Yield the events of several decisions, in an executor by `yield from`.

    Each step is given a working copy of the state, to which the events of the steps before it are
    applied. What one of them raises discards the events of all, and names the step in a note.

    Args:
        state: what the first step sees; it is not changed.
        named: the steps in order, such as `fee=lambda account: account.charge(fee)`.

    Raises:
        DefinitionError: a step returns no events, or one that the aggregate does not apply.
    """
    working = copy.deepcopy(state)
    for name, step in named.items():
        try:
            label = f"step {name!r} of {type(state).__qualname__}"
            decided = step(working)
            returned_events(label, decided)
            events = list(decided)
            _apply(label, working, events)
        except Exception as error:
            error.add_note(f"in step {name!r} of {type(state).__qualname__}")
            raise
        yield from events


def _apply(label: str, working: Aggregate, events: Iterable[Event]) -> None:
    appliers = working.__chekov__.appliers
    for event in events:
        method = appliers.get(type(event))
        if method is None:
            fault = f"it yields {type(event).__qualname__}, which no @apply method takes"
            raise DefinitionError(label, [fault])
        # The state may keep what an event holds, and change it: the event is yet to be stored.
        method.function(working, copy.deepcopy(event))
