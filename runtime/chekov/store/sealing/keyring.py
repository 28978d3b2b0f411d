"""A cache of keys: created on demand, fetched in bulk, and fetched again after a minute."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID, uuid4

from chekov.errors import KeyUnusable
from chekov.store.port import Key, Keys
from chekov.store.sealing.cipher import Cipher, new_secret
from chekov.store.sealing.master import MasterKeys

K = TypeVar("K")
V = TypeVar("V")

LIFE_SECONDS: Final = 60.0
"""How long a key is cached: as long may a process read on that misses the notification of a
forgotten key."""

_MOST: Final = 10_000


class Sealer(NamedTuple):
    """A key, ready for use."""

    id: UUID
    cipher: Cipher
    secret: bytes


class Keyring:
    """The keys that this process used lately.

    Args:
        store: stores them.
        master: wraps and unwraps them.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        store: Keys,
        master: MasterKeys,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._master = master
        self._live: _Cache[str, Sealer] = _Cache(clock)
        self._by_id: _Cache[UUID, Sealer | None] = _Cache(clock)
        self._generation = 0

    async def of_subjects(self, subjects: AbstractSet[str]) -> Mapping[str, Sealer]:
        """Subject → its key, created if it has none.

        Raises:
            KeyUnusable: a key cannot be unwrapped.
        """
        found, missing = self._live.pick(subjects)
        while missing:
            generation = self._generation
            stored = await self._store.live_keys(missing)
            fresh = {name: self._unwrapped(key) for name, key in stored.items()}
            if generation == self._generation:
                self._live.add(fresh)
                self._by_id.add({sealer.id: sealer for sealer in fresh.values()})
            found.update(fresh)
            missing = [name for name in missing if name not in fresh]
            if missing:
                await self._store.offer_keys([self._new(name) for name in missing])
        return found

    async def of_ids(self, ids: AbstractSet[UUID]) -> Mapping[UUID, Sealer | None]:
        """Id → its key, or `None` when that was deleted.

        Keys that do not exist, or cannot be unwrapped, are left out.
        """
        while True:
            found, missing = self._by_id.pick(ids)
            if not missing:
                return found
            generation = self._generation
            fresh = dict(self._usable(await self._store.keys(missing)))
            if generation == self._generation:
                self._by_id.add(fresh)
                return {**found, **fresh}

    def clear(self) -> None:
        """Fetch every key again when it is needed."""
        self._generation += 1
        self._live.clear()
        self._by_id.clear()

    def _usable(self, stored: Mapping[UUID, Key | None]) -> Iterable[tuple[UUID, Sealer | None]]:
        for id_, key in stored.items():
            try:
                yield id_, None if key is None else self._unwrapped(key)
            except KeyUnusable:
                continue

    def _new(self, subject: str) -> Key:
        id_ = uuid4()
        return Key(id_, subject, self._master.wrap(id_, subject, new_secret()))

    def _unwrapped(self, key: Key) -> Sealer:
        secret = self._master.unwrap(key.id, key.subject, key.secret)
        return Sealer(key.id, Cipher(secret), secret)


class _Cache(Generic[K, V]):
    """A bounded number of values, each for a bounded time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._values: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def pick(self, names: Iterable[K]) -> tuple[dict[K, V], list[K]]:
        """The cached values, and the names of the others."""
        now = self._clock()
        found: dict[K, V] = {}
        missing: list[K] = []
        for name in names:
            value, until = self._values.get(name, (None, 0.0))
            if now < until:
                self._values.move_to_end(name)
                found[name] = value  # pyright: ignore[reportArgumentType] it was there
            else:
                missing.append(name)
        return found, missing

    def add(self, values: Mapping[K, V]) -> None:
        """Cache values, and evict the least recently used ones."""
        until = self._clock() + LIFE_SECONDS
        for name, value in values.items():
            self._values[name] = value, until
            self._values.move_to_end(name)
        while len(self._values) > _MOST:
            self._values.popitem(last=False)

    def clear(self) -> None:
        """Empty the cache."""
        self._values.clear()
