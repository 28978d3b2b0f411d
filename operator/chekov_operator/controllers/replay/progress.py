"""How far a Replay is that was carried out in the store. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chekov.store.port import Generation, SubscriptionRow
from chekov_operator.api.fault import Fault
from chekov_operator.api.replay import Again, Discard, Replay
from chekov_operator.controllers.replay.observed import ObservedReplay
from chekov_operator.kube.objects import Object


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is.

    Attributes:
        status: what its status shows of that.
        message: the same in a sentence, without numbers that move.
        complete: whether it is done.
        failed: why it never will be, if so.
    """

    status: Object = field(default_factory=dict[str, Any])
    message: str = ""
    complete: bool = False
    failed: Fault | None = None


def progress_of(replay: Replay, observed: ObservedReplay, known: Mapping[str, Any]) -> Progress:
    """How far a Replay is.

    Args:
        replay: what was asked for.
        observed: what the store says.
        known: its status so far, with what has just been done.
    """
    if isinstance(replay.work, Discard):
        count = int(known.get("counts", {}).get("discarded", 0))
        return Progress(message=f"{_events(count)} given up", complete=True)
    if not isinstance(replay.work, Again):
        return _of_retry(observed, known)
    if observed.target is not None and observed.target.kind == "projection":
        return _of_rebuild(replay.meta.uid, observed, known)
    return _of_rewind(replay.meta.uid, observed, known)


def _of_retry(observed: ObservedReplay, known: Mapping[str, Any]) -> Progress:
    left = observed.still_parked
    retried = int(known.get("counts", {}).get("retried", 0))
    if left is None:
        return Progress(message="the events are handled again")
    again = sum(count for state, count in left.items() if state != "retrying")
    waiting = left.get("retrying", 0)
    retried = max(retried, again + waiting)
    counts = {"retried": retried, "handled": retried - again - waiting, "failedAgain": again}
    if waiting:
        return Progress({"counts": counts}, _hindrance(observed.rows) or _HANDLED_AGAIN)
    message = f"{_events(retried)} handled"
    if again:
        message = f"{_events(retried)} tried again, and {again} failed again"
    return Progress({"counts": counts}, message, complete=True)


def _of_rebuild(uid: str, observed: ObservedReplay, known: Mapping[str, Any]) -> Progress:
    found = next((item for item in observed.generations if item.replay == uid), None)
    if found is None:
        return _unseen(known, "Cancelled", "the tables that it was building have been dropped")
    if found.state != "building":
        message = f"generation {found.key.generation} serves"
        return Progress({**_figures(found), "percent": 100}, message, complete=True)
    own = [row for row in observed.rows if row.key.generation == found.key.generation]
    left = found.seconds_left
    return Progress(
        {**_figures(found), **({} if left is None else {"secondsLeft": round(left)})},
        _hindrance(own) or f"generation {found.key.generation} is being built",
    )


def _figures(found: Generation) -> Object:
    return {
        "start": found.start,
        "position": found.position,
        "target": found.target,
        "percent": min(int(found.ratio * 100), 99),
    }


def _of_rewind(uid: str, observed: ObservedReplay, known: Mapping[str, Any]) -> Progress:
    rows = [row for row in observed.rows if row.replay == uid]
    if not rows:
        return _unseen(known, "Superseded", "the subscription has begun again for another reason")
    start = int(known.get("start", 0))
    position = min(row.position for row in rows)
    target = max(row.registered for row in rows)
    figures: Object = {"start": start, "position": position, "target": target}
    if all(row.position >= row.registered for row in rows):
        message = "everything is handled that had been handled before"
        return Progress({**figures, "percent": 100}, message, complete=True)
    done, whole = max(position - start, 0), max(target - start, 1)
    figures["percent"] = min(done * 100 // whole, 99)
    since = datetime.fromisoformat(str(known["startedAt"])).timestamp()
    if done:
        figures["secondsLeft"] = round((whole - done) * max(observed.now - since, 0) / done)
    return Progress(figures, _hindrance(rows) or _HANDLED_AGAIN)


def _unseen(known: Mapping[str, Any], reason: str, message: str) -> Progress:
    """What the store does not show: any more, if the status shows that it did, or not yet."""
    if "target" in known:
        return Progress(failed=Fault(reason, message))
    return Progress(message="it has begun")


def _hindrance(rows: Sequence[SubscriptionRow]) -> str:
    """Why nothing moves, if nothing does."""
    for row in rows:
        if row.state == "stopped":
            return f"the subscription is stopped: {row.error}"
        if row.state == "paused":
            return "the subscription is paused: resume it"
    if rows and all(row.owner is None for row in rows):
        return "no pod owns the subscription"
    return ""


_HANDLED_AGAIN = "the events are handled again"


def _events(count: int) -> str:
    return "1 event is" if count == 1 else f"{count} events are"
