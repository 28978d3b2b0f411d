"""The operator's copy of the world: never older than what it knew, and small."""

from typing import Any

from chekov_operator.resources import BUNDLE, CONFIG_MAP, DEPLOYMENT, JOB, POD, STORE, Key, Object
from chekov_operator.world import World

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
    world = World()
    world.put(DEPLOYMENT, thing(spec={"replicas": 2}))
    found = world.get(DEPLOYMENT, "shops", "bank")
    assert found is not None
    assert (found["kind"], found["apiVersion"], found["spec"]) == (
        "Deployment",
        "apps/v1",
        {"replicas": 2},
    )
    assert world.get(DEPLOYMENT, "shops", "other") is None
    assert world.get(JOB, "shops", "bank") is None


def test_an_older_state_does_not_replace_a_newer_one() -> None:
    world = World()
    world.put(DEPLOYMENT, thing(version=9, spec={"replicas": 2}))
    world.put(DEPLOYMENT, thing(version=10, spec={"replicas": 3}))
    world.put(DEPLOYMENT, thing(version=9, spec={"replicas": 2}), watched=True)
    found = world.get(DEPLOYMENT, "shops", "bank")
    assert found is not None
    assert found["spec"] == {"replicas": 3}


def test_what_is_dropped_is_gone() -> None:
    world = World()
    world.put(DEPLOYMENT, thing())
    world.drop(DEPLOYMENT, thing(version=2))
    assert world.get(DEPLOYMENT, "shops", "bank") is None
    assert world.children(BANK) == {}


def test_news_of_an_old_deletion_does_not_touch_the_new_object() -> None:
    world = World()
    world.put(DEPLOYMENT, thing(version=5))
    world.drop(DEPLOYMENT, thing(version=4))
    assert world.get(DEPLOYMENT, "shops", "bank") is not None


def test_dropping_what_nobody_knows_is_fine() -> None:
    World().drop(DEPLOYMENT, thing())


def test_children_and_pods_are_found_by_their_owner() -> None:
    world = World()
    world.put(CONFIG_MAP, thing("code"))
    world.put(DEPLOYMENT, thing())
    world.put(POD, thing("bank-1"))
    world.put(DEPLOYMENT, thing("other", owner="other"))
    assert sorted(world.children(BANK)) == [("ConfigMap", "code"), ("Deployment", "bank")]
    assert [pod["metadata"]["name"] for pod in world.pods(BANK)] == ["bank-1"]


def test_a_stores_children_are_found_too() -> None:
    world = World()
    body = thing("main-migrate-1", owner="")
    body["metadata"]["labels"] = {"chekov.dev/store": "main"}
    world.put(JOB, body)
    assert sorted(world.children(MAIN)) == [("Job", "main-migrate-1")]


def test_a_child_whose_label_was_taken_away_is_no_longer_found_by_its_owner() -> None:
    world = World()
    world.put(DEPLOYMENT, thing())
    world.put(DEPLOYMENT, thing(version=2, owner=""))
    assert world.children(BANK) == {}
    world.drop(DEPLOYMENT, thing(version=3, owner=""))
    assert world.children(BANK) == {}
    world.put(DEPLOYMENT, thing(version=4))
    assert list(world.children(BANK)) == [("Deployment", "bank")]


def test_a_child_that_got_another_label_is_found_by_its_new_owner_alone() -> None:
    world = World()
    world.put(DEPLOYMENT, thing())
    world.put(DEPLOYMENT, thing(version=2, owner="other"))
    assert world.children(BANK) == {}
    assert list(world.children(Key("DomainBundle", "shops", "other"))) == [("Deployment", "bank")]


def test_a_bundle_is_not_its_own_child() -> None:
    world = World()
    world.put(BUNDLE, thing(owner=""))
    world.put(STORE, thing("main", owner=""))
    assert world.children(BANK) == {}
    assert sorted(world.keys()) == [BANK, MAIN]


def test_what_nobody_reads_is_not_kept() -> None:
    world = World()
    body = thing("bank-1", spec={"containers": []}, status={"phase": "Running"})
    body["metadata"]["managedFields"] = [{"manager": "kubelet"}]
    world.put(POD, body)
    (pod,) = world.pods(BANK)
    assert "spec" not in pod
    assert pod["status"] == {"phase": "Running"}
    assert "managedFields" not in pod["metadata"]
    assert "managedFields" in body["metadata"]


def test_it_is_known_what_watches_told_of_and_what_only_answers_did() -> None:
    world = World()
    place = ("Deployment", "shops", "bank")
    world.put(DEPLOYMENT, thing(version=5))
    assert world.watched(place) == 0
    world.put(DEPLOYMENT, thing(version=4), watched=True)
    assert world.watched(place) == 4
    assert world.places(DEPLOYMENT) == {place: 5}
    world.drop(DEPLOYMENT, thing(version=6))
    assert world.watched(place) == 0
