"""The planner for EventStores: from what is wanted and what is, to what is to be done. Pure."""

from collections.abc import Sequence

from chekov_operator.api import Store
from chekov_operator.conditions import false, true, unknown
from chekov_operator.observed import (
    RETRY_SECONDS,
    Fault,
    StoreObserved,
    job_outcome,
    last_words,
)
from chekov_operator.plan import Plan, paused
from chekov_operator.resources import JOB, Kind, Object
from chekov_operator.settings import Settings
from chekov_operator.workloads import migration_job

_AWAY_SECONDS = 3.0
"""Between two looks at a store that is not there: people wait for it."""


def plan_store(store: Store, seen: StoreObserved, settings: Settings) -> Plan:
    """What an EventStore needs."""
    refresh = settings.refresh_seconds * 2
    if store.meta.paused:
        return paused()
    fault = seen.secret or seen.unreachable
    if fault is not None or seen.found is None:
        fault = fault or Fault("Unreachable", "the database was not looked at yet")
        return Plan(
            status=_host(seen),
            conditions=[
                false("Ready", fault.reason, fault.message),
                unknown("Migrated", fault.reason, "the schema's version is not known"),
            ],
            again=min(_AWAY_SECONDS, settings.refresh_seconds),
        )
    found = seen.found
    status = {
        **_host(seen),
        "serverVersion": found.server_version,
        "schemaVersion": found.schema_version,
        "neededSchemaVersion": found.needed_version,
        "position": found.position,
        "streams": found.streams,
        "bytes": found.bytes,
    }
    if found.usable:
        message = f"schema {store.schema!r} is at version {found.schema_version}"
        return Plan(
            delete=[(JOB, name) for name in seen.jobs],
            status=status,
            conditions=[
                true("Ready", "Available", f"{message} on Postgres {found.server_version}"),
                true("Migrated", "UpToDate", message),
            ],
            again=refresh,
        )
    return _plan_migration(store, seen, status, settings)


def _plan_migration(store: Store, seen: StoreObserved, status: Object, settings: Settings) -> Plan:
    found = seen.found
    needed, version = (found.needed_version, found.schema_version) if found else (0, 0)
    state = f"schema {store.schema!r} is at version {version}, this operator needs {needed}"
    if version > needed:
        message = f"{state}: install the release of the chart that knows version {version}"
        return _unmigrated(status, Fault("SchemaTooNew", message), again=RETRY_SECONDS)
    if version == needed:
        message = (
            f"schema {store.schema!r} is at version {version}, but was not made by this release's "
            "steps: install the release that made it, or name another schema"
        )
        return _unmigrated(status, Fault("SchemaUnknown", message), again=RETRY_SECONDS)
    if store.migrate == "Manual":
        message = f"{state}: run `chekov migrate`, or set spec.migrate to Auto"
        return _unmigrated(status, Fault("MigrationNeeded", message), again=RETRY_SECONDS)
    wanted = migration_job(store, needed, settings)
    name = str(wanted["metadata"]["name"])
    live = seen.jobs.get(name)
    old = [(JOB, other) for other in seen.jobs if other != name]
    if live is None:
        fault = Fault("Migrating", f"{state}; a Job migrates it")
        return _unmigrated(status, fault, apply=[wanted], delete=old)
    outcome = job_outcome(live, seen.pods)
    if outcome.stuck:
        return _unmigrated(status, outcome.stuck, delete=old)
    if outcome.finished and not outcome.succeeded:
        fault = Fault(
            "MigrationFailed", f"{state}; the Job {name} failed: {last_words(outcome.message)}"
        )
        again = [(JOB, name)] if outcome.is_due(seen.now) else []
        return _unmigrated(status, fault, delete=[*old, *again], again=RETRY_SECONDS)
    fault = Fault("Migrating", f"{state}; the Job {name} migrates it")
    return _unmigrated(status, fault, delete=old, again=1.0 if outcome.succeeded else None)


def _unmigrated(
    status: Object,
    fault: Fault,
    *,
    apply: Sequence[Object] = (),
    delete: Sequence[tuple[Kind, str]] = (),
    again: float | None = None,
) -> Plan:
    conditions = [
        false("Ready", fault.reason, fault.message),
        false("Migrated", fault.reason, fault.message),
    ]
    return Plan(apply, delete, status, conditions, again=again)


def _host(seen: StoreObserved) -> Object:
    return {"host": seen.host} if seen.host else {}
