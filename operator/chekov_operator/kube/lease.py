"""Leader election by a Lease: the leader renews it, and releases it when it ends.

Only one Lease counts, that of the given name in the operator's own namespace: whoever may write
Leases anywhere else keeps nobody from leading. Of two releases that would serve all namespaces,
Helm refuses the second.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from chekov.errors import ChekovError
from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import LEASE
from chekov_operator.kube.objects import Object, nested

_log = logging.getLogger(__name__)


class LeaseLost(ChekovError):
    """Another replica leads, or this one could not renew the Lease in time."""


class Expiry:
    """Tells Leases that nobody renews any more, by this machine's clock alone.

    Args:
        clock: monotonic seconds.
        seconds: how long a renewal is valid where a Lease does not say.
    """

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._seen: dict[str, tuple[str, float]] = {}

    def is_expired(self, lease: Object) -> bool:
        """Whether a Lease has not changed for its whole duration since it was first seen so."""
        uid = str(nested(lease, "metadata", "uid"))
        version = str(nested(lease, "metadata", "resourceVersion"))
        seen = self._seen.get(uid)
        if seen is None or seen[0] != version:
            self._seen[uid] = (version, self._clock())
            return False
        duration = float(nested(lease, "spec", "leaseDurationSeconds") or self._seconds)
        return self._clock() - seen[1] > duration


class Lease:
    """Holds a Lease object for one replica.

    Args:
        client: to the API server.
        namespace: of the Lease.
        name: of the Lease.
        holder: the name of this replica.
        seconds: how long a renewal is valid. A leader that could not renew stops leading at its
            first failed attempt after two thirds of it. An attempt may take another third, so the
            leader ends at about the time at which a rival may take over.
        clock: monotonic seconds. Clocks of two machines are never compared.
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
        self._seconds = seconds
        self._holder = holder
        self._clock = clock or asyncio.get_running_loop().time
        self._expiry = Expiry(self._clock, seconds)
        self._observed_holder = ""
        self._renewed = float("-inf")

    async def acquire(self) -> None:
        """Wait until this replica leads."""
        while True:
            if await self.attempt():
                break
            await asyncio.sleep(self._seconds / 8 * _jitter())
        _log.info("leading", extra={"holder": self._holder})

    async def keep(self) -> None:
        """Renew the Lease until that fails for too long.

        Raises:
            LeaseLost: this replica must not write any more.
        """
        while True:
            await asyncio.sleep(self._seconds / 6 * _jitter())
            if await self.attempt():
                continue
            if self._clock() - self._renewed > self._seconds * 2 / 3:
                raise LeaseLost(f"the Lease {self._name} was not renewed in time")
            holder = self._observed_holder
            if holder not in ("", self._holder):
                raise LeaseLost(f"{holder} holds the Lease {self._name} now")

    async def attempt(self) -> bool:
        """Take or renew the Lease; return whether this replica leads now."""
        try:
            async with asyncio.timeout(self._seconds / 3):
                taken = await self._take_or_renew()
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                _log.warning("the Lease could not be taken or renewed", extra={"error": str(error)})
            return False
        except (ApiUnavailable, TimeoutError) as error:
            _log.warning("the Lease could not be taken or renewed", extra={"error": repr(error)})
            return False
        if taken:
            self._renewed = self._clock()
        return taken

    async def release(self) -> None:
        """Let another replica take over at once; if that fails, the Lease expires."""
        try:
            async with asyncio.timeout(self._seconds / 3):
                lease = await self._client.get(LEASE, self._namespace, self._name)
                if lease is not None and nested(lease, "spec", "holderIdentity") == self._holder:
                    spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._client.replace(LEASE, {**lease, "spec": spec})
        except (ApiError, ApiUnavailable, TimeoutError) as error:
            _log.warning("the Lease was not released", extra={"error": repr(error)})

    async def _take_or_renew(self) -> bool:
        lease = await self._client.get(LEASE, self._namespace, self._name)
        if lease is None:
            await self._client.create(LEASE, self._new_lease())
            self._observed_holder = self._holder
            return True
        holder = str(nested(lease, "spec", "holderIdentity") or "")
        self._observed_holder = holder
        if holder not in ("", self._holder) and not self._expiry.is_expired(lease):
            return False
        now = _stamp()
        spec: Object = {
            **(nested(lease, "spec") or {}),
            "holderIdentity": self._holder,
            "renewTime": now,
            "leaseDurationSeconds": max(1, round(self._seconds)),
        }
        if holder != self._holder:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(nested(lease, "spec", "leaseTransitions") or 0) + 1
        # The resource version makes this a compare-and-swap: of two replicas one gets a conflict.
        await self._client.replace(LEASE, {**lease, "spec": spec})
        self._observed_holder = self._holder
        return True

    def _new_lease(self) -> Object:
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


def _jitter() -> float:
    # Keeps replicas that started together from sending their requests together.
    return random.uniform(0.9, 1.1)  # noqa: S311 -- not used for security
