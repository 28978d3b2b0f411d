"""An operator of some namespaces, one of which is not there: it serves the others, and says so."""

from tests.operator.process.running import PATIENCE, Cluster
from tests.waiting import until

NAMES = {"watch_namespaces": "shops,games", "refresh_seconds": "1"}


async def test_a_namespace_may_be_missing_come_go_and_come_back(cluster: Cluster) -> None:
    cluster.store()
    cluster.store(namespace="games")
    bank = cluster.bundle()
    cluster.api.forbidden.add("games")
    async with cluster.operator(**NAMES) as operator:

        async def is_without_games() -> bool:
            return (await operator.probe("/readyz"))[1] == "leading, without games\n"

        await cluster.ready(bank)
        assert await is_without_games()
        assert operator.logged("a namespace is not served until it can be read")
        game = cluster.bundle("game", "games")
        cluster.api.forbidden.clear()
        await cluster.ready(game)
        assert (await operator.probe("/readyz"))[1] == "leading\n"
        cluster.bundle("game", "games", replicas=4)
        await cluster.ready(game)
        cluster.api.forbidden.add("games")
        cluster.api.watches.cut()
        await until(is_without_games, PATIENCE)
        cluster.bundle(replicas=7)
        await cluster.ready(bank)
        cluster.api.forbidden.clear()
        cluster.bundle("game", "games", replicas=9)
        await cluster.ready(game)
        live = cluster.deployment("game", "games")
        assert live is not None
        assert live["spec"]["replicas"] == 9
        assert operator.running()
