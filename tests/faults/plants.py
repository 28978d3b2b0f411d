"""Violations to plant into a history that is whole: the check must find each of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from chekov.store.port import RecordedEvent
from tests.faults.history import Effect, Given, History

OTHER: Final = UUID(int=1)
"""The id of a command that nobody knows."""


def of_one_stream(history: History) -> tuple[RecordedEvent, RecordedEvent]:
    """The first two events of the first stream."""
    stream = history.log[0].stream
    found = [event for event in history.log if event.stream == stream]
    return found[0], found[1]


def answer_of(history: History) -> RecordedEvent:
    return next(event for event in history.log if event.type == "Answered")


def lost_event(history: History) -> History:
    return replace(history, log=history.log[:-1])


def lost_command(history: History) -> History:
    return replace(history, acknowledged={**history.acknowledged, OTHER: 1})


def moved_command(history: History) -> History:
    command, position = next(iter(history.acknowledged.items()))
    return replace(history, acknowledged={**history.acknowledged, command: position + 1})


def command_stored_twice(history: History) -> History:
    first, second = history.log[:2]
    return replaced(history, second, causation_id=first.causation_id)


def replaced(history: History, event: RecordedEvent, **changes: object) -> History:
    """The history with another event in the place of one."""
    log = [
        item._replace(**changes) if item.position == event.position else item
        for item in history.log
    ]
    return replace(history, log=log)


def gap_in_the_log(history: History) -> History:
    return replace(history, log=[history.log[0], *history.log[2:]])


def event_not_given(history: History) -> History:
    given = [item for item in history.given if item.position != 1]
    return replace(history, given=given)


def given_what_is_not_stored(history: History) -> History:
    unknown = Given("node-1", 0, len(history.log) + 1, history.log[0].stream)
    return replace(history, given=[*history.given, unknown])


def given_out_of_order(history: History) -> History:
    first, second = of_one_stream(history)
    at = min(item.at for item in history.given if item.position == first.position)
    early = Given("node-2", at - 1, second.position, second.stream)
    return replace(history, given=[*history.given, early])


def no_effect(history: History) -> History:
    return replace(history, effects=history.effects[1:])


def two_effects(history: History) -> History:
    last = max(history.effects)
    again = last._replace(number=last.number + 1)
    return replace(history, effects=[*history.effects, again])


def effect_of_nothing(history: History) -> History:
    unknown = Effect(10**9, len(history.log) + 1, history.log[0].stream)
    return replace(history, effects=[*history.effects, unknown])


def effects_out_of_order(history: History) -> History:
    places = [event.position for event in of_one_stream(history)]
    swapped = dict(zip(places, reversed(places), strict=True))
    effects = [
        item._replace(position=swapped.get(item.position, item.position))
        for item in history.effects
    ]
    return replace(history, effects=effects)


def no_answer(history: History) -> History:
    return replaced(history, answer_of(history), type="Asked", causation_id=OTHER)


def two_answers(history: History) -> History:
    answer = answer_of(history)
    other = next(
        event
        for event in history.log
        if event.type == "Answered" and event.position != answer.position
    )
    changed = replaced(history, other, stream=answer.stream)
    numbers = {**history.numbers, other.id: history.numbers[answer.id]}
    return replace(changed, numbers=numbers)


def answered_before_it_was_asked(history: History) -> History:
    answer = answer_of(history)
    question = next(
        event
        for event in history.log
        if event.stream == answer.stream and history.numbers[event.id] == history.numbers[answer.id]
    )
    changed = replaced(history, question, type="Answered")
    return replaced(changed, answer, type="Asked")


def two_commands(history: History) -> History:
    return replace(history, sent=[*history.sent, history.sent[0]._replace(command=OTHER)])


def command_for_nothing(history: History) -> History:
    return replace(history, sent=[*history.sent, history.sent[0]._replace(number=10**9)])


def answer_that_was_not_sent(history: History) -> History:
    return replaced(history, answer_of(history), causation_id=OTHER)


def parked_event(history: History) -> History:
    return replace(history, parked=[3])


def command_still_waiting(history: History) -> History:
    return replace(history, waiting=1)


PLANTS: Final[Sequence[tuple[Callable[[History], History], str]]] = (
    (lost_event, "a handler was given what is not stored"),
    (lost_command, "acknowledged and lost"),
    (moved_command, "acknowledged at"),
    (command_stored_twice, "is stored 2 times"),
    (gap_in_the_log, "is missing"),
    (event_not_given, "never given"),
    (given_what_is_not_stored, "was given what is not stored"),
    (given_out_of_order, "the handler was given"),
    (no_effect, "has no effect"),
    (two_effects, "has 2 effects"),
    (effect_of_nothing, "an effect of what is not stored"),
    (effects_out_of_order, "was committed before"),
    (no_answer, "has no answer"),
    (two_answers, "is answered 2 times"),
    (answered_before_it_was_asked, "before it was asked"),
    (two_commands, "led to 2 commands"),
    (command_for_nothing, "that nobody asked"),
    (answer_that_was_not_sent, "that was not sent"),
    (parked_event, "is parked"),
    (command_still_waiting, "still hold"),
)
"""Each with words of the sentence that must be found."""
