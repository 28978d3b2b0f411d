"""What is to be done about an EventStore, for everything that may be found."""

from dataclasses import replace
from typing import Any

import pytest

from chekov.store.postgres.inspect import StoreStatus
from chekov_operator.api.event_store import parse_store
from chekov_operator.api.fault import RETRY_SECONDS, Fault
from chekov_operator.children.workloads import migration_job
from chekov_operator.controllers.eventstore.observed import ObservedStore
from chekov_operator.controllers.eventstore.plan import plan_store
from chekov_operator.controllers.plan import Plan
from chekov_operator.kube.kinds import HASH_ANNOTATION, JOB, NETWORK_POLICY
from chekov_operator.kube.objects import Object, digest
from chekov_operator.settings import Settings
from chekov_operator.stores.poller import Reading
from tests.operator.samples import store, store_body

SETTINGS = Settings(runtime_image="chekov:1")
NEEDED = 3
NAME = f"main-migrate-{NEEDED}"
NOW = 1_800_000_000.0


def status(version: int, needed: int = 3, *, usable: bool | None = None) -> StoreStatus:
    return StoreStatus(
        server_version="18.4",
        schema_version=version,
        needed_version=needed,
        position=42,
        streams=7,
        bytes=8192,
        usable=version >= needed if usable is None else usable,
    )


def observed(version: int = 3, **more: Any) -> ObservedStore:
    reading = Reading(host="db.example:5432", state=status(version))
    return replace(ObservedStore(reading, now=NOW), **more)


def condition(plan: Plan, kind: str) -> tuple[str, str, str]:
    (found,) = [item for item in plan.conditions if item.type == kind]
    return found.status, found.reason, found.message


def made(plan: Plan) -> list[tuple[str, str]]:
    return [(body["kind"], body["metadata"]["name"]) for body in plan.apply]


def job(name: str = NAME) -> Object:
    return {"metadata": {"name": name, "uid": f"{name}-uid"}}


def pod(state: dict[str, Any], name: str = NAME) -> Object:
    return {
        "metadata": {
            "name": f"{name}-1",
            "ownerReferences": [{"uid": f"{name}-uid", "controller": True}],
        },
        "status": {"containerStatuses": [{"name": "migrate", "state": state}]},
    }


def running(**more: Any) -> dict[str, Any]:
    """A migration Job that exists, for a schema that is out of date."""
    return {"jobs": {NAME: job()}, **more}


def test_a_store_that_is_up_to_date_is_ready_and_reports_its_state() -> None:
    plan = plan_store(store(), observed(), SETTINGS)
    assert condition(plan, "Ready")[:2] == ("True", "Available")
    assert condition(plan, "Migrated")[:2] == ("True", "UpToDate")
    assert plan.status == {
        "host": "db.example:5432",
        "serverVersion": "18.4",
        "schemaVersion": 3,
        "neededSchemaVersion": 3,
        "oldestServedSchema": 0,
        "position": 42,
        "streams": 7,
        "bytes": 8192,
    }
    assert (list(plan.apply), list(plan.delete)) == ([], [])


def test_a_migration_that_is_done_is_tidied_away() -> None:
    plan = plan_store(store(), observed(jobs={NAME: job()}), SETTINGS)
    assert list(plan.delete) == [(JOB, NAME)]


@pytest.mark.parametrize("version", [0, 2])
def test_a_schema_that_is_missing_or_old_is_migrated_by_a_job(version: int) -> None:
    plan = plan_store(store(), observed(version), SETTINGS)
    assert made(plan) == [("NetworkPolicy", "main-migrate"), ("Job", NAME)]
    assert condition(plan, "Ready")[:2] == ("False", "Migrating")
    assert condition(plan, "Migrated")[:2] == ("False", "Migrating")


def test_a_job_that_is_there_is_not_made_again() -> None:
    plan = plan_store(store(), observed(2, **running()), SETTINGS)
    assert (made(plan), list(plan.delete)) == ([("NetworkPolicy", "main-migrate")], [])
    assert condition(plan, "Migrated")[1] == "Migrating"


def test_a_job_of_an_older_release_makes_way() -> None:
    plan = plan_store(
        store(), observed(2, jobs={"main-migrate-2": job("main-migrate-2")}), SETTINGS
    )
    assert list(plan.delete) == [(JOB, "main-migrate-2")]
    assert ("Job", NAME) in made(plan)


