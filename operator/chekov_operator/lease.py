"""One leader among the replicas, by a Lease: renewed while it lives, given back when it ends."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio import client as kubernetes_client
from kubernetes.aio.client.exceptions import ApiException

_CONFLICT = 409
_NOT_FOUND = 404

_log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another replica leads, or the Lease could not be renewed in time."""


class Lease:
    """Holds a Lease object for one replica.

    Args:
        api: where Leases are.
        namespace: of the Lease.
        name: of the Lease.
        holder: names this replica.
        seconds: how long a renewal counts. The leader gives up after two thirds of it without a
            renewal, before anyone else may take over.
    """

    def __init__(
        self,
        api: kubernetes_client.CoordinationV1Api,
        *,
        namespace: str,
        name: str,
        holder: str,
        seconds: float,
    ) -> None:
        self._api: Any = api
        self._namespace = namespace
        self._name = name
        self._holder = holder
        self._seconds = seconds
        self._seen: tuple[str, float] | None = None

    async def acquire(self) -> None:
        """Return when this replica leads."""
        while not await self._try():
            await asyncio.sleep(self._seconds / 8)
        _log.info("leading", extra={"holder": self._holder})

    async def keep(self) -> None:
        """Renew until it fails for too long.

        Raises:
            LeaseLost: this replica must not act any more.
        """
        clock = asyncio.get_running_loop().time
        renewed = clock()
        while True:
            await asyncio.sleep(self._seconds / 6)
            if await self._try():
                renewed = clock()
            elif clock() - renewed > self._seconds * 2 / 3:
                raise LeaseLost(f"the Lease {self._name} was not renewed in time")

    async def release(self) -> None:
        """Let another replica take over at once."""
        try:
            lease = await self._api.read_namespaced_lease(self._name, self._namespace)
            if lease.spec.holder_identity == self._holder:
                lease.spec.holder_identity = ""
                lease.spec.lease_duration_seconds = 1
                await self._api.replace_namespaced_lease(self._name, self._namespace, lease)
        except Exception as error:  # noqa: BLE001 -- it runs out by itself
            _log.warning("the lease was not released", extra={"error": str(error)})

    async def _try(self) -> bool:
        try:
            async with asyncio.timeout(self._seconds / 3):
                return await self._take()
        except ApiException as error:
            if error.status != _CONFLICT:
                _log.warning("the lease is out of reach", extra={"error": str(error.reason)})
        except Exception as error:  # noqa: BLE001 -- whatever it is, this replica does not lead
            _log.warning("the lease is out of reach", extra={"error": repr(error)})
        return False

    async def _take(self) -> bool:
        try:
            lease = await self._api.read_namespaced_lease(self._name, self._namespace)
        except ApiException as error:
            if error.status != _NOT_FOUND:
                raise
            await self._api.create_namespaced_lease(self._namespace, self._fresh())
            return True
        spec = lease.spec
        if spec.holder_identity not in (self._holder, "", None) and not self._expired(lease):
            return False
        if spec.holder_identity != self._holder:
            spec.acquire_time = datetime.now(UTC)
            spec.lease_transitions = (spec.lease_transitions or 0) + 1
        spec.holder_identity = self._holder
        spec.renew_time = datetime.now(UTC)
        spec.lease_duration_seconds = max(1, round(self._seconds))
        # The resource version makes it a compare-and-swap: one of two who try gets a conflict.
        await self._api.replace_namespaced_lease(self._name, self._namespace, lease)
        return True

    def _expired(self, lease: Any) -> bool:
        """Whether nothing changed for as long as the holder asked for, by our own clock.

        Clocks of two machines are never compared.
        """
        now = asyncio.get_running_loop().time()
        version = str(lease.metadata.resource_version)
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
            return False
        return now - self._seen[1] > (lease.spec.lease_duration_seconds or self._seconds)

    def _fresh(self) -> kubernetes_client.V1Lease:
        now = datetime.now(UTC)
        return kubernetes_client.V1Lease(
            metadata=kubernetes_client.V1ObjectMeta(name=self._name, namespace=self._namespace),
            spec=kubernetes_client.V1LeaseSpec(
                holder_identity=self._holder,
                lease_duration_seconds=max(1, round(self._seconds)),
                acquire_time=now,
                renew_time=now,
                lease_transitions=0,
            ),
        )
