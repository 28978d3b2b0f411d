"""`kubectl chekov status`: bundles and all that belongs to them, once or at each change."""

from argparse import Namespace
from collections.abc import Awaitable, Sequence
from http import HTTPStatus
from typing import Final

from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.kinds import BUNDLE, POD, REVISION, STORE, SUBSCRIPTION
from chekov_operator.kube.objects import Object, nested
from chekov_operator.plugin.cluster import Cluster, opened
from chekov_operator.plugin.failure import missing_right, sentence
from chekov_operator.plugin.output import clear, complain, is_terminal, show, show_value
from chekov_operator.plugin.picture import Seen, document
from chekov_operator.plugin.tree import lines, tree
from chekov_operator.plugin.watching import at_each_change

_SHOWN: Final = (BUNDLE, REVISION, SUBSCRIPTION, POD, STORE)


async def status(arguments: Namespace) -> int:
    """Show one bundle, or all of the namespace."""
    async with opened(arguments) as cluster:
        if arguments.watch:
            await at_each_change(cluster, _SHOWN, lambda: _show_again(cluster, arguments))
        await _show(cluster, arguments)
    return 0


async def seen(cluster: Cluster, bundle: Object) -> Seen:
    """All that belongs to a bundle, as far as the user may read it."""
    name = str(bundle["metadata"]["name"])
    store = str(nested(bundle, "spec", "eventStoreRef", "name"))
    unseen: list[str] = []

    async def tried(reading: Awaitable[Sequence[Object]]) -> Sequence[Object]:
        try:
            return await reading
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            unseen.append(missing_right(error))
            return ()

    async def store_itself() -> Sequence[Object]:
        found = await cluster.client.get(STORE, cluster.namespace, store)
        return () if found is None else (found,)

    return Seen(
        bundle,
        store=next(iter(await tried(store_itself())), None),
        revisions=await tried(cluster.of_bundle(REVISION, name)),
        pods=await tried(cluster.pods(name)),
        subscriptions=await tried(cluster.of_bundle(SUBSCRIPTION, name)),
        unseen=unseen,
    )


async def _show(cluster: Cluster, arguments: Namespace) -> None:
    name: str | None = arguments.bundle
    bundles = await cluster.bundles() if name is None else [await cluster.bundle(name)]
    documents = [document(await seen(cluster, bundle)) for bundle in bundles]
    if arguments.watch and is_terminal():
        clear()
    if arguments.output != "tree":
        show_value(documents if name is None else documents[0], arguments.output)
    elif not documents:
        complain(f"there are no DomainBundles in the namespace {cluster.namespace}")
    for found in documents if arguments.output == "tree" else ():
        show("\n".join(lines(tree(found))))


async def _show_again(cluster: Cluster, arguments: Namespace) -> None:
    try:
        await _show(cluster, arguments)
    except ApiUnavailable as error:
        # The watches go on as soon as it answers again.
        complain(sentence(error))
