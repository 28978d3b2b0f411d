"""A lock that shows under which claim a transaction runs, so that the next owner can end it.

A process that is stopped, or whose host is cut off, in the midst of a transaction keeps its row
locks for as long as Postgres lets a transaction idle: a minute. The next owner would wait for them
with every event. Nothing else in the database says whose a transaction is, so each takes a shared
advisory lock on its subscription and epoch, which `pg_locks` shows.
"""

from collections.abc import Collection
from typing import Final
from zlib import crc32

from chekov.store.port import Claim, SubscriptionKey

_EPOCHS: Final = 1 << 31


def lock_statement(schema: str, claim: Claim) -> str:
    """The statement that takes the lock until the transaction ends; it travels with BEGIN."""
    number = lock_number(schema, claim.key)
    signed = number - (1 << 32) if number >= 1 << 31 else number
    return f"select pg_advisory_xact_lock_shared({signed}, {claim.epoch % _EPOCHS});"


def lock_numbers(schema: str, keys: Collection[SubscriptionKey]) -> list[int]:
    """The numbers of several subscriptions."""
    return [lock_number(schema, key) for key in keys]


def lock_number(schema: str, key: SubscriptionKey) -> int:
    """The first half of a subscription's lock, without sign, as `pg_locks` shows it."""
    parts = schema, key.domain, key.name, key.version, key.partition, key.generation
    return crc32("\0".join(map(str, parts)).encode())
