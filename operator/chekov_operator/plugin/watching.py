"""Something is done at once, and again after each change of the kinds that it shows."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Final

from chekov.backoff import Backoff
from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.kinds import Kind
from chekov_operator.kube.objects import nested
from chekov_operator.plugin.cluster import Cluster

_PAUSE_SECONDS: Final = 0.2
"""Many objects change together; a terminal need not show each step."""
_NEVER: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


async def at_each_change(
    cluster: Cluster, kinds: Sequence[Kind], show: Callable[[], Awaitable[None]]
) -> None:
    """Call `show` until it raises an error.

    Kinds that the cluster does not have, or that the user may not watch, are left out.
    """
    changed = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for kind in kinds:
            group.create_task(_follow(cluster, kind, changed))
        while True:
            changed.clear()
            await show()
            await changed.wait()
            await asyncio.sleep(_PAUSE_SECONDS)


async def _follow(cluster: Cluster, kind: Kind, changed: asyncio.Event) -> None:
    backoff = Backoff(0.2, 10.0)
    while True:
        try:
            version = await cluster.client.version(kind, cluster.namespace)
            changed.set()  # whatever happened until then
            async for _, body in cluster.client.changes(kind, cluster.namespace, version):
                backoff.reset()
                if nested(body, "metadata", "name"):  # a bookmark has none
                    changed.set()
        except ApiUnavailable:
            pass
        except ApiError as error:
            if error.status in _NEVER:
                return
        await backoff.wait()
