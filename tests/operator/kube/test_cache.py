"""The operator's copy of the cache: never older than what it knew, and small."""

from typing import Any

from chekov_operator.kube.cache import Cache
from chekov_operator.kube.kinds import (
    BUNDLE,
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    POD,
    REVISION,
    STORE,
    Key,
)
from chekov_operator.kube.objects import Object

BANK = Key("DomainBundle", "shops", "bank")
MAIN = Key("EventStore", "shops", "main")


def thing(name: str = "bank", version: int = 1, *, owner: str = "bank", **content: Any) -> Object:
    return {
        "metadata": {
            "name": name,
            "namespace": "shops",
            "resourceVersion": str(version),
            "labels": {"chekov.dev/bundle": owner} if owner else {},
        },
        **content,
    }


def test_what_was_put_is_found_with_its_kind() -> None:
    cache = Cache()
    cache.put(DEPLOYMENT, thing(spec={"replicas": 2}))
    found = cache.get(DEPLOYMENT, "shops", "bank")
    assert found is not None
    assert (found["kind"], found["apiVersion"], found["spec"]) == (
        "Deployment",
        "apps/v1",
        {"replicas": 2},
    )
    assert cache.get(DEPLOYMENT, "shops", "other") is None
    assert cache.get(JOB, "shops", "bank") is None


def test_an_older_state_does_not_replace_a_newer_one() -> None:
    cache = Cache()
    cache.put(DEPLOYMENT, thing(version=9, spec={"replicas": 2}))
    cache.put(DEPLOYMENT, thing(version=10, spec={"replicas": 3}))
    cache.put(DEPLOYMENT, thing(version=9, spec={"replicas": 2}), watched=True)
    found = cache.get(DEPLOYMENT, "shops", "bank")
    assert found is not None
    assert found["spec"] == {"replicas": 3}


def test_what_is_dropped_is_gone() -> None:
    cache = Cache()
    cache.put(DEPLOYMENT, thing())
    cache.drop(DEPLOYMENT, thing(version=2))
    assert cache.get(DEPLOYMENT, "shops", "bank") is None
    assert cache.children(BANK) == {}


def test_news_of_an_old_deletion_does_not_touch_the_new_object() -> None:
    cache = Cache()
    cache.put(DEPLOYMENT, thing(version=5))
    cache.drop(DEPLOYMENT, thing(version=4))
    assert cache.get(DEPLOYMENT, "shops", "bank") is not None


def test_news_of_an_old_deletion_does_not_touch_what_watches_delivered() -> None:
    cache = Cache()
    cache.put(DEPLOYMENT, thing(version=5), watched=True)
    cache.drop(DEPLOYMENT, thing(version=4))
    assert cache.watched_version(Key("Deployment", "shops", "bank")) == 5


def test_dropping_an_unknown_object_changes_nothing() -> None:
    cache = Cache()
    cache.put(DEPLOYMENT, thing("other"))
    cache.drop(DEPLOYMENT, thing())
    assert list(cache.versions(DEPLOYMENT)) == [Key("Deployment", "shops", "other")]


def test_children_and_pods_are_found_by_their_owner() -> None:
    cache = Cache()
    cache.put(CONFIG_MAP, thing("code"))
    cache.put(DEPLOYMENT, thing())
    cache.put(POD, thing("bank-1"))
    cache.put(DEPLOYMENT, thing("other", owner="other"))
    assert sorted(cache.children(BANK)) == [("ConfigMap", "code"), ("Deployment", "bank")]
    assert [pod["metadata"]["name"] for pod in cache.pods(BANK)] == ["bank-1"]


def test_a_stores_children_are_found_too() -> None:
    cache = Cache()
    body = thing("main-migrate-1", owner="")
    body["metadata"]["labels"] = {"chekov.dev/store": "main"}
    cache.put(JOB, body)
    assert sorted(cache.children(MAIN)) == [("Job", "main-migrate-1")]


