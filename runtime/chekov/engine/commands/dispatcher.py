"""The write side of a domain, put together."""

from collections.abc import Awaitable, Callable

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.scope import Scope
from chekov.engine.commands.admission import Admission
from chekov.engine.commands.aggregates import AggregateCache
from chekov.engine.commands.boundary_executor import BoundaryExecutor, executed_by
from chekov.engine.commands.cache_limits import CacheLimits
from chekov.engine.commands.condition_checks import ConditionChecks
from chekov.engine.commands.deadlines import Deadlines
from chekov.engine.commands.executor import CommandExecutor
from chekov.engine.commands.following import LogFollower
from chekov.engine.commands.idempotency import Idempotency
from chekov.engine.commands.instance_cache import InstanceCache
from chekov.engine.commands.observation import Observation
from chekov.engine.commands.pipeline import CommandPipeline, compose
from chekov.engine.commands.rehydration import Rehydrator
from chekov.engine.commands.router import Router
from chekov.engine.commands.snapshots import Snapshotter
from chekov.engine.observer import Observer
from chekov.serialization.codec import Codec
from chekov.store.port import Store


class Dispatcher:
    """What executes the commands of a domain.

    Attributes:
        aggregates: the live aggregates.
        conditions: checks accepted conditions again.
        stream_of: names the stream of an instance.
        execute: executes the command in an envelope.
        close: refuses further commands.
        drain: refuses further commands, and returns when those in flight are answered.
        follow: keeps the live aggregates up to date with the log, until it is cancelled.
        rehydrate: reads on where the time of a command was over, until it is cancelled.
    """

    def __init__(
        self,
        domain: Domain,
        store: Store,
        codec: Codec,
        observer: Observer,
        snapshotter: Snapshotter,
        *,
        timeout: float,
        max_in_flight: int,
        cache: CacheLimits,
        check: Callable[[Scope], Awaitable[None]],
        debug: bool,
    ) -> None:
        router = Router(domain, timeout, debug=debug)
        rehydrator = Rehydrator(store.events, store.streams, codec, observer, snapshotter)
        instances = InstanceCache(cache, [definition_of(item) for item in domain.aggregates])
        self.aggregates = AggregateCache(store, rehydrator, instances)
        executor = CommandExecutor(
            store.events, codec, self.aggregates, rehydrator, snapshotter, observer
        )
        self.conditions = ConditionChecks(store.events)
        boundaries = BoundaryExecutor(
            domain, store.events, codec, executor, observer, check, self.conditions
        )
        idempotency = Idempotency(
            executed_by(executor, boundaries), self.aggregates, store.events, codec
        )
        admission = Admission(max_in_flight)
        pipeline = CommandPipeline(
            router,
            observer,
            admission,
            Observation(observer),
            Deadlines(),
            compose(domain.middleware, domain.authorize, idempotency.handle),
        )
        self.stream_of = router.stream_of
        self.execute = pipeline.execute
        self.close = admission.close
        self.drain = admission.drain
        self.follow = LogFollower(store.tail, codec, self.aggregates, rehydrator).run
        self.rehydrate = rehydrator.run
