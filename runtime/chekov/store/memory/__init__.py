"""A store in the memory of one process, for tests."""

from chekov.store.memory.store import MemoryStore

__all__ = ["MemoryStore"]
