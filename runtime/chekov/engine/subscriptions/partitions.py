"""Which partition of a subscription an event belongs to: the same in every process and release.

A partition handles the events of its streams, in order, and the partitions go on independently of
each other. The stream decides, by the CRC-32 of its name in UTF-8, modulo their number.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from zlib import crc32

from chekov.store.port import SubscriptionKey


def partition_of(stream: str, partitions: int) -> int:
    """The partition, from 0, that handles the events of a stream."""
    return crc32(stream.encode()) % partitions if partitions > 1 else 0


def concerned(keys: Iterable[SubscriptionKey], stream: str) -> Sequence[SubscriptionKey]:
    """Those of some subscriptions, given with all their partitions, that handle a stream."""
    every = tuple(keys)
    partitions = Counter((key.domain, key.name, key.version) for key in every)
    return [
        key
        for key in every
        if key.partition == partition_of(stream, partitions[key.domain, key.name, key.version])
    ]
