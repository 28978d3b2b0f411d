"""A subscription as people and probes see it."""

from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "catching-up", "live", "retrying", "paused", "stopped"]


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """A subscription as this process sees it.

    Attributes:
        name: as the domain calls it.
        kind: of its handler: `handler`, `projection`, or one registered by other code.
        version: of its handler.
        partition: which part of the events it handles, from 0.
        generation: of a projection, which build of its tables.
        state: `waiting` while another process runs it, `live` near the head of the log.
        owned: whether it runs here.
        position: everything up to here is handled; of one that runs elsewhere, as of its last
            checkpoint.
        head: the newest position known.
        lag: `head - position`.
        parked: events that were set aside.
        parked_keys: keys that these block.
        error: why it stopped or what it retries.
    """

    name: str
    kind: str
    version: int
    partition: int
    generation: int
    state: State
    owned: bool
    position: int
    head: int
    lag: int
    parked: int
    parked_keys: int
    error: str | None
