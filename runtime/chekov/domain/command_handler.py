"""Command handlers: they decide about commands as aggregates do, and may do I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from chekov.domain.aggregate import (
    Aggregate,
    check_applied,
    check_parameters,
    check_promise,
    check_yields,
)
from chekov.domain.boundary import Boundary
from chekov.domain.keywords import refuse_unknown_keywords
from chekov.domain.messages import Command, timeout_fault
from chekov.domain.methods import Method, by_message, check_messages, marked


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHandlerDefinition:
    """What the class statement and the methods of a command handler say.

    Attributes:
        executors: command type → the method that decides about it.
        timeout: seconds that one decision may take; `None` if only the command's count.
        faults: one sentence for each mistake in the class.
    """

    executors: Mapping[type[Command[Any]], Method]
    timeout: float | None = None
    faults: tuple[str, ...] = ()


class CommandHandler:
    """Decides about commands in place of their aggregate, and may do I/O.

    Its methods are marked `@execute` and written with `async def`. They take the command, a copy of
    the aggregate's state and, if they want, a `CommandContext`, and return or yield the events,
    which the aggregate applies. They delegate to an executor of the aggregate by returning what it
    yields: `return account.open(replace(command, rating=rating))`. They refuse by raising
    `Rejected`.

    While one decides, no other command for the instance is executed, and it cannot send one or
    load the instance. After a version conflict it is called again with the newer state, so its
    outside effects must be repeatable.

    Class keywords:
        timeout: seconds that one decision may take; then the command fails with `CommandTimeout`.
            It is added to the time that the runtime gives each command.
    """

    __chekov__: ClassVar[CommandHandlerDefinition] = CommandHandlerDefinition(executors={})

    def __init_subclass__(cls, *, timeout: float | None = None, **kwargs: Any) -> None:
        refuse_unknown_keywords(cls, kwargs)
        super().__init_subclass__(**kwargs)
        faults: list[str] = []
        if timeout is None:
            timeout = cls.__chekov__.timeout
        elif fault := timeout_fault(timeout):
            faults.append(f"{cls.__qualname__}: {fault}")
        methods = marked(cls, ("execute",), faults)
        for method in methods:
            _check(cls, method, faults)
        table = by_message(cls, methods, faults)
        executors: dict[type[Command[Any]], Method] = {
            kind: item for kind, item in table.items() if issubclass(kind, Command)
        }
        for command, method in executors.items():
            check_promise(cls, command, method, faults)
        cls.__chekov__ = CommandHandlerDefinition(
            executors=executors, timeout=timeout, faults=tuple(faults)
        )


def aggregate_of(method: Method) -> type[Aggregate] | None:
    """The aggregate whose state a method of a command handler takes."""
    annotation = method.parameters[1].annotation if len(method.parameters) > 1 else None
    found = isinstance(annotation, type) and issubclass(annotation, Aggregate)
    return cast("type[Aggregate]", annotation) if found else None


def deciding(
    handlers: Iterable[CommandHandler],
    aggregate_of_command: dict[type[Command[Any]], type[Aggregate]],
    aggregates: Iterable[type[Aggregate]],
    faults: list[str],
) -> dict[type[Command[Any]], tuple[int, Method]]:
    """Command → the number of the command handler that decides about it, and its method.

    Args:
        handlers: the command handlers.
        aggregate_of_command: the commands that aggregates execute; those that only command
            handlers decide about are added.
        aggregates: those of the domain.
        faults: is given a sentence for each mistake.
    """
    known = frozenset(aggregates)
    found: dict[type[Command[Any]], tuple[CommandHandler, int, Method]] = {}
    for number, handler in enumerate(handlers):
        for command, method in handler.__chekov__.executors.items():
            label = f"{type(handler).__qualname__}.{method.name}"
            aggregate = aggregate_of(method)
            if aggregate is None:
                continue
            if issubclass(aggregate, Boundary):
                faults.append(
                    f"{label} takes {aggregate.__qualname__}, a boundary, whose commands are "
                    "decided by its executors alone"
                )
                continue
            if aggregate not in known:
                faults.append(f"{label} takes {aggregate.__qualname__}: add it to aggregates=")
                continue
            if command not in aggregate_of_command:
                check_applied(aggregate, command, aggregate.__chekov__.appliers, faults)
            executing = aggregate_of_command.setdefault(command, aggregate)
            if executing is not aggregate:
                faults.append(
                    f"{label}: annotate its second parameter with {executing.__qualname__}, which "
                    f"{command.__qualname__} is for"
                )
            other, first, method_of_other = found.setdefault(command, (handler, number, method))
            if first != number:
                faults.append(
                    f"{type(other).__qualname__}.{method_of_other.name} and {label} both take "
                    f"{command.__qualname__}: keep one"
                )
    return {command: (number, method) for command, (_, number, method) in found.items()}


def _check(cls: type[CommandHandler], method: Method, faults: list[str]) -> None:
    label = f"{cls.__qualname__}.{method.name}"
    if not method.is_async:
        faults.append(f"{label} must be written with `async def`")
    if aggregate_of(method) is None:
        faults.append(
            f"{label}: annotate its second parameter with the aggregate whose state it takes"
        )
    check_yields(label, method, faults)
    check_parameters(label, method, 2, "the command, the aggregate's state", faults)
    check_messages(cls, method, Command, "takes", faults)
