"""Applying what is wanted, and leaving alone what is already so."""

import contextlib
from typing import Any

import pytest

from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.apply import Applier, ChildRefused, FieldContested, NameTaken
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import BUNDLE, CONFIG_MAP, DEPLOYMENT, JOB, KINDS, SERVICE, Key
from chekov_operator.kube.objects import Object
from chekov_operator.kube.repairs import FREE_REPAIRS
from tests.operator.fake_api import FakeApi

Live = dict[tuple[str, str], Object]

BANK = Key(BUNDLE.name, "shops", "bank")


@pytest.fixture
def applier(client: Client) -> Applier:
    return Applier(client, Cache())


def wanted(kind: str = "Service", name: str = "bank", **content: Any) -> Object:
    owner = {"uid": "bundle-uid", "controller": True, "kind": "DomainBundle", "name": "bank"}
    return {
        "apiVersion": KINDS[kind].api,
        "kind": kind,
        "metadata": {"name": name, "namespace": "shops", "ownerReferences": [owner]},
        **content,
    }


def live(api: FakeApi) -> Live:
    """What watches would deliver."""
    return {
        (body["kind"], body["metadata"]["name"]): body
        for body in api.objects.values()
        if "kind" in body
    }


async def test_what_is_not_there_is_made(api: FakeApi, applier: Applier) -> None:
    body = wanted(spec={"type": "ClusterIP"})
    assert await applier.apply(BANK, [body], {}) == ["Service/bank"]
    assert api.objects[SERVICE.path("shops", "bank")]["spec"] == {"type": "ClusterIP"}


async def test_a_new_object_costs_one_request(api: FakeApi, applier: Applier) -> None:
    await applier.apply(BANK, [wanted()], {})
    assert len(api.requests) == 1


async def test_what_goes_while_it_is_looked_at_is_made(api: FakeApi, applier: Applier) -> None:
    api.fail("PATCH", "/bank", 409, "Conflict")
    assert await applier.apply(BANK, [wanted()], {}) == ["Service/bank"]
    assert SERVICE.path("shops", "bank") in api.objects


async def test_what_is_as_it_should_be_costs_no_request(api: FakeApi, applier: Applier) -> None:
    body = wanted(spec={"type": "ClusterIP"})
    await applier.apply(BANK, [body], {})
    api.requests.clear()
    assert await applier.apply(BANK, [body], live(api)) == []
    assert api.requests == []


async def test_another_operator_process_knows_it_too(api: FakeApi, client: Client) -> None:
    body = wanted(spec={"type": "ClusterIP"})
    await Applier(client, Cache()).apply(BANK, [body], {})
    api.requests.clear()
    assert await Applier(client, Cache()).apply(BANK, [body], live(api)) == []
    assert api.requests == []


async def test_another_wish_is_applied(api: FakeApi, applier: Applier) -> None:
    await applier.apply(BANK, [wanted(spec={"type": "ClusterIP"})], {})
    assert await applier.apply(BANK, [wanted(spec={"type": "NodePort"})], live(api)) == [
        "Service/bank"
    ]


async def test_a_wish_that_was_taken_back_is_taken_back(api: FakeApi, applier: Applier) -> None:
    await applier.apply(BANK, [wanted(spec={"type": "ClusterIP", "note": "x"})], {})
    await applier.apply(BANK, [wanted(spec={"type": "ClusterIP"})], live(api))
    assert api.objects[SERVICE.path("shops", "bank")]["spec"] == {"type": "ClusterIP"}


async def test_what_somebody_changed_is_changed_back(api: FakeApi, applier: Applier) -> None:
    body = wanted(spec={"type": "ClusterIP"})
    await applier.apply(BANK, [body], {})
    path = SERVICE.path("shops", "bank")
    api.put(path, {**api.objects[path], "spec": {"type": "NodePort"}})
    assert await applier.apply(BANK, [body], live(api)) == ["Service/bank"]
    assert api.objects[path]["spec"] == {"type": "ClusterIP"}


async def test_what_somebody_removed_is_added_back(api: FakeApi, applier: Applier) -> None:
    body = wanted("Deployment", spec={"env": "a", "probe": "b"})
    path = DEPLOYMENT.path("shops", "bank")
    await applier.apply(BANK, [body], {})
    api.put(path, {**api.objects[path], "spec": {"env": "a"}})
    assert await applier.apply(BANK, [body], live(api)) == ["Deployment/bank"]
    assert api.objects[path]["spec"] == {"env": "a", "probe": "b"}


async def test_what_somebody_added_is_left_alone(api: FakeApi, applier: Applier) -> None:
    body = wanted(spec={"type": "ClusterIP"})
    await applier.apply(BANK, [body], {})
    path = SERVICE.path("shops", "bank")
    api.put(path, {**api.objects[path], "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.7"}})
    assert await applier.apply(BANK, [body], live(api)) == []


