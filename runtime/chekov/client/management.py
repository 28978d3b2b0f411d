"""The management port of a service, for programs and the command line."""

import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from chekov.client.addresses import query_parameters
from chekov.client.errors import ProblemError
from chekov.client.transport import Call, Token, Transport, read


class ManagementClient:
    """What people do to the subscriptions and schedules of a service, while it is entered.

    Args:
        url: where its management port is, such as `http://localhost:9090`.
        token: its `CHEKOV_MANAGEMENT_TOKEN`, if it has one.
        tls: how its certificate is checked.
        timeout: seconds for a call with all its attempts.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        tls: ssl.SSLContext | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._transport = Transport(
            url, token=token, tls=tls, timeout=timeout, attempt_timeout=timeout
        )

    async def __aenter__(self) -> Self:
        """Make it usable; nothing is sent yet."""
        await self._transport.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close its connections."""
        await self._transport.close()

    async def get(self, *path: str, **parameters: object) -> Any:
        """What is at an address of the management port, in plain values.

        Args:
            path: the parts of the address.
            parameters: those that are `None` are left out.

        Raises:
            ChekovError: as for `Client.load`.
        """
        return await self._ask("GET", path, parameters)

    async def post(self, *path: str, **parameters: object) -> Any:
        """Have something done, and return what the service says about it, if anything.

        What is done here may be done twice: it is sent again when the connection is lost.

        Raises:
            ChekovError: as for `Client.load`.
        """
        return await self._ask("POST", path, parameters)

    async def scheduled(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[Mapping[str, Any]]:
        """Scheduled and recurring commands by due time, each with its place in the list.

        Args:
            after: the `cursor` of the one to begin after.
            limit: how many at most, up to 1,000.

        Raises:
            ChekovError: as for `Client.load`.
        """
        page = await self.get("scheduled", after=after, limit=limit)
        return [{**item, "cursor": f"{item['due']}/{item['id']}"} for item in page["scheduled"]]

    async def cancel(self, id: UUID) -> bool:  # noqa: A002 the word of `Client.schedule`
        """Cancel a scheduled or recurring command; whether there was one.

        Raises:
            ChekovError: as for `Client.load`.
        """
        try:
            await self._ask("DELETE", ("scheduled", str(id)), {})
        except ProblemError as error:
            if error.problem.slug == "not-found":
                return False
            raise
        return True

    async def _ask(self, method: str, path: Sequence[str], parameters: Mapping[str, object]) -> Any:
        answer = await self._transport.call(Call(method, path, query_parameters(parameters)))
        if not answer.body:
            return None
        return read(answer, object)
