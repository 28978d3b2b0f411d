"""Sealing the snapshots of aggregates whose events hold personal data.

A state may hold the value of any personal field of its stream, in any place. So a snapshot is
sealed as a whole, with a key derived from the keys of all values in the stream: it can be read
until one of their subjects is forgotten, and is useless afterwards.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.store.port import Snapshot
from chekov.store.sealing.cipher import Cipher, Tampered
from chekov.store.sealing.keyring import Keyring, Sealer

_MOST_STREAMS: Final = 20_000
_MOST_KEYS: Final = 1000
_COUNT_BYTES: Final = 2
_ID_BYTES: Final = 16


@dataclass(slots=True)
class _Seen:
    """The keys of all values in a stream up to the version `covered`, or later ones."""

    covered: int = 0
    keys: set[UUID] = field(default_factory=set[UUID])


class SnapshotSealing:
    """Seals and opens snapshots with the keys of the values in their streams.

    Args:
        domain: says which aggregates have snapshots.
        keyring: gives the keys.
    """

    def __init__(self, domain: Domain, keyring: Keyring) -> None:
        self._keyring = keyring
        # Also aggregates without personal fields: their streams may hold values sealed earlier.
        self._identities = frozenset(
            definition.identity
            for definition in map(definition_of, domain.aggregates)
            if definition.snapshot_due is not None
        )
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def concerns(self, stream: str) -> bool:
        """Whether the snapshots of a stream are sealed."""
        return stream.partition("-")[0] in self._identities

    def saw(self, stream: str, first: int, last: int, keys: Iterable[UUID]) -> None:
        """Take note of the keys of the values in the versions from `first` to `last` of a stream.

        Ignored when versions before `first` were not seen, since their keys are unknown.
        """
        seen = self._seen.get(stream) or _Seen()
        if first > seen.covered + 1:
            return
        seen.covered = max(seen.covered, last)
        seen.keys.update(keys)
        self._seen[stream] = seen
        self._seen.move_to_end(stream)
        if len(self._seen) > _MOST_STREAMS:
            self._seen.popitem(last=False)

    def clear(self) -> None:
        """Forget all keys."""
        self._seen.clear()

    async def sealed(self, snapshot: Snapshot) -> Snapshot | None:
        """A snapshot as it is stored; `None` when it must not be stored."""
        seen = self._seen.get(snapshot.stream)
        if seen is None or seen.covered < snapshot.version or len(seen.keys) > _MOST_KEYS:
            return None
        ids = sorted(seen.keys)
        sealers = await self._sealers(ids)
        if sealers is None:
            return None
        head = _head(ids)
        data = snapshot.data
        if sealers:
            data = _cipher(sealers).seal(data, _bound_to(snapshot, head))
        return snapshot._replace(data=head + data)

    async def opened(self, snapshot: Snapshot) -> Snapshot | None:
        """A stored snapshot, opened; `None` when it cannot be read."""
        found = _keys(snapshot.data)
        if found is None:
            return None
        sealers = await self._sealers(found)
        if sealers is None:
            return None
        head = _head(found)
        data = snapshot.data[len(head) :]
        if sealers:
            try:
                data = _cipher(sealers).open(data, _bound_to(snapshot, head))
            except Tampered:
                return None
        self.saw(snapshot.stream, 1, snapshot.version, found)
        return snapshot._replace(data=data)

    async def is_lost(self, snapshot: Snapshot) -> bool:
        """Whether a stored snapshot can never be read again: a subject in it was forgotten."""
        keys = await self._keyring.of_ids(set(_keys(snapshot.data) or ()))
        return any(sealer is None for sealer in keys.values())

    async def _sealers(self, ids: Sequence[UUID]) -> list[Sealer] | None:
        """The keys in order; `None` when one of them is missing."""
        if not ids:
            return []
        found = await self._keyring.of_ids(set(ids))
        sealers = [sealer for id_ in ids if (sealer := found.get(id_)) is not None]
        return sealers if len(sealers) == len(ids) else None


def _head(ids: Sequence[UUID]) -> bytes:
    return b"".join([len(ids).to_bytes(_COUNT_BYTES, "big"), *(id_.bytes for id_ in ids)])


def _keys(data: bytes) -> list[UUID] | None:
    """The key ids at the start of a stored snapshot; `None` when it has another format."""
    count = int.from_bytes(data[:_COUNT_BYTES], "big")
    end = _COUNT_BYTES + count * _ID_BYTES
    if count > _MOST_KEYS or len(data) < end:
        return None
    return [UUID(bytes=data[at : at + _ID_BYTES]) for at in range(_COUNT_BYTES, end, _ID_BYTES)]


def _cipher(sealers: Sequence[Sealer]) -> Cipher:
    parts = [b"chekov snapshot", *(sealer.secret for sealer in sealers)]
    return Cipher(hashlib.sha256(b"".join(parts)).digest())


def _bound_to(snapshot: Snapshot, head: bytes) -> bytes:
    text = f"{snapshot.stream}\0{snapshot.version}\0{snapshot.kind}\0"
    return text.encode() + head
