"""`suspend` and `resume`: of a bundle, or of one of its subscriptions."""

from argparse import Namespace
from datetime import UTC, datetime
from typing import Any

from chekov_operator.kube.kinds import SUBSCRIPTION
from chekov_operator.kube.objects import nested
from chekov_operator.plugin.cluster import Cluster, opened
from chekov_operator.plugin.failure import PluginError
from chekov_operator.plugin.output import show


async def suspend(arguments: Namespace) -> int:
    """Let it run no more."""
    async with opened(arguments) as cluster:
        if arguments.handler is None:
            after = await cluster.change(arguments.bundle, lambda _: {"spec": {"suspend": True}})
            if not nested(after, "spec", "suspend"):
                raise PluginError(
                    "the DomainBundles of this cluster cannot be suspended: upgrade the chart "
                    "chekov-crds, or `kubectl scale` the bundle to 0"
                )
            show(f"bundle {arguments.bundle} is suspended: its pods are removed")
        else:
            await _change(cluster, arguments, {"suspend": True})
            show(f"subscription {arguments.handler} of {arguments.bundle} is suspended")
    return 0


async def resume(arguments: Namespace) -> int:
    """Let it run again, also a subscription that stopped or was paused elsewhere."""
    async with opened(arguments) as cluster:
        if arguments.handler is None:
            await cluster.change(arguments.bundle, lambda _: {"spec": {"suspend": False}})
            show(f"bundle {arguments.bundle} runs again")
        else:
            # Beyond `suspend`, it also undoes what others paused, and what stopped by itself.
            nonce = datetime.now(UTC).isoformat()
            await _change(cluster, arguments, {"suspend": False, "resumeNonce": nonce})
            show(f"subscription {arguments.handler} of {arguments.bundle} runs again")
    return 0


async def _change(cluster: Cluster, arguments: Namespace, spec: dict[str, Any]) -> None:
    found = await cluster.subscription(arguments.bundle, arguments.handler)
    name = str(nested(found, "metadata", "name"))
    await cluster.client.merge(SUBSCRIPTION, cluster.namespace, name, {"spec": spec})