async def test_a_value_that_the_server_writes_differently_is_applied_once_more_at_most(
    api: FakeApi, applier: Applier
) -> None:
    body = wanted("Deployment", spec={"cpu": "0.5"})
    path = DEPLOYMENT.path("shops", "bank")
    api.rewrite[path] = lambda kept: kept | {"spec": {"cpu": "500m"}}
    await applier.apply(BANK, [body], {})
    await applier.apply(BANK, [body], live(api))
    api.requests.clear()
    assert await applier.apply(BANK, [body], live(api)) == []
    assert api.requests == []


async def test_what_pods_need_is_there_before_them(api: FakeApi, applier: Applier) -> None:
    await applier.apply(
        BANK, [wanted("Deployment"), wanted("ServiceAccount"), wanted("ConfigMap")], {}
    )
    kinds = [line.split("/")[-2] for line in api.writes()]
    assert kinds.index("deployments") == 2


async def test_the_same_child_twice_is_applied_once(api: FakeApi, applier: Applier) -> None:
    await applier.apply(BANK, [wanted("ServiceAccount"), wanted("ServiceAccount")], {})
    assert len(api.writes()) == 1


async def test_an_object_of_somebody_else_is_not_taken_over(api: FakeApi, applier: Applier) -> None:
    path = CONFIG_MAP.path("shops", "bank")
    theirs = api.put(path, {"data": {"theirs": "1"}})
    with pytest.raises(NameTaken) as caught:
        await applier.apply(BANK, [wanted("ConfigMap")], {})
    assert "ConfigMap 'bank'" in str(caught.value)
    assert api.objects[path] == theirs


async def test_an_own_object_whose_owner_was_removed_gets_it_back(
    api: FakeApi, applier: Applier
) -> None:
    body = wanted("ConfigMap")
    path = CONFIG_MAP.path("shops", "bank")
    api.put(path, {"metadata": {"managedFields": [{"manager": "kubectl-edit"}]}})
    with pytest.raises(NameTaken):
        await applier.apply(BANK, [body], {})
    managers = [{"manager": "kubectl-edit"}, {"manager": "chekov-operator"}]
    api.put(path, {"metadata": {"managedFields": managers}})
    assert await applier.apply(BANK, [body], {}) == ["ConfigMap/bank"]


async def test_an_own_object_that_is_not_cached_yet_is_updated(
    api: FakeApi, applier: Applier
) -> None:
    await applier.apply(BANK, [wanted("ConfigMap", data={"a": "1"})], {})
    assert await applier.apply(BANK, [wanted("ConfigMap", data={"a": "2"})], {}) == [
        "ConfigMap/bank"
    ]


@pytest.mark.parametrize("status", [400, 403, 422])
async def test_a_refused_child_is_distinguished_from_a_failing_server(
    api: FakeApi, applier: Applier, status: int
) -> None:
    api.fail("PATCH", "/bank", status, "Invalid")
    with pytest.raises(ChildRefused):
        await applier.apply(BANK, [wanted()], {})


@pytest.mark.parametrize(
    "said",
    [
        "failed to convert new object (shops/bank; v1, Kind=Service): quantities must match …",
        "failed to create typed patch object (shops/bank; v1): .spec.typo: field not declared",
    ],
)
async def test_a_child_that_the_server_cannot_read_is_the_users_to_change(
    api: FakeApi, applier: Applier, said: str
) -> None:
    api.fail("PATCH", "/bank", 500, said)
    with pytest.raises(ChildRefused):
        await applier.apply(BANK, [wanted()], {})


async def test_a_server_in_trouble_is_not_the_users_fault(api: FakeApi, applier: Applier) -> None:
    api.fail("PATCH", "/bank", 500, "InternalError")
    with pytest.raises(ApiError):
        await applier.apply(BANK, [wanted()], {})


async def test_what_somebody_put_in_the_way_is_removed(api: FakeApi, applier: Applier) -> None:
    body = wanted(spec={"type": "ClusterIP"})
    await applier.apply(BANK, [body], {})
    path = SERVICE.path("shops", "bank")
    api.put(path, {**api.objects[path], "spec": {"type": "NodePort", "theirs": "1"}})
    api.fail("PATCH", "/services/bank", 422, "Invalid")
    assert await applier.apply(BANK, [body], live(api)) == ["Service/bank"]
    assert api.objects[path]["spec"] == {"type": "ClusterIP"}


async def test_what_cannot_be_made_is_not_overwritten(api: FakeApi, applier: Applier) -> None:
    api.fail("PATCH", "/services/bank", 422, "Invalid")
    with pytest.raises(ChildRefused):
        await applier.apply(BANK, [wanted(spec={"type": "ClusterIP"})], {})
    assert len(api.writes()) == 1