def test_the_policy_of_the_job_allows_the_database_only() -> None:
    (policy, job) = plan_store(store(), observed(0), SETTINGS).apply
    selected = policy["spec"]["podSelector"]["matchLabels"]
    assert selected.items() <= job["spec"]["template"]["metadata"]["labels"].items()
    assert policy["spec"]["ingress"] == []
    (names, database) = policy["spec"]["egress"]
    assert {item["port"] for item in names["ports"]} == {53}
    assert [item["port"] for item in database["ports"]] == [5432]


def test_a_store_without_a_policy_has_none() -> None:
    free = store(networkPolicy={"enabled": False})
    assert made(plan_store(free, observed(0), SETTINGS)) == [("Job", NAME)]
    left = observed(2, policies=["main-migrate"], **running())
    assert (NETWORK_POLICY, "main-migrate") in plan_store(free, left, SETTINGS).delete


def test_after_the_migration_job_and_policy_go() -> None:
    done = observed(NEEDED, policies=["main-migrate"], **running())
    assert set(plan_store(store(), done, SETTINGS).delete) == {
        (JOB, NAME),
        (NETWORK_POLICY, "main-migrate"),
    }


def test_a_job_that_cannot_start_is_made_anew_when_the_spec_says_how_it_can() -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no login"}}
    stuck = running(pods=[pod(waiting)])
    applied = migration_job(store(), NEEDED, SETTINGS)
    mark = {HASH_ANNOTATION: digest(applied)}
    stuck["jobs"][NAME]["metadata"]["annotations"] = mark
    assert plan_store(store(), observed(0, **stuck), SETTINGS).delete == []
    with_login = store(jobs={"imagePullSecrets": [{"name": "registry"}]})
    assert plan_store(with_login, observed(0, **stuck), SETTINGS).delete == [(JOB, NAME)]


def test_the_database_is_read_again_as_soon_as_the_job_is_done() -> None:
    ended = pod({"terminated": {"exitCode": 0}})
    plan = plan_store(store(), observed(2, **running(pods=[ended])), SETTINGS)
    assert plan.read_store_soon
    assert condition(plan, "Ready")[0] == "False"


def test_a_job_that_succeeded_without_effect_is_told_and_retried() -> None:
    stamp = "2027-01-15T08:00:00Z"
    ended = pod({"terminated": {"exitCode": 0, "finishedAt": stamp}})
    later = 1_800_000_000.0 + RETRY_SECONDS + 1
    plan = plan_store(store(), observed(2, now=later, **running(pods=[ended])), SETTINGS)
    assert condition(plan, "Migrated")[:2] == ("False", "MigrationFailed")
    assert "did not change" in condition(plan, "Migrated")[2]
    assert list(plan.delete) == [(JOB, NAME)]
    assert not plan.read_store_soon


@pytest.mark.parametrize(("ago", "deleted"), [(1, []), (RETRY_SECONDS + 1, [(JOB, NAME)])])
def test_a_failed_job_is_reported_and_retried_after_a_while(ago: float, deleted: list[Any]) -> None:
    stamp = "2027-01-15T08:00:00Z"
    ended = pod(
        {"terminated": {"exitCode": 1, "message": "permission denied", "finishedAt": stamp}}
    )
    found = ObservedStore(
        reading=Reading(state=status(2)),
        now=1_800_000_000.0 + ago,
        jobs={NAME: job()},
        pods=[ended],
    )
    plan = plan_store(store(), found, SETTINGS)
    assert condition(plan, "Migrated")[:2] == ("False", "MigrationFailed")
    assert "permission denied" in condition(plan, "Ready")[2]
    assert list(plan.delete) == deleted
    assert plan.requeue_after is not None


def test_a_migration_that_cannot_start_is_reported_with_the_reason() -> None:
    waiting = pod({"waiting": {"reason": "ErrImagePull", "message": "no chekov:1"}})
    plan = plan_store(store(), observed(2, **running(pods=[waiting])), SETTINGS)
    assert condition(plan, "Ready")[1] == "ImagePullBackOff"
    assert "no chekov:1" in condition(plan, "Ready")[2]


def test_a_manual_store_waits_for_somebody_and_says_what_to_run() -> None:
    plan = plan_store(store(migrate="Manual"), observed(2), SETTINGS)
    assert list(plan.apply) == []
    assert condition(plan, "Ready")[:2] == ("False", "MigrationNeeded")
    assert "chekov migrate" in condition(plan, "Migrated")[2]
    assert plan.requeue_after is not None


def test_a_schema_of_a_newer_release_that_still_works_is_used() -> None:
    plan = plan_store(store(), observed(4), SETTINGS)
    assert list(plan.apply) == []
    assert condition(plan, "Ready")[:2] == ("True", "Available")
    assert "version 4" in condition(plan, "Migrated")[2]


