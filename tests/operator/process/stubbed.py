"""The operator's process with databases whose answers the fake API server gives.

It is also the cluster where `FAKE_CLUSTER` names it.

Everything else is what runs in a cluster: `python -m tests.operator.process.stubbed`.
"""

import functools
import os
import sys
from typing import Any

import aiohttp

from chekov.errors import StoreUnavailable
from chekov.store.postgres.inspect import Inspector, Progress, StoreStatus
from chekov_operator import __main__ as process
from chekov_operator.kube.access import InCluster, load_configuration
from chekov_operator.stores.databases import Databases
from chekov_operator.stores.dsn import addresses_of


class StubInspector(Inspector):
    """Asks `/databases/<host>` of the fake API server instead of a database."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self._url = f"{os.environ['FAKE_API']}/databases/{addresses_of(dsn)[0].host}"

    async def status(self, schema: str) -> StoreStatus:
        del schema
        return StoreStatus(**await self._answer())

    async def progress(self, schema: str) -> Progress:
        del schema
        return Progress([], (await self._answer())["position"])

    async def _answer(self) -> dict[str, Any]:
        # Longer than any database: what works beside one that never answers works beside all.
        timeout = aiohttp.ClientTimeout(total=None)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._url) as response,
            ):
                response.raise_for_status()
                return await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StoreUnavailable("Postgres does not answer") from error


async def _configuration(server: str) -> InCluster:
    del server
    return InCluster(os.environ["FAKE_CLUSTER"])


def main() -> int:
    """Run the operator; return its exit code."""
    if "FAKE_CLUSTER" in os.environ:
        setattr(process, load_configuration.__name__, _configuration)
    stubbed = functools.partial(Databases, inspector=StubInspector)
    setattr(process, Databases.__name__, stubbed)
    return process.main()


if __name__ == "__main__":
    sys.exit(main())
