"""Which stored names are read as which event: the current ones, aliases, and what is upcast."""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from chekov.domain.definitions import definition_of
from chekov.domain.messages import REVISION_MARK, Event
from chekov.domain.upcasting import Upcaster, Upcasting

_OWN = "$"


class StoredNames:
    """The stored names of a domain's events; building it adds what is wrong to `faults`.

    Attributes:
        types: each stored name whose content fits an event type as it is → the type.
        upcasting: turns what was recorded under any further name into these.
    """

    def __init__(
        self, events: Mapping[str, type[Event]], upcasters: Sequence[object], faults: list[str]
    ) -> None:
        found = [cast("Upcaster[Any]", item) for item in upcasters if isinstance(item, Upcaster)]
        faults += [
            f"upcasters: {item!r} is no upcaster: decorate a function with @upcast"
            for item in upcasters
            if not isinstance(item, Upcaster)
        ]
        faults += [fault for kind in events.values() for fault in _naming_faults(kind)]
        self.types = _with_aliases(events, faults)
        by_source = _by_source(found, faults)
        self.upcasting = Upcasting(by_source)
        faults += _upcaster_faults(by_source.values(), self.types)
        circles = list(_circles(by_source))
        faults += circles
        self._names = {kind: [name] for name, kind in events.items()}
        for name, kind in self.types.items():
            if name not in events:
                self._names[kind].append(name)
        for source in () if circles else by_source:
            for kind in dict.fromkeys(self._kinds(source, by_source)):
                self._names[kind].append(source)

    def of(self, kind: type[Event]) -> tuple[str, ...]:
        """Every stored name whose events are, or may become, of this type; the current one first.

        Raises:
            KeyError: it is no event of the domain.
        """
        return tuple(self._names[kind])

    def _kinds(self, name: str, by_source: Mapping[str, Upcaster[Any]]) -> Iterator[type[Event]]:
        if name in by_source:
            for target in by_source[name].targets:
                yield from self._kinds(target, by_source)
        elif name in self.types:
            yield self.types[name]


def _naming_faults(kind: type[Event]) -> Iterable[str]:
    naming = definition_of(kind)
    label = kind.__qualname__
    if (
        not naming.base_name
        or REVISION_MARK in naming.base_name
        or naming.base_name.startswith(_OWN)
    ):
        yield (
            f"{label}: name {naming.base_name!r} must not be empty, start with {_OWN!r}, which "
            f"begins the store's own names, or hold {REVISION_MARK!r}, which begins a revision"
        )
    if naming.revision < 1:
        yield f"{label}: revision {naming.revision} must be 1 or more"
    if not isinstance(naming.aliases, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]
        yield f"{label}: aliases {naming.aliases!r} must be a tuple of stored names"
        return
    for alias in naming.aliases:
        if not alias or alias.startswith(_OWN):
            yield f"{label}: alias {alias!r} must not be empty or start with {_OWN!r}"


def _with_aliases(events: Mapping[str, type[Event]], faults: list[str]) -> dict[str, type[Event]]:
    types = dict(events)
    for kind in events.values():
        for alias in definition_of(kind).aliases:
            other = types.setdefault(alias, kind)
            if other is not kind:
                faults.append(
                    f"{kind.__qualname__} has the alias {alias!r}, which is a stored name of "
                    f"{other.__qualname__} too: keep one"
                )
            elif alias == definition_of(kind).name:
                faults.append(f"{kind.__qualname__}: its alias {alias!r} is its name: remove it")
    return types


def _by_source(upcasters: Sequence[Upcaster[Any]], faults: list[str]) -> dict[str, Upcaster[Any]]:
    table: dict[str, Upcaster[Any]] = {}
    for upcaster in upcasters:
        other = table.setdefault(upcaster.source, upcaster)
        if other is not upcaster:
            faults.append(f"there is an {other} and an {upcaster}: keep one")
    return table


def _upcaster_faults(
    upcasters: Iterable[Upcaster[Any]], types: Mapping[str, type[Event]]
) -> Iterable[str]:
    known = {*types, *(upcaster.source for upcaster in upcasters)}
    for upcaster in upcasters:
        shadowed = types.get(upcaster.source)
        if shadowed is not None:
            yield (
                f"{upcaster}: this is a stored name of {shadowed.__qualname__}, whose content "
                "needs none: raise its `revision`, or remove the alias"
            )
        if not upcaster.source or upcaster.source.startswith(_OWN):
            yield f"{upcaster}: its source must not be empty or start with {_OWN!r}"
        if inspect.iscoroutinefunction(upcaster.function):
            yield f"{upcaster} is async: an upcaster is pure"
        for said, target in zip(upcaster.to, upcaster.targets, strict=True):
            if target not in known or (isinstance(said, type) and types.get(target) is not said):
                yield (
                    f"{upcaster} leads to {target!r}, which is no stored name of an event of the "
                    "domain and no source of an upcaster"
                )


def _circles(by_source: Mapping[str, Upcaster[Any]]) -> Iterator[str]:
    """A sentence for each circle, told from the first of its sources."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> Iterator[str]:
        if name in path:
            circle = [*path[path.index(name) :], name]
            yield f"upcasters lead in a circle: {' → '.join(map(repr, circle))}"
        elif name in by_source and name not in done:
            for target in by_source[name].targets:
                yield from visit(target, [*path, name])
            done.add(name)

    for source in by_source:
        yield from visit(source, [])
