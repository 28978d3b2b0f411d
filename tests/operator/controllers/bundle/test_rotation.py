"""Pods are replaced when something in their environment changed, and the cause is told."""

from dataclasses import replace
from typing import Any

from chekov_operator.children.workloads import deployment
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.rotation import (
    cause_of_rollout,
    versions,
    with_versions,
)
from chekov_operator.kube.content import Content
from chekov_operator.kube.objects import Object, annotation
from tests.operator.samples import target

DSN = ("Secret", "postgres")
WORDS = ("ConfigMap", "words")
SPEC: dict[str, Any] = {
    "envFrom": [{"configMapRef": {"name": "words"}}],
    "auth": {"tokens": {"secretRef": {"name": "tokens"}}},
}
REVISION = target(**SPEC)


def observed(**contents: Content | None) -> ObservedBundle:
    kinds = {"postgres": DSN, "words": WORDS, "tokens": ("Secret", "tokens")}
    return ObservedBundle(contents={kinds[name]: found for name, found in contents.items()})


BEFORE = observed(
    postgres=Content({"dsn": "d1", "ca": "c1"}), words=Content({"a": "w1"}), tokens=Content()
)


def running(found: dict[str, str], cause: str = "revision one") -> Object:
    return with_versions(deployment(REVISION), found, cause)


def test_the_environment_counts_and_mounted_files_do_not() -> None:
    found = versions(REVISION, BEFORE, None)
    assert list(found) == ["ConfigMap/words", "Secret/postgres/dsn"]
    assert found["Secret/postgres/dsn"] == "d1"


def test_another_key_of_the_same_secret_does_not_count() -> None:
    contents = {**BEFORE.contents, DSN: Content({"dsn": "d1", "ca": "c2"})}
    assert versions(REVISION, replace(BEFORE, contents=contents), None) == versions(
        REVISION, BEFORE, None
    )


def test_what_is_missing_counts_as_unchanged() -> None:
    found = versions(REVISION, BEFORE, None)
    gone = observed(postgres=Content({}), words=None)
    assert versions(REVISION, gone, running(found)) == found
    assert versions(REVISION, ObservedBundle(), running(found)) == found
    assert versions(REVISION, ObservedBundle(), None) == {}


def test_a_changed_password_is_the_cause() -> None:
    found = versions(REVISION, BEFORE, None)
    live = running(found)
    after = {**found, "Secret/postgres/dsn": "d2"}
    cause = cause_of_rollout(REVISION.name, after, live)
    assert cause == "the Secret 'postgres' changed"
    # It stays the cause once it is applied.
    assert cause_of_rollout(REVISION.name, after, running(after, cause)) == cause
    assert annotation(running(after, cause), "kubernetes.io/change-cause") == cause


def test_all_that_changed_is_named() -> None:
    found = versions(REVISION, BEFORE, None)
    after = dict.fromkeys(found, "other")
    assert cause_of_rollout(REVISION.name, after, running(found)) == (
        "the ConfigMap 'words' changed and the Secret 'postgres' changed"
    )


def test_a_new_revision_is_a_cause_of_its_own() -> None:
    assert cause_of_rollout("two", {}, running({})) == "revision two"
    assert cause_of_rollout("two", {}, None) == "revision two"


def test_what_the_pods_did_not_know_before_is_no_change() -> None:
    live = running({})
    found = versions(REVISION, BEFORE, live)
    assert cause_of_rollout(REVISION.name, found, live) == "revision one"
