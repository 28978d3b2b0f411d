"""What a class of a domain says about itself, kept apart from the names its author chooses."""

from typing import Any, overload

from chekov.domain.aggregate import Aggregate, AggregateDefinition
from chekov.domain.command_handler import CommandHandler, CommandHandlerDefinition
from chekov.domain.handler import EventHandler
from chekov.domain.handler_definition import HandlerDefinition
from chekov.domain.messages import Command, CommandDefinition, Event, EventDefinition
from chekov.domain.process_manager import ProcessDefinition, ProcessManager
from chekov.domain.timers import Timer, TimerDefinition


@overload
def definition_of(item: type[Aggregate]) -> AggregateDefinition: ...
@overload
def definition_of(item: type[Event]) -> EventDefinition: ...
@overload
def definition_of(item: type[Command[Any]]) -> CommandDefinition: ...
@overload
def definition_of(item: type[Timer]) -> TimerDefinition: ...
@overload
def definition_of(item: EventHandler | type[EventHandler]) -> HandlerDefinition: ...
@overload
def definition_of(item: CommandHandler | type[CommandHandler]) -> CommandHandlerDefinition: ...
def definition_of(item: Any) -> Any:
    """The definition of an aggregate, a message or a handler: its name, its methods, its faults."""
    return item.__chekov__


def process_definition_of(item: ProcessManager | type[ProcessManager]) -> ProcessDefinition:
    """What a process manager does about each event, refusal and timer."""
    return item.__process__


def stream_of(aggregate: type[Aggregate], identifier: object) -> str:
    """The name of the stream of one instance."""
    return definition_of(aggregate).stream(identifier)
