"""Boundaries: decisions that depend on events of many streams."""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any, ClassVar, TypeVar, dataclass_transform

from chekov.domain.aggregate import Aggregate, AggregateDefinition
from chekov.domain.messages import Command
from chekov.domain.methods import Method, by_message, check_messages, mark, marked
from chekov.domain.scope import Scope

B = TypeVar("B", bound="Boundary")
C = TypeVar("C", bound=Command[Any])


def scope(method: Callable[[B, C], Scope]) -> Callable[[B, C], Scope]:
    """Mark the method that says which events the decision about a command depends on.

    It may also set fields of the instance from the command: what the decision is about. The events
    in scope are applied after that.
    """
    return mark("scope", method)


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class Boundary(Aggregate):
    """A decision about a command by all events in a scope, whatever streams they are in.

    Each command gets an instance of its own, empty at first, to which the events in its scope are
    applied. What it yields is stored, in the stream of the command's identifier, only if nothing
    else in the scope was stored meanwhile; otherwise it reads on and decides again.

    Class keywords:
        identity: prefixes the streams of its events, `enrolment-<identifier>`; the class name when
            left out.
    """

    __roles__: ClassVar[tuple[str, ...]] = ("execute", "apply", "scope")
    __scopes__: ClassVar[Mapping[type[Command[Any]], Method]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        faults: list[str] = []
        definition = cls.__chekov__
        methods = tuple(item for item in marked(cls, cls.__roles__, faults) if item.role == "scope")
        for method in methods:
            _check_scope(cls, method, faults)
        table = by_message(cls, methods, faults)
        cls.__scopes__ = {
            kind: method for kind, method in table.items() if issubclass(kind, Command)
        }
        faults.extend(
            f"{cls.__qualname__} executes {command.__qualname__} and does not say which events "
            "that depends on: add a @scope method that takes it"
            for command in definition.executors
            if command not in cls.__scopes__
        )
        if definition.snapshot_due is not None:
            faults.append(f"{cls.__qualname__}: a boundary has no snapshots: leave them out")
        cls.__chekov__ = replace(definition, faults=_unique(definition, faults))


def scopes_of(boundary: type[Aggregate]) -> Mapping[type[Command[Any]], Method]:
    """Command type → the method that says what it depends on; empty for an aggregate."""
    return boundary.__scopes__ if issubclass(boundary, Boundary) else {}


def _check_scope(cls: type[Boundary], method: Method, faults: list[str]) -> None:
    label = f"{cls.__qualname__}.{method.name}"
    if method.is_async:
        faults.append(f"{label} is async, but a scope follows from the command alone")
    if any(item.required for item in method.parameters[1:]):
        faults.append(f"{label} takes the command, nothing else")
    check_messages(cls, method, Command, "takes", faults)


def _unique(definition: AggregateDefinition, faults: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*definition.faults, *faults)))
