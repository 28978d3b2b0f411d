"""The projections of a domain: queries, rebuilds, and what is known of their generations."""

from collections.abc import Mapping, Sequence
from typing import Any

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.handler import Projection
from chekov.domain.methods import Method
from chekov.domain.queries import check_arguments, find_query
from chekov.engine.commands.consistency import Consistency
from chekov.engine.subscriptions.generations import GenerationKeeper
from chekov.engine.subscriptions.keys import subscription_key
from chekov.errors import StoreError, StoreUnavailable, UnknownSubscription
from chekov.serialization.results import as_declared
from chekov.store.port import Generation, Generations, ReadModels, Store, SubscriptionKey


class Projections:
    """Asks, rebuilds and drops the read models of a domain.

    Args:
        domain: has the projections.
        store: has their tables.
        consistency: waits for their checkpoints.
        keeper: follows their generations.
    """

    def __init__(
        self, domain: Domain, store: Store, consistency: Consistency, keeper: GenerationKeeper
    ) -> None:
        self._domain = domain.name
        self._store = store
        self._consistency = consistency
        self._keeper = keeper
        self._handlers = {definition_of(item).name: item for item in domain.projections}
        self._keys = {
            name: subscription_key(domain, handler) for name, handler in self._handlers.items()
        }

    @property
    def generations(self) -> Sequence[Generation]:
        """Every generation in the store, as this process last read them; also of other versions."""
        return self._keeper.found

    @property
    def held(self) -> str:
        """Why this process should get no requests yet; empty when it may get them.

        A version of a projection is being built that serves nowhere yet, while other processes
        serve another version. Once this is empty it stays so.
        """
        return self._keeper.held

    async def list(self) -> Sequence[Generation]:
        """Every generation in the store, read now; none of a store that has no read models.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        models = self._store.read_models
        return () if models is None else await models.generations.list(self._domain)

    async def rebuild(self, name: str, *, beside: bool = True) -> SubscriptionKey:
        """Build the tables of a projection again.

        They take over when they have caught up.

        Args:
            name: of the projection.
            beside: whether queries are answered as before until then; else what serves is taken
                away at once, and they are refused with the progress.

        Raises:
            UnknownSubscription: the domain has no such projection.
            GenerationRefused: none serves yet, or another one is being built.
        """
        version = self._key(name).version
        return await self._generations.rebuild(self._domain, name, version, beside=beside)

    async def cancel(self, name: str) -> SubscriptionKey:
        """End a rebuild and drop what it has built.

        Raises:
            UnknownSubscription: the domain has no such projection.
            GenerationRefused: none is being built beside one that serves.
        """
        return await self._generations.cancel(self._domain, name, self._key(name).version)

    async def drop(self, name: str, version: int, generation: int = 1) -> None:
        """Drop a generation that no process uses, with its tables; also of another version.

        Raises:
            GenerationRefused: there is none, or a process uses it.
        """
        key = SubscriptionKey(self._domain, name, version, generation=generation)
        await self._generations.drop(key)

    async def query(
        self,
        projection: str,
        query: str,
        arguments: Mapping[str, Any],
        *,
        min_position: int = 0,
        timeout: float = 5.0,
    ) -> object:
        """Ask a projection; the generation that serves answers.

        Args:
            projection: its name.
            query: the name of its method.
            arguments: of the method, by name.
            min_position: wait until everything up to here is in its tables.
            timeout: seconds to wait for that.

        Raises:
            UnknownQuery: there is no such projection, or it has no such query.
            InvalidArgument: the arguments are not those of the query.
            ProjectionBuilding: its tables are being built, and none serves yet.
            ConsistencyTimeout: it has not reached `min_position` in time.
            StoreUnavailable: the database does not answer; it was asked twice.
            UnexpectedResult: the query returned something else than its annotation says.
            StoreError: the store has no read models.
        """
        handler, method = find_query(self._handlers.values(), projection, query)
        check_arguments(f"{projection}/{query}", method, arguments)
        key = self._keys[projection]
        models = self._models
        if min_position:
            await self._consistency.wait(min_position, [key], timeout)
        try:
            result = await self._ask(models, key, handler, method, arguments)
        except StoreUnavailable:
            # It only reads. The connection was lost, or a table of its statements was altered.
            result = await self._ask(models, key, handler, method, arguments)
        return as_declared(f"{projection}/{query}", result, method.returns)

    @staticmethod
    async def _ask(
        models: ReadModels,
        key: SubscriptionKey,
        handler: Projection,
        method: Method,
        arguments: Mapping[str, Any],
    ) -> object:
        async with models.serving(key) as connection:
            return await method.function(handler, connection, **arguments)

    def _key(self, name: str) -> SubscriptionKey:
        try:
            return self._keys[name]
        except KeyError:
            raise UnknownSubscription(name, sorted(self._keys)) from None

    @property
    def _generations(self) -> Generations:
        return self._models.generations

    @property
    def _models(self) -> ReadModels:
        models = self._store.read_models
        if models is None:
            raise StoreError("the store in memory has no tables to query: use Postgres")
        return models
