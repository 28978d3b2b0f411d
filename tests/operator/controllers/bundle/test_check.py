"""May the revision that a spec asks for run?"""

import json
from dataclasses import replace
from typing import Any

import pytest

from chekov_operator.api.fault import Fault
from chekov_operator.children import names
from chekov_operator.children.revision import Revision
from chekov_operator.children.workloads import check_job, deployment
from chekov_operator.controllers.bundle.check import Check, check_revision
from chekov_operator.controllers.bundle.check_result import with_result
from chekov_operator.controllers.bundle.observed import CheckLog, ObservedBundle
from chekov_operator.kube.objects import Object, condition_of, label
from chekov_operator.settings import Settings
from tests.operator.samples import RUNTIME_IMAGE, bundle, bundle_body, store_body, stored, target

SETTINGS = Settings(runtime_image=RUNTIME_IMAGE)
PASSED: Object = {"ok": True, "domain": "bank", "commands": ["Open"], "events": ["Opened"]}
REFUSED: Object = {
    "ok": False,
    "reason": "InvalidDomain",
    "message": "the domain bank has 3 faults:\n  - one\n  - two",
    "faults": ["Open has no executor", "Close has no identifier"],
    "left_off": {"faults": 1},
}


def observed(*children: Object, pods: list[Object] | None = None, **more: Any) -> ObservedBundle:
    """The cache around the bank, with its store there but not ready."""
    spec = bundle_body()["spec"]
    return replace(
        ObservedBundle(
            spec=spec,
            store=store_body(),
            modules=bundle().code.modules,
            children={(body["kind"], body["metadata"]["name"]): body for body in children},
            pods=pods or [],
        ),
        **more,
    )


def job(wanted: Revision) -> Object:
    body = check_job(wanted)
    body["metadata"]["uid"] = "job-uid"
    return body


def pod(**status: Any) -> Object:
    """The pod of the check Job."""
    owner = {"kind": "Job", "uid": "job-uid", "controller": True}
    return {
        "metadata": {"name": "bank-check-1", "ownerReferences": [owner]},
        "status": {"containerStatuses": [{"name": "runtime", "state": status}]},
    }


def ended(message: str, code: int, at: str = "2026-11-24T10:00:00Z") -> Object:
    return pod(terminated={"message": message, "exitCode": code, "finishedAt": at})


def checked(*children: Object, pods: list[Object] | None = None, **more: Any) -> Check:
    return check_revision(bundle(), observed(*children, pods=pods, **more), SETTINGS)


def written(check: Check) -> list[str]:
    return [body["kind"] for body in check.apply]


def test_new_code_is_checked_in_a_job_before_anything_runs_it() -> None:
    check = checked(stored(target()))
    assert written(check) == ["ServiceAccount", "NetworkPolicy", "Job"]
    assert (check.condition.status, check.condition.reason) == ("Unknown", "Checking")
    assert check.fault is None
    assert check.result is None


def test_the_check_does_not_wait_for_a_store_that_is_not_ready() -> None:
    assert condition_of(store_body(), "Ready") == {}
    assert "Job" in written(checked(stored(target())))


def test_the_job_waits_until_the_revision_is_stored() -> None:
    check = checked()
    assert written(check) == ["ServiceAccount", "NetworkPolicy"]
    assert (check.condition.status, check.condition.reason) == ("Unknown", "Checking")


def test_a_job_that_is_there_is_left_alone() -> None:
    assert "Job" not in written(checked(job(target()), pods=[pod(running={})]))


def test_a_check_that_passed_has_a_result() -> None:
    check = checked(job(target()), pods=[ended(json.dumps(PASSED), 0)])
    assert check.result == PASSED
    assert (check.condition.status, check.condition.reason) == ("True", "Passed")


def test_the_end_of_the_pod_is_enough_whatever_the_job_says() -> None:
    unaware = job(target()) | {"status": {"active": 1}}
    assert checked(unaware, pods=[ended(json.dumps(PASSED), 0)]).result == PASSED


@pytest.mark.parametrize("stored_on", ["revision", "deployment"])
def test_a_stored_result_is_used_again(stored_on: str) -> None:
    wanted = target()
    live = with_result(deployment(wanted), PASSED)
    check = checked(stored(wanted, PASSED) if stored_on == "revision" else live)
    assert check.result == PASSED
    assert "Job" not in written(check)


def test_the_word_of_a_deployment_of_another_revision_does_not_count() -> None:
    live = with_result(deployment(target(restartNonce="other")), PASSED)
    assert "Job" in written(checked(live, stored(target())))


CUT: Object = {**PASSED, "events": [], "left_off": {"events": 1}}
NAME = names.check("bank", target().name)


def test_a_result_that_the_termination_message_cuts_is_whole_in_the_log() -> None:
    pods = [ended(json.dumps(CUT), 0)]
    check = checked(job(target()), pods=pods, logs={NAME: CheckLog(json.dumps(PASSED))})
    assert check.result == PASSED
    assert "leaves out" not in check.condition.message


