"""The planner of EventStores: a pure function from what is wanted and observed to a plan."""

from collections.abc import Sequence
from dataclasses import replace

from chekov.store.postgres.inspect import StoreStatus
from chekov_operator.api.conditions import false, true, unknown
from chekov_operator.api.event_store import Store
from chekov_operator.api.fault import RETRY_SECONDS, Fault
from chekov_operator.children.job_outcome import is_outdated, job_outcome
from chekov_operator.children.pod_state import WARNED_SECONDS, last_log_line
from chekov_operator.children.workloads import migration_job, migration_policy
from chekov_operator.controllers.eventstore.observed import ObservedStore
from chekov_operator.controllers.plan import Plan, paused_plan
from chekov_operator.kube.kinds import ACCEPTED_LOSS_ANNOTATION, JOB, NETWORK_POLICY, Kind
from chekov_operator.kube.objects import Object
from chekov_operator.settings import Settings
from chekov_operator.stores.dsn import servers
from chekov_operator.stores.poller import Reading


def plan_store(store: Store, observed: ObservedStore, settings: Settings) -> Plan:
    if store.meta.paused:
        return paused_plan()
    reading = observed.reading
    if reading is None:
        # After a restart of the operator, what it said before holds until it has read again.
        return Plan(keep_status=True)
    fault = reading.dsn_fault or reading.unreachable
    if fault is not None or reading.state is None:
        fault = fault or Fault("Unreachable", "the database gave no answer")
        return Plan(
            status={**_host(reading), **_known(observed)},
            conditions=[
                false("Ready", fault.reason, fault.message),
                unknown("Migrated", fault.reason, "the version of the schema is unknown"),
            ],
        )
    state = reading.state
    status = {
        **_host(reading),
        "serverVersion": state.server_version,
        "schemaVersion": state.schema_version,
        "neededSchemaVersion": state.needed_version,
        "oldestServedSchema": state.oldest_served,
        "position": state.position,
        "streams": state.streams,
        "bytes": state.bytes,
        **_connections(state, observed.needed),
    }
    if state.usable:
        message = f"schema {store.schema!r} is at version {state.schema_version}"
        return Plan(
            delete=[
                *((JOB, name) for name in observed.jobs),
                *((NETWORK_POLICY, name) for name in observed.policies),
            ],
            status=status,
            conditions=[
                true("Ready", "Available", f"{message} on Postgres {state.server_version}"),
                true("Migrated", "UpToDate", message),
            ],
        )
    return _plan_migration(store, observed, state, status, settings)


def _plan_migration(
    store: Store,
    observed: ObservedStore,
    state: StoreStatus,
    status: Object,
    settings: Settings,
) -> Plan:
    needed, version = state.needed_version, state.schema_version
    found = f"schema {store.schema!r} is at version {version}, this operator needs {needed}"
    if version > needed:
        message = f"{found}: install a release of the chart that supports version {version}"
        return _unmigrated(status, Fault("SchemaTooNew", message), requeue_after=RETRY_SECONDS)
    if version == needed:
        message = (
            f"schema {store.schema!r} is at version {version}, but another release's migrations "
            "made it: install that release, or choose another schema"
        )
        return _unmigrated(status, Fault("SchemaUnknown", message), requeue_after=RETRY_SECONDS)
    if store.migrate == "Manual":
        message = f"{found}: run `chekov migrate`, or set spec.migrate to Auto"
        return _unmigrated(status, Fault("MigrationNeeded", message), requeue_after=RETRY_SECONDS)
    if version == 0 and observed.known_events and not _is_accepted(store, observed):
        events, where = observed.known_events, status.get("host")
        message = (
            f"schema {store.schema!r} at {where} held {events} events and does not exist any more; "
            "restore it from a backup, or correct the DSN. To begin anew without these events: "
            f"kubectl annotate eventstore {store.meta.name} {ACCEPTED_LOSS_ANNOTATION}={events}"
        )
        lost = {**status, **_known(observed)}
        return _unmigrated(lost, Fault("EventsLost", message), requeue_after=RETRY_SECONDS)
    wanted = migration_job(store, needed, settings)
    databases = servers(status.get("host", ""), status.get("podPorts", ()))
    policy = [migration_policy(store, databases)] if store.network_policy else []
    name = str(wanted["metadata"]["name"])
    live = observed.jobs.get(name)
    old = [(JOB, other) for other in observed.jobs if other != name]
    old += [(NETWORK_POLICY, other) for other in observed.policies if not policy]
    if live is None:
        fault = Fault("Migrating", f"{found}; a Job migrates it")
        return _unmigrated(
            status, fault, apply=[*policy, wanted], delete=old, requeue_after=WARNED_SECONDS
        )
    outcome = job_outcome(live, observed.pods, observed.now, observed.warnings)
    # A pull secret or more memory may be what was missing.
    outdated = [(JOB, name)] if is_outdated(live, wanted) else []
    if outcome.stuck:
        return _unmigrated(status, outcome.stuck, apply=policy, delete=[*old, *outdated])
    has_no_effect = outcome.succeeded and outcome.ended > 0 and outcome.is_retry_due(observed.now)
    if has_no_effect or (outcome.finished and not outcome.succeeded):
        said = last_log_line(outcome.message)
        message = f"{found}; the Job {name} failed: {said}"
        if has_no_effect:
            message = f"{found}; the Job {name} succeeded, but the schema did not change"
        failed = [(JOB, name)] if outcome.is_retry_due(observed.now) else outdated
        return _unmigrated(
            status,
            Fault("MigrationFailed", message),
            apply=policy,
            delete=[*old, *failed],
            requeue_after=RETRY_SECONDS,
        )
    fault = Fault("Migrating", f"{found}; the Job {name} migrates it")
    plan = _unmigrated(status, fault, apply=policy, delete=old, requeue_after=WARNED_SECONDS)
    return replace(plan, read_store_soon=outcome.succeeded)


def _unmigrated(
    status: Object,
    fault: Fault,
    *,
    apply: Sequence[Object] = (),
    delete: Sequence[tuple[Kind, str]] = (),
    requeue_after: float | None = None,
) -> Plan:
    conditions = [
        false("Ready", fault.reason, fault.message),
        false("Migrated", fault.reason, fault.message),
    ]
    return Plan(apply, delete, status, conditions, requeue_after=requeue_after)


def _known(observed: ObservedStore) -> Object:
    """The number of events that the store had, while nothing newer is known."""
    return {"position": observed.known_events} if observed.known_events else {}


def _is_accepted(store: Store, observed: ObservedStore) -> bool:
    return store.accepted_loss == str(observed.known_events)


def _connections(state: StoreStatus, needed: int) -> Object:
    """How many the server takes; and how many are used, which changes all the time, if it matters.

    The number in use is always among the metrics.
    """
    if not state.connection_limit:
        return {}
    found = {"limit": state.connection_limit}
    if needed:
        found |= {"used": state.connections, "needed": needed}
    return {"connections": found}


def _host(reading: Reading) -> Object:
    ports = {"podPorts": list(reading.pod_ports)} if reading.pod_ports else {}
    reader = {"readerHost": reading.reader_host} if reading.reader_host else {}
    return {"host": reading.host, **reader, **ports} if reading.host else {}
