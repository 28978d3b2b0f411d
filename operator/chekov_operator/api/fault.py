from dataclasses import dataclass
from typing import Final

RETRY_SECONDS: Final = 60.0
"""Pause before something that failed is retried, when the user does not have to change anything."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an object is not as its spec wants it, as a condition reports it.

    Attributes:
        reason: one word for programs. The set of reasons is part of the API.
        message: what was expected, what was found, and what to do.
    """

    reason: str
    message: str