def test_what_even_the_log_leaves_out_is_said() -> None:
    pods = [ended("", 0)]
    check = checked(job(target()), pods=pods, logs={NAME: CheckLog(json.dumps(CUT))})
    assert check.result == {**PASSED, "events": [], "leftOff": {"events": 1}}
    assert "leaves out 1 events" in check.condition.message


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (json.dumps(CUT), "its termination message holds a part of the result only"),
        ("", "the check printed no result"),
    ],
)
def test_without_a_whole_result_it_says_what_could_not_be_read(message: str, words: str) -> None:
    logs = {NAME: CheckLog(fault="it could not be read: pods/log is forbidden")}
    check = checked(job(target()), pods=[ended(message, 0)], logs=logs)
    assert check.result is None
    assert check.fault is not None
    assert check.fault.reason == "CheckCannotRun"
    assert words in check.fault.message
    assert "the log of its pod: it could not be read: pods/log is forbidden" in check.fault.message


def test_a_refusal_whose_faults_are_cut_is_a_refusal() -> None:
    logs = {NAME: CheckLog(fault="it has no result")}
    check = checked(job(target()), pods=[ended(json.dumps(REFUSED), 1)], logs=logs)
    assert check.fault is not None
    assert check.fault.reason == "InvalidDomain"


def test_a_refusal_lists_every_fault_in_one_line() -> None:
    check = checked(job(target()), pods=[ended(json.dumps(REFUSED), 1)])
    assert check.fault == Fault(
        "InvalidDomain",
        "the domain bank has 3 faults: Open has no executor; Close has no identifier; and 1 more",
    )
    assert (check.condition.status, check.condition.reason) == ("False", "InvalidDomain")
    assert check.result is None


def test_a_refusal_without_faults_has_its_message() -> None:
    said: Object = {
        "ok": False,
        "reason": "ImportFailed",
        "message": "no module named x",
        "faults": [],
    }
    check = checked(job(target()), pods=[ended(json.dumps(said), 1)])
    assert check.fault == Fault("ImportFailed", "no module named x")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (ended("", 137), "exit code 137"),
        (ended("exec: chekov: not found", 127), "not found"),
        (ended("", 0), "does the image contain Chekov?"),
    ],
    ids=["killed", "another image", "silent"],
)
def test_a_check_without_a_result_does_not_refuse_the_code(end: Object, words: str) -> None:
    check = checked(job(target()), pods=[end])
    assert check.fault is not None
    assert check.fault.reason == "CheckCannotRun"
    assert words in check.fault.message
    assert (check.condition.status, check.is_retried) == ("Unknown", True)


@pytest.mark.parametrize(("after", "tried"), [(30, 0), (90, 1)])
def test_such_a_check_is_tried_again_after_a_while(after: float, tried: int) -> None:
    end = ended("", 137, "1970-01-01T01:00:00Z")
    check = checked(job(target()), pods=[end], now=3600.0 + after)
    assert len(check.delete) == tried
    assert check.requeue_after is not None


def test_a_check_that_cannot_start_has_the_pods_reason() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    check = checked(job(target()), pods=[pod(waiting=waiting)])
    assert check.fault is not None
    assert check.fault.reason == "ImagePullBackOff"
    assert "no such image" in check.fault.message


def test_code_in_an_object_can_be_forbidden() -> None:
    strict = replace(SETTINGS, allow_inline=False)
    check = check_revision(bundle(), observed(), strict)
    assert check.fault is not None
    assert check.fault.reason == "InlineForbidden"
    assert check.apply == ()
    image = bundle(code={"image": "bank:1"})
    assert check_revision(image, observed(modules=None), strict).fault is None


def test_everything_missing_is_reported_at_once_and_nothing_is_started() -> None:
    missing = [Fault("SecretNotFound", "no keys"), Fault("ConfigMapNotFound", "no words")]
    check = checked(missing=missing)
    assert check.fault == Fault("SecretNotFound", "no keys; no words")
    assert check.apply == ()


def test_a_missing_store_is_named_with_the_field_that_names_it() -> None:
    check = checked(store=None)
    assert check.fault is not None
    assert check.fault.reason == "EventStoreNotFound"
    assert "spec.eventStoreRef.name" in check.fault.message
    assert "'main'" in check.fault.message


def test_a_store_that_cannot_be_read_is_the_fault() -> None:
    broken = store_body(connection={})
    check = checked(store=broken)
    assert check.fault is not None
    assert check.fault.reason == "EventStoreNotReady"


@pytest.mark.parametrize(
    ("spec", "policy"),
    [
        ({}, "IfNotPresent"),
        ({"imagePullPolicy": "Always"}, "Always"),
        ({"code": {"image": "bank:1"}}, None),
        ({"code": {"image": "bank:1"}, "imagePullPolicy": "Never"}, "Never"),
    ],
)
def test_the_pull_policy_of_a_users_image_is_left_to_its_tag(
    spec: dict[str, Any], policy: str | None
) -> None:
    wanted = bundle(**spec)
    check = check_revision(wanted, observed(modules=wanted.code.modules), SETTINGS)
    assert check.revision is not None
    assert check.revision.pull_policy == policy


def test_the_job_is_found_by_the_revision_in_its_name() -> None:
    check = checked(stored(target()))
    assert check.revision is not None
    made = next(body for body in check.apply if body["kind"] == "Job")
    assert made["metadata"]["name"] == names.check("bank", check.revision.name)
    assert label(made, "chekov.dev/revision") == check.revision.name
