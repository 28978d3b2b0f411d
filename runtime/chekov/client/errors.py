"""Errors of the client itself; those of the domain and of the store are raised as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chekov.errors import ChekovError


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document (RFC 9457).

    Attributes:
        type: the URI of its kind, such as `urn:chekov:problem:rejected`.
        title: what its kind means.
        status: of the response.
        detail: what went wrong this time.
        members: its further members.
    """

    type: str
    title: str
    status: int
    detail: str
    members: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def slug(self) -> str:
        """The last part of its type, such as `rejected`."""
        return self.type.rpartition(":")[2]


class ProblemError(ChekovError):
    """The service answers with a problem that has no error of its own; see the reference of errors.

    Attributes:
        problem: what it says.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(f"{problem.detail or problem.title} ({problem.status} {problem.slug})")


class Unauthorized(ProblemError):
    """The service requires a token, or refuses this one."""


class Unreachable(ChekovError, ConnectionError):
    """The service gave no usable answer before the deadline.

    Attributes:
        url: what was asked.
        attempts: how often.
        stored: of a command, `False` when nothing can have been stored, `None` when that is not
            known: then send it again under the same id.
    """

    def __init__(self, url: str, attempts: int, reason: str, *, stored: bool | None) -> None:
        self.url, self.attempts, self.stored = url, attempts, stored
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        outcome = "" if stored is False else "; it may have been executed all the same"
        super().__init__(f"{url} gave no answer in {tries}: {reason}{outcome}")


class UnexpectedAnswer(ChekovError):
    """What answers is not the API of Chekov, or of another version.

    Attributes:
        url: what was asked.
        status: of the response.
    """

    def __init__(self, url: str, status: int, reason: str) -> None:
        self.url, self.status = url, status
        super().__init__(f"{url} answers {status} with something else than Chekov's API: {reason}")
