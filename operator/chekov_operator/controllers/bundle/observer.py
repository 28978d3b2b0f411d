"""Observing a DomainBundle. Most of it comes from the cache and costs no request."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from chekov.serialization.frame import UnreadableFrame, last_frame
from chekov.store.port import CommandFigures, SubscriptionRow
from chekov.store.postgres.inspect import Progress
from chekov_operator.api.domain_bundle import MOST_CODE_BYTES, Bundle, parse_bundle
from chekov_operator.api.event_store import parse_store
from chekov_operator.api.fault import Fault
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.children.job_outcome import ended_pod, job_outcome, uids_to_explain
from chekov_operator.children.workloads import CHECK, GATE, RUNTIME
from chekov_operator.controllers.bundle.check_result import is_whole, parse_result
from chekov_operator.controllers.bundle.observed import CheckLog, ObservedBundle, Server
from chekov_operator.controllers.bundle.references import (
    Reference,
    fault_of,
    reference_to_dsn,
    references,
)
from chekov_operator.controllers.bundle.revisions import (
    deployments,
    known_result,
    records,
    stored_spec,
)
from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.content import Content
from chekov_operator.kube.events import warnings_about
from chekov_operator.kube.kinds import (
    COMPONENT_LABEL,
    CONFIG_MAP,
    JOB,
    STORE,
    Key,
)
from chekov_operator.kube.objects import (
    Children,
    Object,
    key_of,
    label,
    nested,
    nested_list,
)
from chekov_operator.kube.referenced_objects import ReferencedObjects
from chekov_operator.stores.databases import Databases, Sought
from chekov_operator.stores.poller import Reading

_LOG_LINES: Final = 64
"""Enough for the longest result, since a node splits lines into parts of 16 KiB."""


class BundleObserver:
    def __init__(
        self, client: Client, cache: Cache, databases: Databases, referenced: ReferencedObjects
    ) -> None:
        self._client = client
        self._cache = cache
        self._databases = databases
        self._referenced = referenced
        self._logs: dict[Key, dict[str, CheckLog]] = {}
        self._steps: dict[Key, tuple[tuple[object, ...], Sequence[CommandFigures]]] = {}

    async def observe(self, key: Key, bundle: Bundle, body: Object) -> ObservedBundle:
        children = self._cache.children(key)
        store = self._cache.get(STORE, key.namespace, bundle.store)
        running = _running(children, body)
        pods = self._cache.pods(key)
        named = [*references(bundle), *_code_reference(bundle)]
        others = [*_references_of_deployments(body, children), *_dsn_reference(store)]
        now = time.time()
        jobs = [job for (kind, _), job in children.items() if kind == JOB.name]
        # One after the other, since mostly nothing has to be asked: tasks would take longer.
        contents = await self._contents(key, [*named, *others])
        logs = await self._logs_of_checks(key, children, pods)
        uids = uids_to_explain(jobs, pods, now)
        warnings = await warnings_about(self._client, key.namespace, uids)
        missing = [
            fault
            for item in named
            if (fault := fault_of(item, contents[item.kind.name, item.name], key.namespace))
        ]
        modules, fault = _code(bundle, contents)
        result = known_result(children, running)
        domain = nested(result, "domain")
        reading = None
        if store is not None:
            place = key_of(STORE, store)
            self._databases.seek(place, key, events_to_wait_for(bundle, result))
            reading = self._databases.last_reading(place)
        progress = reading.progress if reading else None
        figures = _figures_of_domain(progress, domain)
        return ObservedBundle(
            spec=nested(body, "spec") or {},
            store=store,
            missing=[*missing, *([fault] if fault else [])],
            contents=contents,
            modules=modules,
            children=children,
            pods=pods,
            logs=logs,
            warnings=warnings,
            running=running,
            completed=nested(body, "status", "completedRevision"),
            status=nested(body, "status") or {},
            rollout=nested(body, "status", "rollout"),
            is_store_read=reading is not None or not _is_valid(store),
            subscriptions=_rows_of_domain(progress, domain),
            head=progress.head if progress else 0,
            figures=figures or (),
            figures_before=self._at_begin_of_step(key, body, figures),
            waiting=reading.waiting.get(key) if reading else None,
            server=_server(store, reading),
            now=now,
        )

    def last_valid(self, key: Key, body: Object) -> Object | None:
        """A bundle with the spec that runs, for one whose own spec is invalid; `None` if none."""
        children = self._cache.children(key)
        spec = stored_spec(children, _running(children, body))
        if spec is None:
            return None
        last = {**body, "spec": spec}
        try:
            parse_bundle(last)
        except InvalidSpec:
            return None
        return last

    def read_store_soon(self, store: Object | None) -> None:
        """Have the store of a bundle read soon, because its pods are about to change it."""
        if store is not None:
            self._databases.hurry(key_of(STORE, store))

    def report_need(self, key: Key, store: Object | None, connections: int) -> None:
        """Have the status of a store say how many connections a bundle waits for."""
        if store is not None:
            self._databases.report_need(key_of(STORE, store), key, connections)

    def forget(self, key: Key) -> None:
        self._referenced.forget(key)
        self._databases.forget_bundle(key)
        self._logs.pop(key, None)
        self._steps.pop(key, None)

    def _at_begin_of_step(
        self, key: Key, body: Object, figures: Sequence[CommandFigures] | None
    ) -> Sequence[CommandFigures]:
        """The figures when the step began that a rollout is in.

        They are not stored: after a restart of the operator, a step is compared from then on. Until
        the store has been read, nothing is: figures that are not known yet are not zero.
        """
        rollout = nested(body, "status", "rollout")
        step = (nested(rollout, "to"), nested(rollout, "step"), nested(rollout, "attempt"))
        known = self._steps.get(key)
        if known is None or known[0] != step:
            if figures is None:
                return ()
            known = self._steps[key] = (step, figures)
        return known[1]

    async def _logs_of_checks(
        self, key: Key, children: Children, pods: Sequence[Object]
    ) -> Mapping[str, CheckLog]:
        """The logs of checks and gates that ended, if needed; none is read again once it was."""
        before = self._logs.pop(key, {})
        read: dict[str, CheckLog] = {}
        found: dict[str, CheckLog] = {}
        for (kind, name), job in children.items():
            if kind != JOB.name or label(job, COMPONENT_LABEL) not in (CHECK, GATE):
                continue
            pod = ended_pod(job, pods)
            message = job_outcome(job, pods, 0.0).message
            if pod is None or is_whole(parse_result(message)):
                continue
            known = before.get(pod)
            found[name] = known or await self._log(key.namespace, pod)
            if not found[name].fault:
                read[pod] = found[name]
        if read:
            self._logs[key] = read
        return found

    async def _log(self, namespace: str, pod: str) -> CheckLog:
        try:
            output = await self._client.log(namespace, pod, RUNTIME, lines=_LOG_LINES)
        except ApiError as error:
            return CheckLog(fault=f"it could not be read: {error.reply}")
        try:
            return CheckLog(last_frame(output))
        except UnreadableFrame as error:
            return CheckLog(fault=str(error))

    async def _contents(
        self, key: Key, named: Iterable[Reference]
    ) -> Mapping[tuple[str, str], Content | None]:
        """What the objects hold that a bundle refers to. Only a change of one costs a request."""
        kinds = {(item.kind.name, item.name): item.kind for item in named}
        found = await asyncio.gather(
            *(self._referenced.get(key, kind, name) for (_, name), kind in kinds.items())
        )
        self._referenced.retain(key, kinds)
        return dict(zip(kinds, found, strict=True))


def events_to_wait_for(bundle: Bundle, result: Object | None) -> Sought | None:
    """The events that bring pods back to a bundle that may have none; `None` if it may not."""
    settings = bundle.autoscaling
    if settings is None or settings.least or nested(result, "commands"):
        return None
    names: Sequence[str] | None = nested(result, "handled")
    if names is None or nested(result, "leftOff", "handled"):
        return None
    declared = nested_list(result, "subscriptions")
    subscriptions = frozenset((str(item["name"]), int(item["version"])) for item in declared)
    return Sought(str(nested(result, "domain")), subscriptions, tuple(names))


def _code_reference(bundle: Bundle) -> list[Reference]:
    name = bundle.code.config_map
    return [] if name is None else [Reference("spec.code.configMapRef.name", CONFIG_MAP, name)]


def _dsn_reference(store: Object | None) -> list[Reference]:
    try:
        return [] if store is None else [reference_to_dsn(parse_store(store))]
    except InvalidSpec:
        return []


def _running(children: Children, body: Object) -> str | None:
    """The revision that runs, or ran last."""
    said = nested(body, "status", "revision")
    live = deployments(children)
    if said in live or not live:
        return said
    # The status was lost; this Deployment is the newest.
    stored = records(children)
    return max(live, key=lambda name: int(nested(stored.get(name), "spec", "number") or 0))


def _references_of_deployments(body: Object, children: Children) -> list[Reference]:
    """The references of the specs that pods are made from, apart from that of the bundle."""
    found: list[Reference] = []
    for revision, live in deployments(children).items():
        spec = stored_spec(children, revision) if nested(live, "spec", "replicas") else None
        if not spec or spec == nested(body, "spec"):
            continue
        with suppress(InvalidSpec):
            found += references(parse_bundle({**body, "spec": spec}))
    return found


def _code(
    bundle: Bundle, contents: Mapping[tuple[str, str], Content | None]
) -> tuple[Mapping[str, str] | None, Fault | None]:
    """The modules to mount, and why they cannot be used, if so."""
    name = bundle.code.config_map
    if name is None:
        return bundle.code.modules, None
    found = contents[CONFIG_MAP.name, name]
    if found is None:
        return {}, None
    path = "spec.code.configMapRef.name"
    if not found.data:
        message = f"{path}: the ConfigMap {name!r} has no modules; give it keys like bank.py"
        return {}, Fault("ConfigMapEmpty", message)
    size = sum(len(source.encode()) for source in found.data.values())
    if size > MOST_CODE_BYTES:
        message = (
            f"{path}: the ConfigMap {name!r} has {size} bytes of code, more than the limit of "
            f"{MOST_CODE_BYTES}; put the code into an image and set spec.code.image"
        )
        return {}, Fault("ConfigMapTooLarge", message)
    return found.data, None


def _rows_of_domain(progress: Progress | None, domain: object) -> list[SubscriptionRow] | None:
    if progress is None or not domain:
        return None
    return [row for row in progress.rows if row.key.domain == domain]


def _figures_of_domain(
    progress: Progress | None, domain: object
) -> Sequence[CommandFigures] | None:
    if progress is None or not domain:
        return None
    return [item for item in progress.figures if item.domain == domain]


def _server(store: Object | None, reading: Reading | None) -> Server | None:
    """The connections of the server that the pods connect to themselves."""
    if reading is None or reading.state is None or nested(store, "spec", "connection", "pooled"):
        return None
    return Server(reading.state.connections, reading.state.connection_limit)


def _is_valid(store: Object | None) -> bool:
    """Whether there is a store that can be read."""
    if store is None:
        return False
    try:
        parse_store(store)
    except InvalidSpec:
        return False
    return True
