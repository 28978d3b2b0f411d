"""Domains that are composed of others: what these bring, and which class is of which."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from chekov.domain.aggregate import Aggregate
from chekov.domain.authorization import Authorize
from chekov.domain.command_handler import CommandHandler
from chekov.domain.handler import EventHandler
from chekov.domain.lifespan import Lifespan
from chekov.domain.middleware import Middleware
from chekov.domain.serializer import Serializer
from chekov.domain.upcasting import Upcaster

T = TypeVar("T")


class Equipment(NamedTuple):
    """Handlers that were given as classes, and what opens their services.

    Attributes:
        lifespan: `None` when they take none.
        made: the objects; no `__init__` of them was called.
    """

    lifespan: Lifespan | None
    made: tuple[object, ...]


class Part(Protocol):
    """A domain, as far as another one includes it."""

    name: str
    aggregates: tuple[type[Aggregate], ...]
    handlers: tuple[EventHandler, ...]
    command_handlers: tuple[CommandHandler, ...]
    upcasters: tuple[Upcaster[Any], ...]
    equipment: tuple[Equipment, ...]
    middleware: tuple[Middleware, ...]
    authorize: Authorize | None
    serializer: Serializer | None
    record_principal: bool


class Composition:
    """The domains that another one includes.

    Args:
        domains: to include.
        faults: is given a sentence for each that cannot be included.
    """

    def __init__(self, domains: Sequence[Part], faults: list[str]) -> None:
        self._domains: list[Part] = []
        for item in domains:
            if hasattr(item, "equipment"):
                self._domains.append(item)
            else:
                faults.append(f"include: {item!r:.80} is not a Domain")
        self._names: dict[object, str] = {}
        for item in self._domains:
            for part in (*item.aggregates, *map(type, item.handlers)):
                self._names.setdefault(part, item.name)

    def place(self, kind: type) -> str:
        """The name of a class, with its module and domain if it is of an included one."""
        domain = self._names.get(kind)
        if domain is None:
            return kind.__qualname__
        return f"{kind.__module__}.{kind.__qualname__} of the included domain {domain!r}"

    def aggregates(self, own: Iterable[type[Aggregate]]) -> tuple[type[Aggregate], ...]:
        return _each_once((*own, *(part for item in self._domains for part in item.aggregates)))

    def handlers(self, own: Iterable[EventHandler]) -> tuple[EventHandler, ...]:
        return _each_once((*own, *(part for item in self._domains for part in item.handlers)))

    def command_handlers(self, own: Iterable[CommandHandler]) -> tuple[CommandHandler, ...]:
        further = (part for item in self._domains for part in item.command_handlers)
        return _each_once((*own, *further))

    def upcasters(self, own: Iterable[Upcaster[Any]]) -> tuple[Upcaster[Any], ...]:
        return _each_once((*own, *(part for item in self._domains for part in item.upcasters)))

    def equipment(self, own: Equipment) -> tuple[Equipment, ...]:
        """All handlers that were given as classes, by their lifespans, each of which opens once."""
        further = (part for item in self._domains for part in item.equipment)
        found: dict[int, Equipment] = {}
        for lifespan, made in (own, *further):
            before = found.get(id(lifespan), Equipment(lifespan, ()))
            found[id(lifespan)] = Equipment(lifespan, _each_once((*before.made, *made)))
        return tuple(found.values())

    def check_settings(self, outer: Part, faults: list[str]) -> None:
        """Refuse domains with settings that concern more than themselves, or contradict."""
        for item in self._domains:
            faults += [
                f"include: the domain {item.name!r} has {name}, which would concern the commands "
                f"of the others too: give {name}= to {outer.name!r} instead"
                for name in ("middleware", "authorize")
                if getattr(item, name)
            ]
            # Serializers have no state that tells two of one class apart.
            if type(item.serializer) is not type(outer.serializer):
                faults.append(
                    f"include: the domain {item.name!r} has the serializer "
                    f"{_named(item.serializer)}, and {outer.name!r} has "
                    f"{_named(outer.serializer)}: give both the same"
                )
            if item.record_principal is not outer.record_principal:
                faults.append(
                    f"include: the domain {item.name!r} has "
                    f"record_principal={item.record_principal}, and {outer.name!r} has "
                    f"{outer.record_principal}: give both the same"
                )


def _each_once(items: Iterable[T]) -> tuple[T, ...]:
    """Without what came before: two included domains may include a third."""
    return tuple({id(item): item for item in items}.values())


def _named(serializer: Serializer | None) -> str:
    return "JSON, the default" if serializer is None else repr(serializer.name)
