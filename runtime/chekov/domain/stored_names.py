"""Which stored names are read as which event: the current ones, aliases, and what is upcast."""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from chekov.domain.definitions import definition_of
from chekov.domain.messages import REVISION_MARK, Event
from chekov.domain.names import NAME_BYTES, OWN, is_name
from chekov.domain.upcasting import Upcaster, UpcasterChain


class StoredNames:
    """The stored names of a domain's events.

    Attributes:
        types: each stored name whose content fits an event type as it is → the type.
        upcasting: turns events of any further stored name into these.
    """

    def __init__(
        self, events: Mapping[str, type[Event]], upcasters: Sequence[object], faults: list[str]
    ) -> None:
        for kind in events.values():
            _check_names(kind, faults)
        self.types = _with_aliases(events, faults)
        by_source = _by_source(upcasters, faults)
        self.upcasting = UpcasterChain(by_source)
        for upcaster in by_source.values():
            _check_upcaster(upcaster, by_source, self.types, faults)
        circles = _circles(by_source)
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
            KeyError: the domain has no such event.
        """
        return tuple(self._names[kind])

    def _kinds(self, name: str, by_source: Mapping[str, Upcaster[Any]]) -> Iterator[type[Event]]:
        if name in by_source:
            for target in by_source[name].targets:
                yield from self._kinds(target, by_source)
        elif name in self.types:
            yield self.types[name]


def _check_names(kind: type[Event], faults: list[str]) -> None:
    definition = definition_of(kind)
    label = kind.__qualname__
    name = definition.base_name
    if not name or REVISION_MARK in name or name.startswith(OWN):
        faults.append(
            f"{label}: name {name!r} must not be empty, start with {OWN!r}, which begins the "
            f"store's own names, or contain {REVISION_MARK!r}, which begins a revision"
        )
    elif not is_name(definition.name):
        faults.append(
            f"{label}: name {name[:60]!r} must be at most {NAME_BYTES} bytes of UTF-8 without NUL"
        )
    if definition.revision < 1:
        faults.append(f"{label}: revision {definition.revision} must be 1 or more")
    if not isinstance(definition.aliases, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]
        faults.append(f"{label}: aliases {definition.aliases!r} must be a tuple of stored names")
        return
    faults.extend(
        f"{label}: alias {alias!r} must not be empty or start with {OWN!r}"
        for alias in definition.aliases
        if not alias or alias.startswith(OWN)
    )


def _with_aliases(events: Mapping[str, type[Event]], faults: list[str]) -> dict[str, type[Event]]:
    types = dict(events)
    for kind in events.values():
        definition = definition_of(kind)
        for alias in definition.aliases:
            other = types.setdefault(alias, kind)
            if other is not kind:
                faults.append(
                    f"{kind.__qualname__} has the alias {alias!r}, which is a stored name of "
                    f"{other.__qualname__} too: keep one"
                )
            elif alias == definition.name:
                faults.append(f"{kind.__qualname__}: its alias {alias!r} is its name: remove it")
    return types


def _by_source(items: Iterable[object], faults: list[str]) -> dict[str, Upcaster[Any]]:
    table: dict[str, Upcaster[Any]] = {}
    for item in items:
        if not isinstance(item, Upcaster):
            faults.append(
                f"upcasters: {item!r} is not an upcaster: decorate a function with @upcast"
            )
            continue
        upcaster = cast("Upcaster[Any]", item)
        other = table.setdefault(upcaster.source, upcaster)
        if other is not upcaster:
            faults.append(f"there is an {other} and an {upcaster}: keep one")
    return table


def _check_upcaster(
    upcaster: Upcaster[Any],
    by_source: Mapping[str, Upcaster[Any]],
    types: Mapping[str, type[Event]],
    faults: list[str],
) -> None:
    shadowed = types.get(upcaster.source)
    if shadowed is not None:
        faults.append(
            f"{upcaster}: this is a stored name of {shadowed.__qualname__}, whose content "
            "needs none: raise its `revision`, or remove the alias"
        )
    if not upcaster.source or upcaster.source.startswith(OWN):
        faults.append(f"{upcaster}: its source must not be empty or start with {OWN!r}")
    if inspect.iscoroutinefunction(upcaster.function):
        faults.append(f"{upcaster} is async, but an upcaster is pure")
    for to, target in zip(upcaster.to, upcaster.targets, strict=True):
        is_known = target in types or target in by_source
        if not is_known or (isinstance(to, type) and types.get(target) is not to):
            faults.append(
                f"{upcaster} leads to {target!r}, which is neither a stored name of an event of "
                "the domain nor the source of an upcaster"
            )


def _circles(by_source: Mapping[str, Upcaster[Any]]) -> list[str]:
    """A sentence for each circle of upcasters, starting from the first of its sources."""
    done: set[str] = set()
    found: list[str] = []

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            circle = [*path[path.index(name) :], name]
            found.append(f"upcasters lead in a circle: {' → '.join(map(repr, circle))}")
        elif name in by_source and name not in done:
            for target in by_source[name].targets:
                visit(target, [*path, name])
            done.add(name)

    for source in by_source:
        visit(source, [])
    return found