async def test_a_refused_change_of_an_existing_child_is_reported(
    api: FakeApi, applier: Applier
) -> None:
    await applier.apply(BANK, [wanted(spec={"type": "ClusterIP"})], {})
    for _ in range(2):
        api.fail("PATCH", "/services/bank", 422, "Invalid")
    with pytest.raises(ChildRefused):
        await applier.apply(BANK, [wanted(spec={"type": "Nonsense"})], live(api))
    assert api.objects[SERVICE.path("shops", "bank")]["spec"] == {"type": "ClusterIP"}


async def test_one_refusal_does_not_keep_the_others_back(api: FakeApi, applier: Applier) -> None:
    api.fail("PATCH", "/services/bank", 422, "Invalid")
    with pytest.raises(ChildRefused):
        await applier.apply(BANK, [wanted(), wanted("NetworkPolicy")], {})
    assert "/networkpolicies/bank" in api.writes()[-1] + api.writes()[0]


async def test_what_is_not_wanted_is_deleted(api: FakeApi, applier: Applier) -> None:
    path = JOB.path("shops", "bank-check")
    api.put(path, {"kind": "Job"})
    await applier.delete("shops", [(JOB, "bank-check"), (JOB, "gone")], live(api))
    assert path not in api.objects


async def test_an_object_that_took_a_childs_name_is_not_deleted(
    api: FakeApi, applier: Applier
) -> None:
    path = JOB.path("shops", "bank-check")
    api.put(path, {"kind": "Job"})
    ours = live(api)
    api.remove(path)
    api.put(path, {"kind": "Job"})
    await applier.delete("shops", [(JOB, "bank-check")], ours)
    assert path in api.objects


async def test_a_value_that_was_changed_where_the_server_rewrites_it_is_set_back(
    api: FakeApi, applier: Applier
) -> None:
    body = wanted("Deployment", spec={"cpu": "0.5"})
    path = DEPLOYMENT.path("shops", "bank")
    api.rewrite[path] = lambda kept: (
        kept | {"spec": {"cpu": "500m"}} if kept["spec"] == {"cpu": "0.5"} else kept
    )
    await applier.apply(BANK, [body], {})
    assert await applier.apply(BANK, [body], live(api)) == []
    api.put(path, {**api.objects[path], "spec": {"cpu": "8"}})
    assert await applier.apply(BANK, [body], live(api)) == ["Deployment/bank"]
    assert api.objects[path]["spec"] == {"cpu": "500m"}


async def test_a_fight_over_a_field_is_told_and_slows_down(api: FakeApi, client: Client) -> None:
    now = 0.0
    applier = Applier(client, Cache(), lambda: now)
    body = wanted(spec={"type": "ClusterIP"})
    await applier.apply(BANK, [body], {})
    path = SERVICE.path("shops", "bank")

    async def fight() -> None:
        api.put(path, {**api.objects[path], "spec": {"type": "NodePort"}})
        await applier.apply(BANK, [body], live(api))

    for _ in range(FREE_REPAIRS - 1):
        await fight()
    with pytest.raises(FieldContested) as caught:
        await fight()
    assert "spec.type of the Service 'bank'" in str(caught.value)
    assert api.objects[path]["spec"] == {"type": "ClusterIP"}
    api.requests.clear()
    with pytest.raises(FieldContested):
        await fight()
    assert api.requests == []
    now += caught.value.retry_after
    with pytest.raises(FieldContested):
        await fight()
    assert api.objects[path]["spec"] == {"type": "ClusterIP"}


async def test_two_operators_that_want_different_things_slow_down(
    api: FakeApi, client: Client
) -> None:
    appliers = [Applier(client, Cache(), lambda: 0.0) for _ in range(2)]
    bodies = [wanted(spec={"type": kind}) for kind in ("ClusterIP", "NodePort")]
    contested = 0
    for _ in range(3 * FREE_REPAIRS):
        for applier, body in zip(appliers, bodies, strict=True):
            try:
                await applier.apply(BANK, [body], live(api))
            except FieldContested:
                contested += 1
    assert contested
    api.requests.clear()
    for applier, body in zip(appliers, bodies, strict=True):
        with contextlib.suppress(FieldContested):
            await applier.apply(BANK, [body], live(api))
    assert api.requests == []


async def test_what_is_remembered_goes_with_the_owner_and_the_child(
    api: FakeApi, applier: Applier
) -> None:
    await applier.apply(BANK, [wanted(), wanted("ConfigMap")], {})
    await applier.apply(BANK, [wanted()], live(api))
    assert [name for name, _ in applier.remembered(BANK)] == ["Service"]
    applier.forget(BANK)
    assert applier.remembered(BANK) == []
