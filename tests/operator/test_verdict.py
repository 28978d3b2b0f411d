"""May the revision that a spec asks for run?"""

import json
from dataclasses import replace
from typing import Any

import pytest

from chekov_operator import names
from chekov_operator.observed import BundleObserved, Fault
from chekov_operator.record import record, result_of
from chekov_operator.resources import Object, condition, label
from chekov_operator.settings import Settings
from chekov_operator.verdict import Verdict, judge
from chekov_operator.workloads import Target, check_job, deployment
from tests.operator.samples import RUNTIME_IMAGE, bundle, bundle_body, store_body, target

SETTINGS = Settings(runtime_image=RUNTIME_IMAGE)
PASSED: Object = {"ok": True, "domain": "bank", "commands": ["Open"], "events": ["Opened"]}
REFUSED: Object = {
    "ok": False,
    "reason": "InvalidDomain",
    "message": "the domain bank has 3 faults:\n  - one\n  - two",
    "faults": ["Open has no executor", "Close has no identifier"],
    "left_off": {"faults": 1},
}


def seen(*children: Object, pods: list[Object] | None = None, **more: Any) -> BundleObserved:
    """The world around the bank, with its store there but not ready."""
    spec = bundle_body()["spec"]
    return replace(
        BundleObserved(
            spec=spec,
            store=store_body(),
            modules=bundle().code.modules,
            children={(body["kind"], body["metadata"]["name"]): body for body in children},
            pods=pods or [],
        ),
        **more,
    )


def job(wanted: Target) -> Object:
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


def judged(*children: Object, pods: list[Object] | None = None, **more: Any) -> Verdict:
    return judge(bundle(), seen(*children, pods=pods, **more), SETTINGS)


def written(verdict: Verdict) -> list[str]:
    return [body["kind"] for body in verdict.apply]


def test_new_code_is_checked_in_a_job_before_anything_runs_it() -> None:
    verdict = judged()
    assert written(verdict) == ["ServiceAccount", "ConfigMap", "Job"]
    assert (verdict.checked.status, verdict.checked.reason) == ("Unknown", "Checking")
    assert verdict.fault is None
    assert verdict.result is None


def test_the_check_does_not_wait_for_a_store_that_is_not_ready() -> None:
    assert condition(store_body(), "Ready") == {}
    assert "Job" in written(judged())


def test_a_job_that_is_there_is_left_alone() -> None:
    assert "Job" not in written(judged(job(target()), pods=[pod(running={})]))


def test_a_check_that_passed_is_kept_in_the_record() -> None:
    verdict = judged(job(target()), pods=[ended(json.dumps(PASSED), 0)])
    assert verdict.result == PASSED
    assert (verdict.checked.status, verdict.checked.reason) == ("True", "Passed")
    kept = next(body for body in verdict.apply if body["kind"] == "ConfigMap")
    assert result_of(kept) == PASSED


def test_the_end_of_the_pod_is_enough_whatever_the_job_says() -> None:
    unaware = job(target()) | {"status": {"active": 1}}
    assert judged(unaware, pods=[ended(json.dumps(PASSED), 0)]).result == PASSED


@pytest.mark.parametrize("told_by", ["record", "deployment"])
def test_a_verdict_once_told_is_not_asked_for_again(told_by: str) -> None:
    wanted = target()
    kept = record(wanted, bundle_body()["spec"], PASSED)
    live = deployment(wanted)
    live["metadata"]["annotations"] = kept["metadata"]["annotations"]
    verdict = judged(kept if told_by == "record" else live)
    assert verdict.result == PASSED
    assert "Job" not in written(verdict)


def test_the_word_of_a_deployment_of_another_revision_does_not_count() -> None:
    other = target(restartNonce="other")
    live = deployment(other)
    kept = record(other, bundle_body()["spec"], PASSED)
    live["metadata"]["annotations"] = kept["metadata"]["annotations"]
    assert "Job" in written(judged(live))


