"""The state of an instance, as it is given to programs."""

from dataclasses import dataclass
from typing import Generic, TypeVar

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Loaded(Generic[A]):
    """A copy of an instance's state, and the version it is at."""

    stream: str
    version: int
    state: A
