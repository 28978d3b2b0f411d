"""A store that keeps everything in this process and forgets it: for tests."""

from chekov.store.memory.store import MemoryStore

__all__ = ["MemoryStore"]
