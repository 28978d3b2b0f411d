"""A record holds all that is needed to run a revision again."""

from dataclasses import replace
from typing import Any

import pytest

from chekov_operator.controllers.bundle.check_result import result_of
from chekov_operator.controllers.bundle.revisions import (
    config_map_of,
    from_config_map,
    is_revision,
    to_config_map,
)
from chekov_operator.kube.objects import Object
from tests.operator.samples import bundle, bundle_body, store, target

RESULT = {"ok": True, "domain": "bank"}


def kept(result: Object | None = None, **spec: Any) -> Object:
    return to_config_map(target(**spec), bundle_body(**spec)["spec"], result)


def again(body: Object, **now: Any) -> Any:
    return from_config_map(body, bundle(**now), store(), "IfNotPresent")


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"code": {"image": "bank:1"}, "imagePullPolicy": "Always"},
        {"env": [{"name": "A", "value": "1"}], "serviceAccountName": "account"},
    ],
    ids=["inline", "image", "variables"],
)
def test_a_revision_is_read_back_as_it_was(spec: dict[str, Any]) -> None:
    found, was = again(kept(**spec), **spec), target(**spec)
    assert (found.name, found.image, found.modules) == (was.name, was.image, was.modules)
    assert found.bundle.env == was.bundle.env
    assert found.bundle.entrypoint == was.bundle.entrypoint
    assert found.account == was.account


def test_it_runs_at_the_size_the_bundle_has_now() -> None:
    assert again(kept(replicas=2), replicas=7).bundle.replicas == 7


def test_it_runs_the_code_it_was_made_of_whatever_the_spec_says_now() -> None:
    other = {"inline": {"modules": {"bank.py": "other"}}}
    found = again(kept(), code=other, env=[{"name": "NEW", "value": "1"}])
    assert found.modules == target().modules
    assert list(found.bundle.env) == []


def test_the_source_is_kept_once() -> None:
    body = kept()
    source = next(iter(body["data"].values()))
    assert str(body).count(source) == 1


def test_what_the_check_said_is_kept_with_it() -> None:
    assert result_of(kept()) is None
    assert result_of(kept(RESULT)) == RESULT


def test_a_record_never_changes_its_code() -> None:
    body = kept(RESULT)
    assert body["immutable"] is True
    assert body["data"] == kept()["data"]
    assert body["metadata"]["name"] == target().code


def test_a_record_belongs_to_its_bundle_and_is_known_as_one() -> None:
    body = kept()
    assert body["metadata"]["ownerReferences"][0]["uid"] == "bundle-uid"
    assert is_revision(body)
    assert not is_revision({"metadata": {"labels": {}}})


def test_the_record_of_a_revision_is_found() -> None:
    body = kept()
    children = {("ConfigMap", body["metadata"]["name"]): body}
    assert config_map_of(children, "bank", target().name) is body
    assert config_map_of(children, "bank", "another") is None
    assert config_map_of(children, "bank", None) is None


@pytest.mark.parametrize("name", ["chekov.dev/spec", "chekov.dev/image"])
@pytest.mark.parametrize("value", ["", "{"])
def test_a_record_that_was_spoilt_is_not_used(name: str, value: str) -> None:
    body = kept()
    if (name, value) == ("chekov.dev/image", "{"):
        del body["metadata"]["labels"]["chekov.dev/revision"]
    else:
        body["metadata"]["annotations"][name] = value
    assert again(body) is None


def test_a_record_names_the_image_that_ran() -> None:
    body = to_config_map(replace(target(), image="chekov:old"), bundle_body()["spec"], RESULT)
    assert again(body).image == "chekov:old"
