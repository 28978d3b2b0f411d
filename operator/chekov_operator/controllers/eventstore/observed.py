from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chekov_operator.kube.kinds import JOB, NETWORK_POLICY
from chekov_operator.kube.objects import Object
from chekov_operator.stores.poller import Reading


@dataclass(frozen=True, slots=True)
class ObservedStore:
    """What belongs to an EventStore.

    Attributes:
        reading: what was last read from the database; `None` if nothing has been read yet.
        known_events: how many events the store had when its status was written.
        jobs: the migration Jobs by name.
        policies: the names of their network policies.
        pods: the pods of these Jobs.
        warnings: of Kubernetes about Jobs without pods and pods without containers, by uid.
        needed: how many connections to its server rollouts of its bundles wait for.
        now: the time in seconds since the epoch.
    """

    reading: Reading | None = None
    known_events: int = 0
    jobs: Mapping[str, Object] = field(default_factory=dict[str, Object])
    policies: Sequence[str] = ()
    pods: Sequence[Object] = ()
    warnings: Mapping[str, str] = field(default_factory=dict[str, str])
    needed: int = 0
    now: float = 0.0


def policies_in(children: Mapping[tuple[str, str], Object]) -> Sequence[str]:
    return [name for kind, name in children if kind == NETWORK_POLICY.name]


def jobs_in(children: Mapping[tuple[str, str], Object]) -> Mapping[str, Object]:
    return {name: body for (kind, name), body in children.items() if kind == JOB.name}
