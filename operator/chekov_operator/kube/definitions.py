"""Whether the custom resource definitions are installed. Without them nothing can be watched."""

import asyncio
import logging
from typing import Final

from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import DEFINED, GROUP, STORE
from chekov_operator.management import Health

_MISSING_SECONDS: Final = 2.0
_PRESENT_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)


async def wait_until_installed(client: Client, health: Health) -> None:
    while True:
        if await check_installed(client, health):
            return
        await asyncio.sleep(_MISSING_SECONDS)


async def keep_checking(client: Client, health: Health) -> None:
    """Check again and again, until cancelled, so that the readiness probe reports the result."""
    while True:
        await check_installed(client, health)
        await asyncio.sleep(_MISSING_SECONDS if health.missing else _PRESENT_SECONDS)


async def check_installed(client: Client, health: Health) -> bool:
    """Whether all are installed. If the API server does not answer, `health` stays as it is."""
    try:
        served = await client.served(STORE.api)
    except (ApiError, ApiUnavailable) as error:
        _log.warning("the API server does not answer", extra={"error": str(error)})
        return False
    health.missing = [f"{kind.plural}.{GROUP}" for kind in DEFINED if kind.plural not in served]
    if health.missing:
        _log.warning("resource definitions are missing", extra={"missing": health.missing})
    return not health.missing
