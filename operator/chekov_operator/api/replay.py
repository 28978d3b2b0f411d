"""A Replay's spec as a typed value."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from chekov.domain.handler_definition import StartFrom
from chekov.store.start_points import parse_start
from chekov_operator.api.spec import Body, InvalidSpec, Meta, parse_meta, parse_name
from chekov_operator.kube.objects import nested

_WORK: Final = ("from", "retry", "discard")
_CHOICES: Final = ("keys", "fingerprint", "all")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which parked events: of these keys, with this fingerprint, or all."""

    keys: Sequence[str] = ()
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Handle events again.

    Attributes:
        start: the origin, or the position or the time of the first event.
        beside: whether what a projection serves stays until the new tables are built.
    """

    start: StartFrom
    beside: bool


@dataclass(frozen=True, slots=True)
class Retry:
    """Handle parked events again."""

    chosen: Chosen


@dataclass(frozen=True, slots=True)
class Discard:
    """Give parked events up for a reason."""

    chosen: Chosen
    reason: str


Work: TypeAlias = Again | Retry | Discard


@dataclass(frozen=True, slots=True)
class Replay:
    """What is to be done once to a subscription.

    Attributes:
        meta: of the resource.
        subscription: the name of the Subscription.
        work: what is to be done.
        ttl_seconds: after which it is deleted once it is finished; `None` keeps it.
    """

    meta: Meta
    subscription: str
    work: Work
    ttl_seconds: int | None = None


def parse_replay(body: Body) -> Replay:
    """Parse a Replay.

    Raises:
        InvalidSpec: a field is invalid.
    """
    spec = nested(body, "spec")
    return Replay(
        meta=parse_meta(body),
        subscription=parse_name(nested(spec, "subscriptionRef"), "name", "spec.subscriptionRef"),
        work=_work(spec),
        ttl_seconds=nested(spec, "ttlSecondsAfterFinished"),
    )


def _work(spec: object) -> Work:
    [form] = _only(spec, _WORK, "spec")
    if form == "retry":
        return Retry(_chosen(nested(spec, "retry"), "spec.retry"))
    if form == "discard":
        reason = str(nested(spec, "discard", "reason") or "")
        if not reason.strip():
            raise InvalidSpec("spec.discard.reason", "expected why the events are given up")
        return Discard(_chosen(nested(spec, "discard"), "spec.discard"), reason)
    return Again(_start(str(nested(spec, "from"))), nested(spec, "mode") != "InPlace")


def _start(text: str) -> StartFrom:
    try:
        start = parse_start(text)
    except ValueError as error:
        raise InvalidSpec("spec.from", str(error)) from None
    if start == "now" or (isinstance(start, datetime) and start.tzinfo is None):
        raise InvalidSpec("spec.from", "must be origin, a position or a time with its zone")
    return start


def _chosen(given: object, path: str) -> Chosen:
    [form] = _only(given, _CHOICES, path)
    if form == "keys":
        return Chosen(keys=[str(key) for key in nested(given, "keys")])
    return Chosen(fingerprint=str(nested(given, "fingerprint")) if form == "fingerprint" else None)


def _only(given: object, names: Sequence[str], path: str) -> Sequence[str]:
    """The one of the fields that is set.

    Raises:
        InvalidSpec: none is, or several are.
    """
    found = [name for name in names if nested(given, name)]
    if len(found) != 1:
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        raise InvalidSpec(path, f"set exactly one of {listed}, not {' and '.join(found) or 'none'}")
    return found
