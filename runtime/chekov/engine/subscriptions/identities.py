"""No two domains write the streams of one aggregate's identity in one store."""

from collections.abc import Collection

from chekov.engine.subscriptions.shares import identities_of
from chekov.errors import IdentityTaken
from chekov.store.port import Nodes


async def refuse_taken_identities(
    nodes: Nodes, domain: str, identities: Collection[str], *, lease: float
) -> None:
    """Refuse identities that a living process of another domain has.

    Processes of the same domain, such as those of an older release, may have them. Only those that
    run subscriptions are known to the store.

    Raises:
        IdentityTaken: the first of them.
        StoreError: the store is away.
    """
    for node in await nodes.list(None, lease=lease):
        if node.domain != domain and node.fresh and not node.vanished:
            for identity in sorted(identities_of(node.offers).intersection(identities)):
                raise IdentityTaken(identity, domain, node.domain, node.id)
