from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chekov.store.port import CommandFigures, SubscriptionRow
from chekov_operator.api.fault import Fault
from chekov_operator.kube.content import Content
from chekov_operator.kube.objects import Object


@dataclass(frozen=True, slots=True)
class CheckLog:
    """What the log of a check's pod holds.

    Attributes:
        document: the result, if there is one.
        fault: why there is none, if so.
    """

    document: str = ""
    fault: str = ""


class Server(NamedTuple):
    """The connections of a Postgres server.

    Attributes:
        used: to all of its databases.
        limit: how many it takes, without those that it reserves; 0 if that is not known.
    """

    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class ObservedBundle:
    """What belongs to a DomainBundle.

    Attributes:
        spec: as the user wrote it.
        store: the EventStore that it names, if that exists.
        missing: the objects that it refers to and that do not exist.
        contents: what is held by the objects that its specs refer to, by kind and name; `None` for
            one that does not exist.
        modules: the code to mount, from the spec or from a ConfigMap.
        children: everything it owns, by kind and name.
        pods: its pods, including those of checks.
        logs: of the checks that ended without a whole result in their termination message, by the
            name of the Job.
        warnings: of Kubernetes about Jobs without pods and pods without containers, by uid.
        running: the revision that runs, or ran last.
        completed: the revision that was last rolled out completely.
        status: as it was written last.
        rollout: how far the rollout was, according to the status or to what was decided since.
        is_store_read: whether the store has been read since the operator started.
        subscriptions: those of its domain in the store; `None` if they were not read.
        head: the store's newest position at that time.
        figures: of the commands that the domain's processes have executed.
        figures_before: the same at the begin of the step that a rollout is in.
        waiting: whether an event waits that its handlers take; `None` if that is not known.
        server: the connections of the store's server; `None` if pods do not connect to it, but to
            a pooler, or if they were not read.
        now: the time in seconds since the epoch.
    """

    spec: Mapping[str, object] = field(default_factory=dict[str, object])
    store: Object | None = None
    missing: Sequence[Fault] = ()
    contents: Mapping[tuple[str, str], Content | None] = field(
        default_factory=dict[tuple[str, str], Content | None]
    )
    modules: Mapping[str, str] | None = None
    children: Mapping[tuple[str, str], Object] = field(
        default_factory=dict[tuple[str, str], Object]
    )
    pods: Sequence[Object] = ()
    logs: Mapping[str, CheckLog] = field(default_factory=dict[str, CheckLog])
    warnings: Mapping[str, str] = field(default_factory=dict[str, str])
    running: str | None = None
    completed: str | None = None
    status: Mapping[str, object] = field(default_factory=dict[str, object])
    rollout: Object | None = None
    is_store_read: bool = True
    subscriptions: Sequence[SubscriptionRow] | None = None
    head: int = 0
    figures: Sequence[CommandFigures] = ()
    figures_before: Sequence[CommandFigures] = ()
    waiting: bool | None = None
    server: Server | None = None
    now: float = 0.0
