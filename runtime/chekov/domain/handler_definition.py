"""What a handler's class says about its subscription, and what an installation says instead."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.domain.failure import ON_FAILURE, OnFailure, Retry, retry_fault
from chekov.domain.messages import Event
from chekov.domain.methods import Method
from chekov.domain.partitioning import BY_STREAM

HandlerConsistency: TypeAlias = Literal["eventual", "strong"]
"""Whether a command that is dispatched with `consistency="strong"` waits for a handler."""

StartFrom: TypeAlias = Literal["origin", "now"] | int | datetime
"""Where a subscription starts when it is first registered.

`"origin"` is the first event of the log, `"now"` is after the last one, an integer is the position
of the first event, and a time with a zone stands for the first event at or after it.
"""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z")
_HIGHEST_VERSION: Final = 2**31 - 1
_HIGHEST_POSITION: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerDefinition:
    """What the class statement and the methods of an event handler say.

    Attributes:
        name: names its subscription.
        version: of the subscription; another one starts anew.
        retry: how often a failing event is tried; `None` as the runtime says.
        on_failure: what happens to an event that keeps failing.
        partitions: into how many parts its events are divided, by their keys.
        start_from: where it starts when it is first registered.
        filter: which of these events it takes.
        consistency: whether a dispatch with `consistency="strong"` waits for it.
        handlers: event type → the method that handles it.
        keys: event type → the method that returns its key; none if its stream is the key.
        keyed_by: tells whether two releases have the same keys, see `keyed_by`.
        queries: of a projection, its queries by name.
        tables: of a projection, the SQL that creates its tables.
        independent_writes: of a projection, whether deferred writes may change their order.
        faults: one sentence for each mistake in the class.
    """

    name: str
    version: int = 1
    retry: Retry | None = None
    on_failure: OnFailure = "park"
    partitions: int = 1
    start_from: StartFrom = "origin"
    filter: EventFilter = EVERYTHING
    consistency: HandlerConsistency = "eventual"
    handlers: Mapping[type[Event], Method]
    keys: Mapping[type[Event], Method] = field(default_factory=dict[type[Event], Method])
    keyed_by: str = BY_STREAM
    queries: Mapping[str, Method] = field(default_factory=dict[str, Method])
    tables: str = ""
    independent_writes: bool = False
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerSettings:
    """What an installation says about one handler, in place of its class; `None` changes nothing.

    The attributes are class keywords of the handler, see `EventHandler`.
    """

    retry: Retry | None = None
    on_failure: OnFailure | None = None
    partitions: int | None = None
    start_from: StartFrom | None = None
    consistency: HandlerConsistency | None = None

    def over(self, definition: HandlerDefinition) -> HandlerDefinition:
        """Return the definition with these settings in place of what the class says."""
        given = {item.name: getattr(self, item.name) for item in fields(self)}
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return replace(definition, **chosen)


def keyword_faults(label: str, definition: HandlerDefinition, *, most_partitions: int) -> list[str]:
    """What is wrong with the values of a handler's class keywords or settings.

    Args:
        label: what each sentence begins with: the class.
        definition: has the values.
        most_partitions: how many a handler of its kind may have.
    """
    return [f"{label}: {fault}" for fault in _faults(definition, most_partitions) if fault]


def _faults(definition: HandlerDefinition, most_partitions: int) -> list[str]:
    return [
        ""
        if _NAME.match(definition.name)
        else f"name {definition.name!r} must start with a letter and hold only letters, digits, "
        "'-' and '_', 40 at most",
        ""
        if 1 <= definition.version <= _HIGHEST_VERSION
        else f"version {definition.version} must be 1 to {_HIGHEST_VERSION}",
        ""
        if definition.on_failure in ON_FAILURE
        else f"on_failure {definition.on_failure!r} is not 'park', 'skip' or 'stop'",
        ""
        if definition.consistency in get_args(HandlerConsistency)
        else f"consistency {definition.consistency!r} is not 'eventual' or 'strong'",
        _partitions_fault(definition.partitions, most_partitions),
        _start_fault(definition.start_from),
        "" if definition.retry is None else retry_fault(definition.retry),
        _filter_fault(definition.filter),
    ]


def _partitions_fault(partitions: object, most: int) -> str:
    if isinstance(partitions, int) and 1 <= partitions <= most:
        return ""
    if most == 1:
        return f"partitions {partitions!r} must be left out: only event handlers are partitioned"
    return f"partitions {partitions!r} must be 1 to {most}"


def _start_fault(start: object) -> str:
    if start in ("origin", "now") or (
        isinstance(start, datetime) and start.utcoffset() is not None
    ):
        return ""
    if isinstance(start, datetime):
        return f"start_from {start.isoformat()} needs a time zone, such as tzinfo=UTC"
    if isinstance(start, int) and not isinstance(start, bool):
        if 1 <= start <= _HIGHEST_POSITION:
            return ""
        return f"start_from {start} must be a position, from 1 on, or 'origin' or 'now'"
    return f"start_from {start!r} is not 'origin', 'now', a position or a datetime with a zone"


def _filter_fault(filter: object) -> str:
    if isinstance(filter, EventFilter):
        return ""
    return f"filter {filter!r} is not an EventFilter(category=…, …)"
