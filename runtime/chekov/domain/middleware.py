"""Middleware: what a domain puts around the execution of every command."""

from collections.abc import Awaitable, Callable, Iterable
from inspect import iscoroutinefunction
from typing import Any, Protocol, TypeAlias

from chekov.domain.envelope import CommandEnvelope

Next: TypeAlias = Callable[[CommandEnvelope[Any]], Awaitable[Any]]
"""The rest of the pipeline: takes an envelope, answers with what the command stored."""


class Middleware(Protocol):
    """An async function, or an object with an async `__call__`, around each command.

    It may pass on another envelope, refuse the command by raising, answer without calling
    `proceed`, and see what the rest of the pipeline raises. To the sender, `Rejected` is a refusal
    like one by the aggregate. Its time counts against the timeout of the command.
    """

    def __call__(self, envelope: CommandEnvelope[Any], proceed: Next, /) -> Awaitable[Any]:
        """Answer a command with a `Dispatched`: the one that `proceed` returns, or another."""
        ...


def check_middleware(middleware: Iterable[object], faults: list[str]) -> None:
    """Refuse items that are not middleware."""
    faults.extend(
        f"middleware: {item!r} must be an async function, or an object with an async `__call__`"
        for item in middleware
        if isinstance(item, type) or not _is_async(item)
    )


def _is_async(item: object) -> bool:
    return iscoroutinefunction(item) or iscoroutinefunction(getattr(item, "__call__", None))  # noqa: B004
