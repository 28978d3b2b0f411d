"""An operator follows an older one, as at an upgrade."""

from chekov_operator.kube.kinds import DEPLOYMENT
from chekov_operator.kube.objects import Object, nested
from tests.operator.process.later import ADDED
from tests.operator.process.running import PATIENCE, Cluster
from tests.waiting import until


def template(cluster: Cluster, revision: str) -> Object:
    return cluster.api.objects[DEPLOYMENT.path("shops", f"bank-{revision}")]["spec"]["template"]


def variables(made: Object) -> list[Object]:
    return made["spec"]["containers"][0]["env"]


async def test_an_operator_with_another_template_replaces_no_pods_by_itself(
    cluster: Cluster,
) -> None:
    cluster.store()
    bank = cluster.bundle()

    def revision() -> str:
        return str(nested(cluster.api.objects[bank], "status", "revision"))

    async with cluster.operator(name="first") as first:
        await cluster.ready(bank)
        await first.stop()
    old = revision()
    before = template(cluster, old)
    async with cluster.operator("later", name="second"):
        # It takes the bundle up again, and has nothing to change about its pods.
        cluster.bundle(replicas=3)
        await cluster.ready(bank)
        assert (revision(), template(cluster, old)) == (old, before)
        cluster.bundle(replicas=3, resources={"limits": {"memory": "1Gi"}})
        await cluster.ready(bank)
        assert ADDED not in variables(template(cluster, old))
        cluster.bundle(replicas=3, restartNonce="upgraded")
        await until(lambda: revision() != old, PATIENCE)
        await cluster.ready(bank)
        assert ADDED in variables(template(cluster, revision()))
        new = revision()
        cluster.bundle(replicas=3, compatibility="Skip")
        await until(lambda: revision() == old, PATIENCE)
        await cluster.ready(bank)
        assert ADDED not in variables(template(cluster, old))
        assert ADDED in variables(template(cluster, new))


async def test_after_a_downgrade_pods_are_made_from_the_newest_template_that_is_known(
    cluster: Cluster,
) -> None:
    """They are replaced by what the older operator can make, and nothing fails."""
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator("later", name="first") as first:
        await cluster.ready(bank)
        await first.stop()
    revision = str(nested(cluster.api.objects[bank], "status", "revision"))
    assert ADDED in variables(template(cluster, revision))
    async with cluster.operator(name="second"):
        await until(lambda: ADDED not in variables(template(cluster, revision)), PATIENCE)
        await cluster.ready(bank)
    assert nested(cluster.api.objects[bank], "status", "revision") == revision
