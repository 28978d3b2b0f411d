"""Are the resource definitions installed? Without them there is nothing to watch."""

import asyncio
import logging
from typing import Final

from chekov_operator.client import ApiError, ApiUnavailable, Client
from chekov_operator.management import Health
from chekov_operator.resources import BUNDLE, GROUP, STORE

_MISSING_SECONDS: Final = 2.0
_PRESENT_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)


async def installed(client: Client, health: Health) -> None:
    """Wait until the definitions are there."""
    while True:
        if await look(client, health):
            return
        await asyncio.sleep(_MISSING_SECONDS)


async def watch_over(client: Client, health: Health) -> None:
    """Look again and again, until cancelled, and have the probe tell."""
    while True:
        await look(client, health)
        await asyncio.sleep(_MISSING_SECONDS if health.missing else _PRESENT_SECONDS)


async def look(client: Client, health: Health) -> bool:
    """Whether all are there; the server not answering says nothing about them."""
    try:
        served = await client.served(STORE.api)
    except (ApiError, ApiUnavailable) as error:
        _log.warning("the API server does not answer", extra={"error": str(error)})
        return False
    health.missing = [
        f"{kind.plural}.{GROUP}" for kind in (STORE, BUNDLE) if kind.plural not in served
    ]
    if health.missing:
        _log.warning("resource definitions are missing", extra={"missing": health.missing})
    return not health.missing
