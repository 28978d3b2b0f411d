"""Which partition of a subscription an event belongs to: the same in every process and release.

A partition handles the events of its streams, in order, and the partitions go on independently of
each other. The stream decides, by the CRC-32 of its name in UTF-8, modulo their number.
"""

from zlib import crc32


def partition_of(stream: str, partitions: int) -> int:
    """The partition, from 0, that handles the events of a stream."""
    return crc32(stream.encode()) % partitions if partitions > 1 else 0
