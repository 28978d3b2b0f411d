from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chekov.store.postgres.inspect import StoreStatus
from chekov_operator.api.fault import Fault
from chekov_operator.kube.kinds import JOB
from chekov_operator.kube.objects import Object


@dataclass(frozen=True, slots=True)
class ObservedStore:
    """What belongs to an EventStore.

    Attributes:
        dsn_fault: why there is no usable DSN, if so.
        host: the servers that the DSN names, without credentials.
        state: what the database holds, if it answered.
        unreachable: why it did not answer.
        jobs: the migration Jobs by name.
        pods: the pods of these Jobs.
        now: the time in seconds since the epoch.
    """

    dsn_fault: Fault | None = None
    host: str | None = None
    state: StoreStatus | None = None
    unreachable: Fault | None = None
    jobs: Mapping[str, Object] = field(default_factory=dict[str, Object])
    pods: Sequence[Object] = ()
    now: float = 0.0


def jobs_in(children: Mapping[tuple[str, str], Object]) -> Mapping[str, Object]:
    return {name: body for (kind, name), body in children.items() if kind == JOB.name}
