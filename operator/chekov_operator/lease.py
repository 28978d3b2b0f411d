"""One leader among the replicas, by a Lease: renewed while it lives, given back when it ends."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from chekov.errors import ChekovError
from chekov_operator.client import ApiError, ApiUnavailable, Client
from chekov_operator.resources import LEASE, Object, dig

_CONFLICT: Final = 409

_log = logging.getLogger(__name__)


class LeaseLost(ChekovError):
    """Another replica leads, or the Lease could not be renewed in time."""


class Lease:
    """Holds a Lease object for one replica.

    Args:
        client: to the API server.
        namespace: of the Lease.
        name: of the Lease.
        holder: names this replica.
        seconds: how long a renewal counts. The leader gives up after two thirds of it without a
            renewal, before anyone else may take over.
        clock: monotonic seconds; clocks of two machines are never compared.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        holder: str,
        seconds: float,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._holder = holder
        self._seconds = seconds
        self._clock = clock or asyncio.get_running_loop().time
        self._seen: tuple[str, float] | None = None
        self._seen_holder = ""
        self._renewed = float("-inf")

    async def acquire(self) -> None:
        """Return when this replica leads."""
        while True:
            if await self.attempt():
                break
            await asyncio.sleep(self._seconds / 8 * _spread())
        _log.info("leading", extra={"holder": self._holder})

    async def keep(self) -> None:
        """Renew until it fails for too long.

        Raises:
            LeaseLost: this replica must not act any more.
        """
        while True:
            await asyncio.sleep(self._seconds / 6 * _spread())
            if await self.attempt():
                continue
            if self._clock() - self._renewed > self._seconds * 2 / 3:
                raise LeaseLost(f"the Lease {self._name} was not renewed in time")
            holder = self._seen_holder
            if holder not in ("", self._holder):
                raise LeaseLost(f"{holder} holds the Lease {self._name} now")

    async def attempt(self) -> bool:
        """Take or renew the Lease; whether this replica leads now."""
        try:
            async with asyncio.timeout(self._seconds / 3):
                taken = await self._take()
        except ApiError as error:
            if error.status != _CONFLICT:
                _log.warning("the lease is out of reach", extra={"error": str(error)})
            return False
        except (ApiUnavailable, TimeoutError) as error:
            _log.warning("the lease is out of reach", extra={"error": repr(error)})
            return False
        if taken:
            self._renewed = self._clock()
        return taken

    async def release(self) -> None:
        """Let another replica take over at once; if that fails, the Lease runs out by itself."""
        try:
            async with asyncio.timeout(self._seconds / 3):
                lease = await self._client.get(LEASE, self._namespace, self._name)
                if lease is not None and dig(lease, "spec", "holderIdentity") == self._holder:
                    spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._client.replace(LEASE, {**lease, "spec": spec})
        except (ApiError, ApiUnavailable, TimeoutError) as error:
            _log.warning("the lease was not released", extra={"error": repr(error)})

    async def _take(self) -> bool:
        lease = await self._client.get(LEASE, self._namespace, self._name)
        if lease is None:
            await self._client.create(LEASE, self._fresh())
            self._seen_holder = self._holder
            return True
        holder = str(dig(lease, "spec", "holderIdentity") or "")
        self._seen_holder = holder
        if holder not in ("", self._holder) and not self._expired(lease):
            return False
        now = _stamp()
        spec: Object = {
            **(dig(lease, "spec") or {}),
            "holderIdentity": self._holder,
            "renewTime": now,
            "leaseDurationSeconds": max(1, round(self._seconds)),
        }
        if holder != self._holder:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(dig(lease, "spec", "leaseTransitions") or 0) + 1
        # The resource version makes it a compare-and-swap: one of two who try gets a conflict.
        await self._client.replace(LEASE, {**lease, "spec": spec})
        self._seen_holder = self._holder
        return True

    def _expired(self, lease: Object) -> bool:
        """Whether nothing changed for as long as the holder asked for, by our own clock."""
        version = str(dig(lease, "metadata", "resourceVersion"))
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, self._clock())
            return False
        asked = float(dig(lease, "spec", "leaseDurationSeconds") or self._seconds)
        return self._clock() - self._seen[1] > asked

    def _fresh(self) -> Object:
        now = _stamp()
        return {
            "apiVersion": LEASE.api,
            "kind": LEASE.name,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": max(1, round(self._seconds)),
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": 0,
            },
        }


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _spread() -> float:
    """So that replicas that started together do not ask together for ever."""
    return random.uniform(0.9, 1.1)  # noqa: S311 nothing secret