def test_a_child_whose_label_was_taken_away_is_no_longer_found_by_its_owner() -> None:
    cache = Cache()
    cache.put(DEPLOYMENT, thing())
    cache.put(DEPLOYMENT, thing(version=2, owner=""))
    assert cache.children(BANK) == {}
    cache.drop(DEPLOYMENT, thing(version=3, owner=""))
    assert cache.children(BANK) == {}
    cache.put(DEPLOYMENT, thing(version=4))
    assert list(cache.children(BANK)) == [("Deployment", "bank")]


def test_a_child_that_got_another_label_is_found_by_its_new_owner_alone() -> None:
    cache = Cache()
    cache.put(DEPLOYMENT, thing())
    cache.put(DEPLOYMENT, thing(version=2, owner="other"))
    assert cache.children(BANK) == {}
    assert list(cache.children(Key("DomainBundle", "shops", "other"))) == [("Deployment", "bank")]


def test_a_label_alone_makes_no_child() -> None:
    cache = Cache()
    bundle = thing(owner="")
    bundle["metadata"]["uid"] = "bundle-uid"
    cache.put(BUNDLE, bundle)
    cache.put(DEPLOYMENT, thing())
    assert cache.children(BANK) == {}
    for uid in ("of an earlier bundle", "bundle-uid"):
        owned = thing(version=2)
        owned["metadata"]["ownerReferences"] = [{"uid": uid, "controller": True}]
        cache.put(DEPLOYMENT, owned)
        assert bool(cache.children(BANK)) == (uid == "bundle-uid")


def test_what_a_revision_of_a_bundle_owns_belongs_to_the_bundle() -> None:
    cache = Cache()
    revision, code = thing("bank-1"), thing("bank-1")
    revision["metadata"]["uid"] = "revision-uid"
    code["metadata"]["ownerReferences"] = [{"uid": "revision-uid", "controller": True}]
    cache.put(CONFIG_MAP, code)
    assert cache.children(BANK) == {}
    cache.put(REVISION, revision)
    assert set(cache.children(BANK)) == {("BundleRevision", "bank-1"), ("ConfigMap", "bank-1")}


def test_a_bundle_is_not_its_own_child() -> None:
    cache = Cache()
    cache.put(BUNDLE, thing(owner=""))
    cache.put(STORE, thing("main", owner=""))
    assert cache.children(BANK) == {}


def test_the_objects_of_a_kind_are_found_by_namespace() -> None:
    cache = Cache()
    for name in ("two", "one"):
        cache.put(BUNDLE, thing(name, owner=""))
    cache.put(STORE, thing("main", owner=""))
    found = cache.all(BUNDLE, "shops")
    assert [body["metadata"]["name"] for body in found] == ["one", "two"]
    assert cache.all(BUNDLE, "other") == []


def test_what_nobody_reads_is_not_kept() -> None:
    cache = Cache()
    body = thing("bank-1", spec={"containers": []}, status={"phase": "Running"})
    body["metadata"]["managedFields"] = [{"manager": "kubelet"}]
    cache.put(POD, body)
    (pod,) = cache.pods(BANK)
    assert "spec" not in pod
    assert pod["status"] == {"phase": "Running"}
    assert "managedFields" not in pod["metadata"]
    assert "managedFields" in body["metadata"]


def test_versions_of_watches_are_distinguished_from_those_of_responses() -> None:
    cache = Cache()
    key = Key("Deployment", "shops", "bank")
    cache.put(DEPLOYMENT, thing(version=5))
    assert cache.watched_version(key) == 0
    cache.put(DEPLOYMENT, thing(version=4), watched=True)
    assert cache.watched_version(key) == 4
    assert cache.versions(DEPLOYMENT) == {key: 5}
    cache.drop(DEPLOYMENT, thing(version=6))
    assert cache.watched_version(key) == 0
