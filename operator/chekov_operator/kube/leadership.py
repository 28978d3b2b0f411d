"""Leading only if no other release leads: two that serve all namespaces undo each other's work.

Each release has a Lease of its own, in its own namespace. A release that serves all namespaces
labels its Lease, takes it, and only then looks for other labelled Leases that are held. Of two
releases that start together at least one sees the other, since both take before they look; both may
then give way and try again after pauses of different lengths. A release that leads never looks.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from chekov_operator.kube.client import ApiError, ApiUnavailable, Client
from chekov_operator.kube.kinds import LEASE, SCOPE_LABEL
from chekov_operator.kube.lease import CLUSTER_SCOPE, Expiry, Lease
from chekov_operator.kube.objects import key_of, nested
from chekov_operator.management import Health

_LONGEST_RIVAL: Final = 4
"""How long the Lease of another release is valid at most, in durations of the own one.

Whoever may write Leases in any namespace could otherwise keep every operator from leading for good.
"""

_log = logging.getLogger(__name__)


class Leadership:
    """Takes the Lease of this release, unless another release leads for the whole cluster.

    Args:
        client: to the API server.
        lease: of this release.
        health: learns why this release does not lead.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        client: Client,
        lease: Lease,
        health: Health,
        *,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._client = client
        self._lease = lease
        self._health = health
        self._expiry = Expiry(
            clock or asyncio.get_running_loop().time,
            lease.seconds,
            most=_LONGEST_RIVAL * lease.seconds,
        )

    async def acquire(self) -> None:
        """Wait until this replica leads."""
        while True:
            try:
                rival = await self._rival()
                if rival is None:
                    await self._lease.acquire()
                    rival = await self._rival_of_leader()
                if rival is None:
                    self._health.refused = ""
                    return
                self._refuse(rival)
            except (ApiError, ApiUnavailable, TimeoutError) as error:
                _log.warning("other releases could not be looked for", extra={"error": repr(error)})
            # Very different pauses, so that two releases that give way to each other do so once.
            await asyncio.sleep(self._lease.seconds / 3 * random.uniform(0.2, 1.0))  # noqa: S311

    def _refuse(self, rival: str) -> None:
        if not self._health.refused:
            _log.error("another release leads", extra={"lease": rival})
        self._health.refused = (
            f"another release of the operator serves all namespaces already: it holds the Lease "
            f"{rival}; uninstall one of the two, or set watchNamespaces in both"
        )

    async def _rival_of_leader(self) -> str | None:
        """As `_rival`; the Lease is given up if there is one, or if that cannot be found out."""
        leads = False
        try:
            rival = await self._rival()
            leads = rival is None
        finally:
            if not leads:
                await self._lease.release()
        return rival

    async def _rival(self) -> str | None:
        """The held Lease of another release that serves all namespaces, if there is one.

        Raises:
            ApiError: the API server refused the request.
            ApiUnavailable: it does not answer.
            TimeoutError: it does not answer in time.
        """
        if self._lease.scope != CLUSTER_SCOPE:
            return None
        try:
            async with asyncio.timeout(self._lease.seconds / 3):
                found = await self._client.list(LEASE, None, {SCOPE_LABEL: CLUSTER_SCOPE})
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            # Without the right to list Leases, as under roles of the user's own, nothing is known.
            _log.warning("other releases could not be looked for", extra={"error": str(error)})
            return None
        for body in found:
            key = key_of(LEASE, body)
            is_own = (key.namespace, key.name) == (self._lease.namespace, self._lease.name)
            if is_own or not nested(body, "spec", "holderIdentity"):
                continue
            if not self._expiry.is_expired(body):
                return f"{key.namespace}/{key.name}"
        return None
