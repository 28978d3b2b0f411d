"""The cluster and the namespace that a command works on."""

from argparse import Namespace
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from chekov_operator.children.workloads import RUNTIME
from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.client import Client, connected
from chekov_operator.kube.kinds import (
    BUNDLE,
    BUNDLE_LABEL,
    COMPONENT_LABEL,
    POD,
    SUBSCRIPTION,
    Kind,
)
from chekov_operator.kube.kubeconfig import load_context
from chekov_operator.kube.objects import Object, nested
from chekov_operator.metrics import Metrics
from chekov_operator.plugin.failure import PluginError

_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as one user sees it.

    Attributes:
        client: asks its API server.
        namespace: where the bundles are.
    """

    client: Client
    namespace: str

    async def bundle(self, name: str) -> Object:
        """A bundle.

        Raises:
            PluginError: there is none of that name.
        """
        found = await self.client.get(BUNDLE, self.namespace, name)
        if found is None:
            await self.bundles()  # the kind itself may be missing
            raise PluginError(f"there is no DomainBundle {name} in the namespace {self.namespace}")
        return found

    async def bundles(self) -> Sequence[Object]:
        """All bundles of the namespace.

        Raises:
            PluginError: the cluster does not have the kind.
        """
        try:
            return await self.client.list(BUNDLE, self.namespace, {})
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                raise PluginError(
                    "the cluster has no DomainBundles: install the charts chekov-crds and chekov"
                ) from error
            raise

    async def of_bundle(self, kind: Kind, bundle: str) -> Sequence[Object]:
        """The objects of a kind that belong to a bundle; none where the kind is not known."""
        try:
            return await self.client.list(kind, self.namespace, {BUNDLE_LABEL: bundle})
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return ()
            raise

    async def pods(self, bundle: str) -> Sequence[Object]:
        """The pods of a bundle that serve, or are to."""
        labels = {BUNDLE_LABEL: bundle, COMPONENT_LABEL: RUNTIME}
        return await self.client.list(POD, self.namespace, labels)

    async def subscription(self, bundle: str, handler: str) -> Object:
        """The Subscription of one handler, projection or process manager.

        Raises:
            PluginError: the bundle has none of that name.
        """
        await self.bundle(bundle)
        found = await self.of_bundle(SUBSCRIPTION, bundle)
        handlers = {str(nested(item, "spec", "handler")): item for item in found}
        if handler not in handlers:
            known = ", ".join(sorted(handlers)) or "none"
            raise PluginError(f"the bundle {bundle} has no subscription {handler}; it has: {known}")
        return handlers[handler]

    async def change(self, bundle: str, decide: Callable[[Object], Mapping[str, Object]]) -> Object:
        """Change a bundle by what was decided about the state it is in, and no later one.

        Args:
            bundle: its name.
            decide: returns the merge patch, or raises `PluginError`.
        """
        for remaining in reversed(range(_TRIES)):
            live = await self.bundle(bundle)
            patch = dict(decide(live))
            version = nested(live, "metadata", "resourceVersion")
            patch["metadata"] = {**patch.get("metadata", {}), "resourceVersion": version}
            try:
                return await self.client.merge(BUNDLE, self.namespace, bundle, patch)
            except ApiError as error:
                if error.status != HTTPStatus.CONFLICT or not remaining:
                    raise
        raise AssertionError


@asynccontextmanager
async def opened(arguments: Namespace) -> AsyncGenerator[Cluster]:
    """The cluster that the arguments name, by a kubeconfig."""
    context = await load_context(arguments.kubeconfig, arguments.context)
    async with connected(context.configuration, Metrics()) as client:
        yield Cluster(client, arguments.namespace or context.namespace)