def test_a_schema_that_other_steps_made_is_left_alone() -> None:
    found = ObservedStore(reading=Reading(state=status(3, usable=False)), now=NOW)
    plan = plan_store(store(), found, SETTINGS)
    assert list(plan.apply) == []
    assert condition(plan, "Ready")[:2] == ("False", "SchemaUnknown")


@pytest.mark.parametrize("migrate", ["Auto", "Manual"])
def test_a_schema_of_a_newer_release_is_left_alone(migrate: str) -> None:
    found = ObservedStore(reading=Reading(state=status(4, usable=False)), now=NOW)
    plan = plan_store(store(migrate=migrate), found, SETTINGS)
    assert list(plan.apply) == []
    assert condition(plan, "Ready")[:2] == ("False", "SchemaTooNew")
    assert "version 4" in condition(plan, "Ready")[2]


@pytest.mark.parametrize(
    "found",
    [
        Reading(dsn_fault=Fault("SecretNotFound", "there is no Secret 'postgres'")),
        Reading(
            host="db.example:5432", unreachable=Fault("Unreachable", "Postgres does not answer")
        ),
    ],
    ids=["secret", "database"],
)
def test_an_unreadable_database_is_reported_with_the_reason(found: Reading) -> None:
    fault = found.dsn_fault or found.unreachable
    assert fault is not None
    plan = plan_store(store(), ObservedStore(reading=found), SETTINGS)
    assert condition(plan, "Ready") == ("False", fault.reason, fault.message)
    assert condition(plan, "Migrated")[0] == "Unknown"
    assert (list(plan.apply), list(plan.delete)) == ([], [])


def test_a_store_that_was_not_read_yet_keeps_its_status() -> None:
    plan = plan_store(store(), ObservedStore(), SETTINGS)
    assert (list(plan.apply), list(plan.conditions), plan.keep_status) == ([], [], True)


def test_a_paused_store_is_left_as_it_is() -> None:
    body = store_body()
    body["metadata"]["annotations"] = {"chekov.dev/paused": "true"}
    plan = plan_store(parse_store(body), observed(2), SETTINGS)
    assert (list(plan.apply), list(plan.delete), plan.keep_status) == ([], [], True)
    assert condition(plan, "Paused")[0] == "True"


def test_a_store_that_lost_its_events_is_not_made_anew() -> None:
    plan = plan_store(store(), observed(0, known_events=5), SETTINGS)
    assert plan.apply == ()
    assert condition(plan, "Ready")[:2] == ("False", "EventsLost")
    assert "held 5 events" in condition(plan, "Ready")[2]
    assert "chekov.dev/accepted-loss=5" in condition(plan, "Ready")[2]
    # It is remembered until the user decides.
    assert plan.status["position"] == 5


def test_an_outage_does_not_make_the_events_forgotten() -> None:
    away = Reading("db.example:5432", unreachable=Fault("Unreachable", "no route"))
    plan = plan_store(store(), replace(observed(), reading=away, known_events=5), SETTINGS)
    assert plan.status["position"] == 5


@pytest.mark.parametrize(("accepted", "is_made"), [("5", True), ("4", False), ("true", False)])
def test_the_user_may_accept_this_very_loss(
    accepted: str,
    is_made: bool,  # noqa: FBT001 a parameter of the test
) -> None:
    body = store_body()
    body["metadata"]["annotations"] = {"chekov.dev/accepted-loss": accepted}
    plan = plan_store(parse_store(body), observed(0, known_events=5), SETTINGS)
    assert (("Job", NAME) in made(plan)) == is_made


def test_a_store_that_is_behind_is_migrated_whatever_it_holds() -> None:
    plan = plan_store(store(), observed(2, known_events=5), SETTINGS)
    assert ("Job", NAME) in made(plan)


def test_connections_are_in_the_status_with_those_in_use_while_a_rollout_waits_for_some() -> None:
    full = replace(status(NEEDED), connections=90, connection_limit=97)
    reading = Reading(host="db.example:5432", state=full)
    plan = plan_store(store(), observed(reading=reading), SETTINGS)
    assert plan.status["connections"] == {"limit": 97}
    plan = plan_store(store(), observed(reading=reading, needed=15), SETTINGS)
    assert plan.status["connections"] == {"limit": 97, "used": 90, "needed": 15}
    assert "connections" not in plan_store(store(), observed(), SETTINGS).status
