"""The annotations of the fields of events, with their marks."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any, cast, get_type_hints

from chekov.domain.messages import Event


def field_hints(events: Iterable[type[Event]]) -> Iterator[tuple[type[Event], dict[str, Any]]]:
    """Each event type with the annotations of its fields, unless one cannot be evaluated."""
    for kind in events:
        try:
            hints = get_type_hints(kind, include_extras=True)
        except (NameError, TypeError):  # the codec reports it
            continue
        yield kind, {item.name: hints[item.name] for item in fields(cast("Any", kind))}
