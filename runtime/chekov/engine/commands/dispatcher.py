"""The write side of a domain, put together."""

from chekov.domain.domain import Domain
from chekov.engine.commands.admission import Admission
from chekov.engine.commands.aggregates import AggregateCache
from chekov.engine.commands.deadlines import Deadlines
from chekov.engine.commands.executor import CommandExecutor
from chekov.engine.commands.idempotency import Idempotency
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
        stream_of: names the stream of an instance.
        execute: executes the command in an envelope.
        close: refuses further commands.
        drain: refuses further commands, and returns when those in flight are answered.
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
    ) -> None:
        router = Router(domain)
        rehydrator = Rehydrator(store, codec, observer, snapshotter)
        self.aggregates = AggregateCache(store, rehydrator)
        executor = CommandExecutor(
            store.events, codec, self.aggregates, rehydrator, snapshotter, observer
        )
        idempotency = Idempotency(executor, self.aggregates, store.events, codec)
        admission = Admission(max_in_flight)
        pipeline = CommandPipeline(
            router,
            observer,
            admission,
            Observation(observer),
            Deadlines(timeout),
            compose(domain.middleware, idempotency.handle),
        )
        self.stream_of = router.stream_of
        self.execute = pipeline.execute
        self.close = admission.close
        self.drain = admission.drain
        self.rehydrate = rehydrator.run
