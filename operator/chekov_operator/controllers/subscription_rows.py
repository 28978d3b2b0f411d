"""What the rows of subscriptions in a store say: the one source of what statuses show. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from chekov.store.port import Generation, SubscriptionRow
from chekov_operator.api.fault import Fault
from chekov_operator.kube.objects import Object

WAITING: Final = "waiting"
"""The state of a partition that no pod owns."""

STATES: Final = ("stopped", "paused", WAITING, "catching-up", "live")
"""The states of a partition, the worst first."""


def rows_of(rows: Iterable[SubscriptionRow], name: str, version: int) -> Sequence[SubscriptionRow]:
    """The rows of a version of a handler, by partition.

    Of a projection that is being rebuilt, it is that of the generation that serves, if one does.
    """
    own = [row for row in rows if (row.key.name, row.key.version) == (name, version)]
    return [row for row in own if not row.building] or own


def row_status(row: SubscriptionRow, head: int) -> Object:
    """What a status shows of a partition."""
    item: Object = {
        "partition": row.key.partition,
        "state": state_of(row, head),
        "position": row.position,
        "lag": max(0, head - row.position),
        "parked": row.parked,
        "parkedKeys": row.parked_keys,
    }
    if row.owner:
        # An owner is the pod's name, "/" and an identifier of its process.
        item["owner"] = row.owner.partition("/")[0]
    return item


def state_of(row: SubscriptionRow, head: int) -> str:
    """The state of a partition in one word, one of `STATES`."""
    if row.state != "running":
        return row.state
    if row.owner is None:
        return WAITING
    return "live" if row.position >= head else "catching-up"


def fault_of_rows(rows: Sequence[SubscriptionRow]) -> Fault | None:
    """What a person should look at."""
    stopped = [f"{row.key.name}: {row.error}" for row in rows if row.state == "stopped"]
    if stopped:
        return Fault("SubscriptionStopped", f"stopped subscriptions: {'; '.join(stopped)}")
    parked = sum(row.parked for row in rows)
    if parked:
        names = ", ".join(dict.fromkeys(row.key.name for row in rows if row.parked))
        return Fault("EventsParked", f"{parked} events are parked by {names}")
    return None


def rebuild_status(generation: Generation) -> Object:
    """What a status shows of the tables of a projection that are being built."""
    left = generation.seconds_left
    return {
        "generation": generation.key.generation,
        "position": generation.position,
        "target": generation.target,
        "percent": int(generation.ratio * 100),
        **({} if left is None else {"secondsLeft": round(left)}),
    }
