"""A stored revision holds all that is needed to run it again."""

from dataclasses import replace
from typing import Any

import pytest

from chekov_operator.children.revision import TEMPLATE_VERSION
from chekov_operator.children.workloads import deployment
from chekov_operator.controllers.bundle import revisions
from chekov_operator.controllers.bundle.check_result import with_result
from chekov_operator.controllers.bundle.revisions import (
    is_taken_over,
    known_result,
    stored_objects,
    stored_spec,
    template_version,
    to_revision,
    with_spec,
)
from chekov_operator.kube.objects import Object, nested
from tests.operator.samples import (
    bundle,
    by_name,
    code_of,
    older_record,
    store,
    stored,
    target,
)

RESULT: Object = {"ok": True, "domain": "bank"}
IMAGE: dict[str, Any] = {"code": {"image": "bank:1"}, "imagePullPolicy": "Always"}


def again(*children: Object, **now: Any) -> Any:
    """The revision of the first of the children."""
    return to_revision(children[0], bundle(**now), by_name(*children), store(), "IfNotPresent")


def children_of(**spec: Any) -> list[Object]:
    return [stored(target(**spec), RESULT), *([] if "code" in spec else [code_of(target(**spec))])]


@pytest.mark.parametrize(
    "spec",
    [{}, IMAGE, {"env": [{"name": "A", "value": "1"}], "serviceAccountName": "account"}],
    ids=["inline", "image", "variables"],
)
def test_a_revision_is_read_back_as_it_was(spec: dict[str, Any]) -> None:
    found, was = again(*children_of(**spec), **spec), target(**spec)
    assert (found.name, found.image, found.modules) == (was.name, was.image, was.modules)
    assert found.bundle.env == was.bundle.env
    assert found.bundle.entrypoint == was.bundle.entrypoint
    assert found.account == was.account


def test_its_pods_are_made_from_the_template_that_it_was_made_with() -> None:
    made = stored(replace(target(**IMAGE), template=7), RESULT)
    assert again(made, **IMAGE).template == 7
    assert template_version(by_name(made), target(**IMAGE).name) == 7
    assert template_version({}, target().name) == TEMPLATE_VERSION
    del made["spec"]["templateVersion"]
    assert again(made, **IMAGE).template == 1, "as of an older operator"


@pytest.mark.parametrize("template", [1, 7])
def test_the_template_survives_the_deletion_of_what_stores_the_revision(template: int) -> None:
    revision = replace(target(), template=template)
    live = with_spec(deployment(revision), revision)
    assert template_version(by_name(live), revision.name) == template


