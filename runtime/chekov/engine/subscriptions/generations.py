"""Which generations of its projections a process builds, runs and answers queries from."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from chekov.errors import StoreError
from chekov.store.port import Generation, Generations, Store, SubscriptionKey

_DROP_SECONDS: Final = 60.0
"""For how long the tables of a retired generation stay: as a query's transaction may."""

_log: Final = logging.getLogger(__name__)


class GenerationKeeper:
    """Follows the generations of a domain's projections in the store.

    Args:
        store: holds them.
        projections: the keys of the domain's projections, without regard to generations.
        adopt: is called with the keys of the generations to be run, by key of `projections`.
    """

    def __init__(
        self,
        store: Store,
        projections: Collection[SubscriptionKey],
        adopt: Callable[[Mapping[SubscriptionKey, Sequence[SubscriptionKey]]], None],
    ) -> None:
        self._store = store
        self._projections = tuple(projections)
        self._adopt = adopt
        self._found: Sequence[Generation] = ()
        self._current: Mapping[SubscriptionKey, SubscriptionKey] = {}
        self._held: dict[SubscriptionKey, Generation] | None = None

    @property
    def active(self) -> bool:
        """Whether there is anything to follow."""
        return self._generations is not None

    @property
    def found(self) -> Sequence[Generation]:
        """Every generation of the domain's projections, of other versions as well."""
        return self._found

    @property
    def held(self) -> str:
        """What this process should finish before it gets requests; empty when it may get them.

        That is a version of a projection that no generation serves yet, while other processes serve
        another one. Once it is empty it stays so.
        """
        return "; ".join(map(str, (self._held or {}).values()))

    def current(self, key: SubscriptionKey) -> SubscriptionKey:
        """The key of the generation that answers for one of the domain's subscriptions."""
        return self._current.get(key, key)

    async def refresh(self) -> None:
        """Read the generations, and run those that this process should.

        Raises:
            StoreError: the store is away.
        """
        generations = self._generations
        if generations is None:
            return
        found = await generations.list(self._projections[0].domain)
        self._found = found
        every = {key: [item for item in found if _is_of(item, key)] for key in self._projections}
        own = {key: items for key, items in every.items() if items}
        self._current = {key: _answering(items).key for key, items in own.items()}
        self._hold(own)
        self._adopt({key: [item.key for item in items] for key, items in own.items()})

    async def run(self, interval: float) -> None:
        """Refresh whenever a generation may have changed, and every `interval` seconds."""
        seen = 0
        while True:
            seen = await self._store.wait("subscriptions", seen, interval)
            try:
                await self.refresh()
                await self._drop_retired()
            except StoreError as error:
                _log.warning("generations were not read", extra={"error": str(error)})

    @property
    def _generations(self) -> Generations | None:
        models = self._store.read_models
        return models.generations if models is not None and self._projections else None

    async def _drop_retired(self) -> None:
        if self._generations is not None and any(item.state == "retired" for item in self._found):
            await self._generations.drop_retired(self._found[0].key.domain, after=_DROP_SECONDS)

    def _hold(self, own: Mapping[SubscriptionKey, Sequence[Generation]]) -> None:
        candidates = own.keys() if self._held is None else self._held.keys()
        self._held = {
            key: _answering(own[key])
            for key in candidates
            if key in own
            and _answering(own[key]).state == "building"
            and any(_is_served_elsewhere(item, key) for item in self._found)
        }


def _is_of(generation: Generation, key: SubscriptionKey) -> bool:
    """Whether it is one of a projection's version that has to be run."""
    return replace(generation.key, generation=1) == key and generation.state != "retired"


def _answering(generations: Sequence[Generation]) -> Generation:
    """The one that serves, or else the one that is being built."""
    return next((item for item in generations if item.state == "serving"), generations[0])


def _is_served_elsewhere(generation: Generation, key: SubscriptionKey) -> bool:
    """Whether a process serves another version of a projection."""
    other = generation.key
    return (
        generation.state == "serving"
        and generation.in_use
        and other.name == key.name
        and other.version != key.version
    )