def test_a_refusal_tells_every_fault_in_one_line() -> None:
    verdict = judged(job(target()), pods=[ended(json.dumps(REFUSED), 1)])
    assert verdict.fault == Fault(
        "InvalidDomain",
        "the domain bank has 3 faults: Open has no executor; Close has no identifier; and 1 more",
    )
    assert (verdict.checked.status, verdict.checked.reason) == ("False", "InvalidDomain")
    assert verdict.result is None


def test_a_refusal_without_faults_is_told_by_its_message() -> None:
    said: Object = {
        "ok": False,
        "reason": "ImportFailed",
        "message": "no module named x",
        "faults": [],
    }
    verdict = judged(job(target()), pods=[ended(json.dumps(said), 1)])
    assert verdict.fault == Fault("ImportFailed", "no module named x")


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (ended("", 137), "exit code 137"),
        (ended("exec: chekov: not found", 127), "not found"),
        (ended("", 0), "is there a Chekov in the image?"),
    ],
    ids=["killed", "another image", "silent"],
)
def test_a_check_without_an_answer_does_not_blame_the_code(end: Object, told: str) -> None:
    verdict = judged(job(target()), pods=[end])
    assert verdict.fault is not None
    assert verdict.fault.reason == "CheckCannotRun"
    assert told in verdict.fault.message
    assert verdict.checked.status == "Unknown"


@pytest.mark.parametrize(("after", "tried"), [(30, 0), (90, 1)])
def test_such_a_check_is_tried_again_after_a_while(after: float, tried: int) -> None:
    end = ended("", 137, "1970-01-01T01:00:00Z")
    verdict = judged(job(target()), pods=[end], now=3600.0 + after)
    assert len(verdict.delete) == tried
    assert verdict.again is not None


def test_a_check_that_cannot_start_tells_the_pods_reason() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    verdict = judged(job(target()), pods=[pod(waiting=waiting)])
    assert verdict.fault is not None
    assert verdict.fault.reason == "ImagePullBackOff"
    assert "no such image" in verdict.fault.message


def test_code_in_an_object_can_be_forbidden() -> None:
    strict = replace(SETTINGS, allow_inline=False)
    verdict = judge(bundle(), seen(), strict)
    assert verdict.fault is not None
    assert verdict.fault.reason == "InlineForbidden"
    assert verdict.apply == ()
    image = bundle(code={"image": "bank:1"})
    assert judge(image, seen(modules=None), strict).fault is None


def test_all_that_is_missing_is_told_at_once_and_nothing_is_started() -> None:
    missing = [Fault("SecretNotFound", "no keys"), Fault("ConfigMapNotFound", "no words")]
    verdict = judged(missing=missing)
    assert verdict.fault == Fault("SecretNotFound", "no keys; no words")
    assert verdict.apply == ()


def test_a_missing_store_is_named_with_the_field_that_names_it() -> None:
    verdict = judged(store=None)
    assert verdict.fault is not None
    assert verdict.fault.reason == "EventStoreNotFound"
    assert "spec.eventStoreRef.name" in verdict.fault.message
    assert "'main'" in verdict.fault.message


def test_a_store_that_cannot_be_read_is_the_fault() -> None:
    broken = store_body(connection={})
    verdict = judged(store=broken)
    assert verdict.fault is not None
    assert verdict.fault.reason == "EventStoreNotReady"


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
    verdict = judge(wanted, seen(modules=wanted.code.modules), SETTINGS)
    assert verdict.target is not None
    assert verdict.target.pull_policy == policy


def test_the_job_is_found_by_the_revision_in_its_name() -> None:
    verdict = judged()
    assert verdict.target is not None
    made = next(body for body in verdict.apply if body["kind"] == "Job")
    assert made["metadata"]["name"] == names.check("bank", verdict.target.revision)
    assert label(made, "chekov.dev/revision") == verdict.target.revision