@pytest.mark.parametrize("stored_by", ["its deployment", "a config map"])
def test_what_an_older_operator_left_keeps_the_first_template(
    stored_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before there is a BundleRevision: its pods would be replaced, and once more after it."""
    monkeypatch.setattr(revisions, "TEMPLATE_VERSION", 2)
    body = deployment(target()) if stored_by == "its deployment" else older_record(target())
    assert template_version(by_name(body), target().name) == 1
    assert template_version(by_name(body), "another") == 2


def test_it_runs_at_the_size_the_bundle_has_now() -> None:
    assert again(*children_of(replicas=2), replicas=7).bundle.replicas == 7


def test_it_runs_the_code_it_was_made_of_whatever_the_spec_says_now() -> None:
    other = {"inline": {"modules": {"bank.py": "other"}}}
    found = again(*children_of(), code=other, env=[{"name": "NEW", "value": "1"}])
    assert found.modules == target().modules
    assert list(found.bundle.env) == []


def test_what_changed_without_a_new_revision_is_remembered_by_its_deployment() -> None:
    limits = {"limits": {"memory": "1Gi"}}
    live = with_spec(deployment(target()), target(resources=limits))
    assert again(*children_of(), live).bundle.resources == limits
    assert again(*children_of()).bundle.resources == {}


def test_the_source_is_stored_once() -> None:
    record, code = children_of()
    source = next(iter(code["data"].values()))
    assert str(record).count(source) == 0
    assert str(code).count(source) == 1
    spec = stored_spec(by_name(record, code), target().name)
    assert spec == target().spec


def test_a_revision_never_changes_its_code() -> None:
    body = code_of(target())
    assert body["immutable"] is True
    assert body["metadata"]["name"] == target().code


def test_a_stored_revision_belongs_to_its_bundle_and_the_code_to_it() -> None:
    record, code = children_of()
    assert record["metadata"]["ownerReferences"][0]["uid"] == "bundle-uid"
    (owner,) = code["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("BundleRevision", record["metadata"]["uid"])


def test_revisions_are_numbered_as_they_are_made() -> None:
    first, second = target(), target(restartNonce="new")
    found = stored_objects(by_name(stored(first, number=4)), bundle().meta, second)
    [made] = [body for body in found if nested(body, "spec", "revision") == second.name]
    assert (made["spec"]["revision"], made["spec"]["number"]) == (second.name, 5)


def test_what_is_stored_stays_as_it_is_whatever_the_spec_says_now() -> None:
    record = stored(target(), number=4)
    changed = replace(target(), spec={**target().spec, "replicas": 9})
    [again_, _] = stored_objects(by_name(record), bundle().meta, changed)
    assert again_["spec"] == record["spec"]


def test_a_spec_that_was_spoilt_is_not_used() -> None:
    body = stored(target())
    body["spec"] = {**body["spec"], "template": {"entrypoint": "none"}}
    assert again(body) is None


@pytest.mark.parametrize("stored_by", ["the revision", "its deployment", "an older operator"])
def test_the_result_of_a_check_is_found_wherever_it_is(stored_by: str) -> None:
    body = {
        "the revision": stored(target(), RESULT),
        "its deployment": with_result(deployment(target()), RESULT),
        "an older operator": older_record(target(), RESULT),
    }[stored_by]
    assert known_result(by_name(body), target().name) == RESULT
    assert known_result(by_name(body), "another") is None
    assert known_result(by_name(body), None) is None


def of_kind(kind: str, *children: Object) -> list[Object]:
    found = stored_objects(by_name(*children), bundle().meta, None)
    return [body for body in found if body["kind"] == kind]


@pytest.mark.parametrize("spec", [{}, IMAGE], ids=["inline", "image"])
def test_what_an_older_operator_stored_becomes_a_revision(spec: dict[str, Any]) -> None:
    was = target(**spec)
    [made] = of_kind("BundleRevision", older_record(was, RESULT))
    assert made["spec"] == stored(was)["spec"]
    found = again(made, older_record(was, RESULT), **spec)
    assert (found.image, found.modules) == (was.image, was.modules)


def test_the_newest_of_an_older_operators_revisions_has_the_highest_number() -> None:
    older, newer = older_record(target()), older_record(target(restartNonce="new"))
    older["metadata"]["creationTimestamp"] = "2026-11-24"
    newer["metadata"]["creationTimestamp"] = "2026-11-25"
    made = of_kind("BundleRevision", newer, older)
    found = {body["spec"]["revision"]: body["spec"]["number"] for body in made}
    assert found == {target().name: 1, target(restartNonce="new").name: 2}


def test_a_config_map_changes_hands_once_its_result_has() -> None:
    older = older_record(target(), RESULT)
    assert of_kind("ConfigMap", older, stored(target())) == []
    assert not is_taken_over(stored(target()), by_name(older))
    [code] = of_kind("ConfigMap", older, stored(target(), RESULT))
    assert code["data"] == older["data"]
    assert code["metadata"]["ownerReferences"][0]["kind"] == "BundleRevision"


@pytest.mark.parametrize("name", ["chekov.dev/spec", "chekov.dev/image"])
@pytest.mark.parametrize("value", ["", "{"])
def test_what_an_older_operator_stored_badly_is_left_alone(name: str, value: str) -> None:
    body = older_record(target())
    if (name, value) == ("chekov.dev/image", "{"):
        del body["metadata"]["labels"]["chekov.dev/revision"]
    else:
        body["metadata"]["annotations"][name] = value
    assert of_kind("BundleRevision", body) == []
