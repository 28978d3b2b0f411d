"""The database connection that projections write by and queries read by."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Connection(Protocol):
    """The database connection that handlers and queries are given.

    Parameters are written `$1`, `$2`, … and passed after the statement.
    """

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """Run a statement and return its command tag."""
        ...

    async def executemany(
        self, command: str, args: Iterable[Sequence[Any]], *, timeout: float | None = None
    ) -> None:
        """Run a statement once for each sequence of parameters."""
        ...

    async def fetch(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """All rows."""
        ...

    async def fetchrow(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> Mapping[str, Any] | None:
        """The first row, or `None`."""
        ...

    async def fetchval(
        self, query: str, *args: Any, column: int = 0, timeout: float | None = None
    ) -> Any:
        """One value of the first row, or `None`."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """A savepoint inside the transaction that is open already."""
        ...

    def cursor(self, query: str, *args: Any) -> AsyncIterator[Mapping[str, Any]]:
        """Rows one by one, for results that do not fit in memory."""
        ...
