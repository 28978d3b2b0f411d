"""What a running domain can be asked."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.messages import Event
from chekov.engine.commands.aggregates import Loaded
from chekov.engine.engine import Engine
from chekov.engine.subscriptions.subscription import SubscriptionStatus
from chekov.errors import StoreError
from chekov.serialization.codec import Codec
from chekov.store.port import RecordedEvent, Store, SubscriptionKey

A = TypeVar("A", bound=Aggregate)


class Reading:
    """The questions that change nothing; how a domain is run is for the class below.

    Attributes:
        domain: what is run.
        codec: reads and writes its messages.
        engine: the parts that run it.
    """

    def __init__(self, domain: Domain, store: Store, codec: Codec, engine: Engine) -> None:
        self.domain = domain
        self.codec = codec
        self.engine = engine
        self._read_models = store.read_models

    @property
    def subscriptions(self) -> Mapping[str, SubscriptionStatus]:
        """How each subscription stands in this process."""
        return self.engine.subscriptions

    @property
    def instances(self) -> int:
        """How many aggregates this process holds in memory."""
        return len(self.engine.dispatcher.instances)

    async def load(
        self, aggregate: type[A], identifier: object, *, at: int | datetime | None = None
    ) -> Loaded[A]:
        """A copy of an instance's state as it is stored now, or as it was.

        Args:
            aggregate: its class.
            identifier: which instance.
            at: a version that it had; or a time with a zone, for the last version from until then.

        Raises:
            StreamNotFound: nothing was stored for it, or nothing until then.
            StreamDeleted: it was deleted.
            WrongExpectedVersion: it has no version `at`.
            HistoryTruncated: its first events are gone, and no snapshot fits.
            Undecodable: one of its events cannot be read.
            ValueError: the time has no zone.
        """
        return await self.engine.dispatcher.instances.load(aggregate, identifier, at)

    async def query(self, projection: str, query: str, arguments: Mapping[str, object]) -> object:
        """Ask a projection.

        Raises:
            LookupError: there is no such projection, or it has no such query.
            StoreError: the store has no read models.
            TypeError: the arguments are not those of the query.
        """
        found = {definition_of(item).name: item for item in self.domain.projections}[projection]
        definition = definition_of(found)
        method = definition.queries[query]
        key = SubscriptionKey(self.domain.name, definition.name, definition.version)
        read_models = self._read_models
        if read_models is None:
            raise StoreError("the store in memory has no tables to query: use Postgres")
        async with read_models.read_connection(
            search_path=read_models.schema_for(key)
        ) as connection:
            return await method.function(found, connection, **arguments)

    def decode(self, recorded: RecordedEvent) -> Event:
        """A stored event in its type.

        Raises:
            Undecodable: the domain does not know it, it does not fit, or upcasters make none or
                several of it; or it is sealed, since it was not read from `unsealed`.
        """
        return self.codec.decode(recorded)

    def decode_all(self, recorded: RecordedEvent) -> Sequence[Event]:
        """What a stored event is to the domain: one event, or what upcasters make of it.

        Raises:
            Undecodable: the domain does not know it, it does not fit, or an upcaster failed.
        """
        return self.codec.decode_all(recorded)

    async def wait(
        self, position: int, subscriptions: Collection[str] | None = None, timeout: float = 5.0
    ) -> None:
        """Return when subscriptions, by default all of the domain, have handled a position.

        Raises:
            ConsistencyTimeout: `timeout` seconds passed before.
            KeyError: there is no subscription of a name.
        """
        await self.engine.consistency.wait(position, subscriptions, timeout)
