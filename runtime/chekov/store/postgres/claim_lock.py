"""A lock that shows under which claim a transaction runs, so that the next owner can end it.

A process that is stopped, or whose host is cut off, in the midst of a transaction keeps its row
locks for as long as Postgres lets a transaction idle: a minute. The next owner would wait for them
with every event. Nothing else in the database says whose a transaction is, so each takes a shared
advisory lock on its subscription and epoch, which `pg_locks` shows.

Of the 64 bits of such a lock, the first 48 are a digest of the subscription, so that no two of them
share a lock, and the last 16 are those of the epoch, of which each new owner adds one.
"""

from collections.abc import Collection
from hashlib import blake2b
from typing import Final

from chekov.store.port import Claim, SubscriptionKey

_NUMBER_BYTES: Final = 6
_EPOCH_BITS: Final = 16
_HALF_BITS: Final = 32


def lock_statement(schema: str, claim: Claim) -> str:
    """The statement that takes the lock until the transaction ends; it travels with BEGIN."""
    epoch = claim.epoch % (1 << _EPOCH_BITS)
    lock = lock_number(schema, claim.key) << _EPOCH_BITS | epoch
    first, second = lock >> _HALF_BITS, lock % (1 << _HALF_BITS)
    return f"select pg_advisory_xact_lock_shared({_signed(first)}, {_signed(second)});"


def lock_numbers(schema: str, keys: Collection[SubscriptionKey]) -> list[int]:
    """The numbers of several subscriptions."""
    return [lock_number(schema, key) for key in keys]


def lock_number(schema: str, key: SubscriptionKey) -> int:
    """The first 48 bits of a subscription's lock."""
    parts = schema, key.domain, key.name, key.version, key.partition, key.generation
    text = "\0".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode(), digest_size=_NUMBER_BYTES).digest())


def _signed(half: int) -> int:
    return half - (1 << _HALF_BITS) if half >> _HALF_BITS - 1 else half
