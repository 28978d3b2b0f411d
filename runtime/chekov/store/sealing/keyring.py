"""Keys at hand: made when they are needed, fetched many at once, and soon looked up anew."""

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
"""How long a key is used at most after it was looked up: as long may a process that hears of no
forgetting go on reading."""

_MOST: Final = 10_000


class Sealer(NamedTuple):
    """What a value is sealed with."""

    id: UUID
    cipher: Cipher
    secret: bytes


class Keyring:
    """The keys that this process used lately.

    Args:
        store: keeps them.
        master: wraps and unwraps what it keeps.
        clock: seconds that never go back.
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
        """Subject → what to seal with; keys are made where there are none.

        Raises:
            KeyUnusable: the key of one of them cannot be unwrapped.
        """
        found, missing = self._live.pick(subjects)
        while missing:
            generation = self._generation
            kept = await self._store.live_keys(missing)
            fresh = {name: self._unwrapped(key) for name, key in kept.items()}
            if generation == self._generation:
                self._live.keep(fresh)
                self._by_id.keep({sealer.id: sealer for sealer in fresh.values()})
            found.update(fresh)
            missing = [name for name in missing if name not in fresh]
            if missing:
                await self._store.offer_keys([self._new(name) for name in missing])
        return found

    async def of_ids(self, ids: AbstractSet[UUID]) -> Mapping[UUID, Sealer | None]:
        """Id → what to open with, or `None` when the key was taken away.

        Those that are not there or cannot be unwrapped are left out.
        """
        while True:
            found, missing = self._by_id.pick(ids)
            if not missing:
                return found
            generation = self._generation
            fresh = dict(self._usable(await self._store.keys(missing)))
            if generation == self._generation:
                self._by_id.keep(fresh)
                return {**found, **fresh}

    def clear(self) -> None:
        """Look everything up anew."""
        self._generation += 1
        self._live.clear()
        self._by_id.clear()

    def _usable(self, kept: Mapping[UUID, Key | None]) -> Iterable[tuple[UUID, Sealer | None]]:
        for id_, key in kept.items():
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
        """What is at hand, and the names of the rest."""
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

    def keep(self, values: Mapping[K, V]) -> None:
        """Have these at hand; those not used for longest make room."""
        until = self._clock() + LIFE_SECONDS
        for name, value in values.items():
            self._values[name] = value, until
            self._values.move_to_end(name)
        while len(self._values) > _MOST:
            self._values.popitem(last=False)

    def clear(self) -> None:
        """Have nothing at hand."""
        self._values.clear()
