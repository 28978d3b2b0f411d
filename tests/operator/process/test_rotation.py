"""Passwords, settings and code that change in the objects that a bundle names."""

from base64 import b64encode
from typing import Any

from chekov_operator.kube.kinds import CONFIG_MAP, EVENT, SECRET
from chekov_operator.kube.objects import annotation, nested
from tests.operator.process.running import PATIENCE, Cluster
from tests.waiting import until

NEW_DSN = "postgresql://u:n3w@db.example/bank"
REFERENCES = "chekov.dev/references"


def versions(cluster: Cluster) -> str | None:
    return annotation(nested(cluster.deployment(), "spec", "template"), REFERENCES)


def events(cluster: Cluster) -> list[str]:
    collection = EVENT.path("shops") + "/"
    found = cluster.api.objects.items()
    return [body["message"] for path, body in found if path.startswith(collection)]


async def test_a_rotated_password_replaces_the_pods_and_is_told(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator():
        await cluster.ready(bank)
        before = versions(cluster)
        cluster.kubelet.hold()
        dsn = b64encode(NEW_DSN.encode()).decode()
        cluster.api.put(SECRET.path("shops", "main"), {"data": {"dsn": dsn}})
        await until(lambda: versions(cluster) not in (None, before), PATIENCE)
        await until(
            lambda: any("the Secret 'main' changed" in said for said in events(cluster)), PATIENCE
        )
        cluster.kubelet.release()
        await cluster.ready(bank)
        live = cluster.deployment()
        assert annotation(live, "kubernetes.io/change-cause") == "the Secret 'main' changed"
        assert "n3w" not in str(cluster.api.objects[bank])


async def test_a_secret_that_only_got_a_label_replaces_nothing(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator():
        await cluster.ready(bank)
        before = nested(cluster.deployment(), "spec")
        path = SECRET.path("shops", "main")
        labelled = {**cluster.api.objects[path]["metadata"], "labels": {"team": "shops"}}
        cluster.api.put(path, {**cluster.api.objects[path], "metadata": labelled})

        def is_read_again() -> bool:
            return sum(request.path == path for request in cluster.api.requests) > 2

        await until(is_read_again, PATIENCE)
        cluster.bundle(service={"type": "NodePort"})
        service = "/api/v1/namespaces/shops/services/bank"
        await until(lambda: cluster.api.objects[service]["spec"]["type"] == "NodePort", PATIENCE)
        assert nested(cluster.deployment(), "spec") == before


async def test_changed_code_in_a_config_map_is_a_new_revision(cluster: Cluster) -> None:
    path = CONFIG_MAP.path("shops", "code")
    cluster.api.put(path, {"data": {"bank.py": "one"}})
    cluster.store()
    bank = cluster.bundle(code={"configMapRef": {"name": "code"}})

    def revision() -> Any:
        return nested(cluster.api.objects[bank], "status", "completedRevision")

    async with cluster.operator():
        await cluster.ready(bank)
        before = revision()
        cluster.api.put(path, {"data": {"bank.py": "two"}})
        await until(lambda: revision() not in (None, before), PATIENCE)
        await cluster.ready(bank)


async def test_what_was_missing_is_used_as_soon_as_it_is_there(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle(envFrom=[{"configMapRef": {"name": "settings"}}])
    async with cluster.operator():
        await until(lambda: cluster.condition(bank)[1] == "ConfigMapNotFound", PATIENCE)
        cluster.api.put(CONFIG_MAP.path("shops", "settings"), {"data": {"mode": "live"}})
        await cluster.ready(bank)
