"""A bank on a fake API server, reconciled pass by pass, with Kubernetes's own part played here."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from opentelemetry.trace import Tracer

from chekov.errors import StoreUnavailable
from chekov.serialization.frame import framed
from chekov.serialization.json import to_json
from chekov.store.memory import MemoryStore
from chekov.store.port import CommandFigures, Generation, SubscriptionKey, SubscriptionRow
from chekov.store.port import Store as StorePort
from chekov.store.postgres.inspect import Progress, StoreStatus
from chekov_operator.api.event_store import Store
from chekov_operator.api.fault import Fault
from chekov_operator.children.workloads import CHECK, GATE
from chekov_operator.controllers.reconciler import Reconciler
from chekov_operator.controllers.registry import all_controllers
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import (
    BUNDLE,
    COMPONENT_LABEL,
    DEPLOYMENT,
    JOB,
    KINDS,
    POD,
    REPLAY,
    STORE,
    SUBSCRIPTION,
    WATCHED,
    Key,
    Kind,
)
from chekov_operator.kube.objects import Object, condition_of, key_of, label
from chekov_operator.kube.referenced_objects import FOLLOWED, ReferencedObjects
from chekov_operator.kube.work_queue import WorkQueue
from chekov_operator.metrics import Metrics
from chekov_operator.settings import Settings
from chekov_operator.stores.databases import Databases
from chekov_operator.stores.poller import Reading
from chekov_operator.tracing import NO_TRACER
from tests.operator.fake_api import FakeApi
from tests.operator.fake_kubelet import READABLE, ended_pod, rolled_out
from tests.operator.samples import RUNTIME_IMAGE, bundle_body, store_body

NAMESPACE = "shops"
SECRET_PATH = f"/api/v1/namespaces/{NAMESPACE}/secrets/postgres"
BANK = Key(BUNDLE.name, NAMESPACE, "bank")
MAIN = Key(STORE.name, NAMESPACE, "main")
BALANCES = Key(SUBSCRIPTION.name, NAMESPACE, "bank-balances")
RETRY = Key(REPLAY.name, NAMESPACE, "retry")
FINE: Object = {
    "ok": True,
    "domain": "bank",
    "commands": ["OpenAccount"],
    "events": ["AccountOpened"],
    "subscriptions": [{"name": "balances", "kind": "projection", "version": 1}],
}
BROKEN: Object = {
    "ok": False,
    "reason": "InvalidDomain",
    "message": "the domain bank cannot be used as written",
    "faults": ["Open has no executor", "Close has no identifier", "opened is not async"],
}


class Answers(Databases):
    """Databases that say what a test wants them to."""

    def __init__(self, client: Client) -> None:
        super().__init__(client, lambda _key: None, refresh_seconds=15)
        self.version = 1
        self.position = 10
        self.handled = 10
        self.away = False
        self.is_read = True
        self.opened_stores = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.waiting: bool | None = None
        self.hurried: list[Key] = []
        self.kept = MemoryStore()
        self.rows: Sequence[SubscriptionRow] | None = None
        self.generations: Sequence[Generation] = ()
        self.figures: list[CommandFigures] = []
        self.connections: tuple[int, int] = (0, 0)

    def reading(self, store: Store) -> Reading | None:
        del store
        return self.last_reading(MAIN)

    def last_reading(self, key: Key) -> Reading | None:
        del key
        if not self.is_read:
            return None
        host = "db.example:5432"
        if self.away:
            return Reading(host, unreachable=Fault("Unreachable", "Postgres does not answer"))
        row = SubscriptionRow(
            key=SubscriptionKey("bank", "balances"),
            position=self.handled,
            owner="bank-1",
            epoch=1,
            state="running",
            error=None,
            parked=0,
            updated=datetime(2026, 11, 24, tzinfo=UTC),
        )
        state = StoreStatus(
            "18.4",
            self.version,
            1,
            self.position,
            3,
            8192,
            self.version == 1,
            connections=self.connections[0],
            connection_limit=self.connections[1],
        )
        rows = [row] if self.rows is None else self.rows
        progress = Progress(rows, self.position, list(self.figures), self.generations)
        waiting = {} if self.waiting is None else {BANK: self.waiting}
        return Reading(host, state=state, progress=progress, waiting=waiting)

    @asynccontextmanager
    async def opened(self, store: Store) -> AsyncGenerator[StorePort]:
        """A store in memory, whose rows are read from it after that."""
        del store
        self.opened_stores += 1
        if self.away:
            raise StoreUnavailable("Postgres does not answer")
        await self.answers.wait()
        async with self.kept as opened:
            yield opened
            self.rows = await opened.subscriptions.list("bank") or None

    def hurry(self, key: Key) -> None:
        self.hurried.append(key)


class Scene:
    """Everything around one reconciler."""

    def __init__(
        self,
        api: FakeApi,
        client: Client,
        metrics: Metrics,
        *,
        tracer: Tracer = NO_TRACER,
        **settings: Any,
    ) -> None:
        self.api = api
        self.databases = Answers(client)
        self.cache = Cache()
        self.queue = WorkQueue(metrics)
        self.referenced = ReferencedObjects(client)
        self._versions: dict[Key, str] = {}
        self.reconciler = Reconciler(
            client,
            self.cache,
            self.queue,
            metrics,
            all_controllers(
                client,
                self.cache,
                self.databases,
                self.referenced,
                Settings(runtime_image=RUNTIME_IMAGE, **settings),
            ),
            instance="operator-1",
            tracer=tracer,
        )
        self.api.put(SECRET_PATH, {"data": {"dsn": "cG9zdGdyZXM6Ly91OnBAZGIuZXhhbXBsZS9iYW5r"}})

    def give(self, body: Object) -> None:
        """What a user's `kubectl apply` does."""
        kind = KINDS[body["kind"]]
        path = kind.path(NAMESPACE, body["metadata"]["name"])
        before = self.api.objects.get(path, {})
        after = {**body, "metadata": {**body["metadata"]}}
        if before:
            generation = before["metadata"]["generation"]
            changed = before["spec"] != body["spec"]
            after["metadata"]["generation"] = generation + 1 if changed else generation
            after["status"] = before.get("status", {})
        self.api.put(path, after)

    def give_bank(self, **spec: Any) -> None:
        """Apply the bank and a store that is ready."""
        store = store_body()
        ready = {"type": "Ready", "status": "True", "reason": "Available", "message": ""}
        ready["lastTransitionTime"] = "2026-11-24T00:00:00Z"
        store["status"] = {"conditions": [ready], "host": "db.example:5432"}
        self.give(store)
        self.give(bundle_body(**spec))

    async def reconcile(self, key: Key = BANK) -> list[str]:
        """One reconciliation, after watches have delivered everything; return its writes."""
        self._watch()
        self.api.requests.clear()
        await self.reconciler(key)
        return self.api.writes()

    async def serve(self) -> None:
        """Bring the bank to where all its pods serve."""
        await self.begin_check()
        self.end_check(FINE)
        await self.settle()

    async def begin_check(self) -> None:
        """Have the revision stored and checked, in one pass, and the next one say so."""
        await self.reconcile()
        await self.reconcile()

    async def settle(self) -> None:
        """Reconcile, with pods that serve at once, until there is nothing left to do."""
        while await self.reconcile():
            self.roll_out()

    def end_check(self, result: Mapping[str, object]) -> None:
        """Let the pod of the check say something and end."""
        self._end(CHECK, result)

    def end_gate(self, result: Mapping[str, object] = READABLE) -> None:
        """Let the pod of the gate say something, that all can be read unless told, and end."""
        self._end(GATE, result)

    def jobs(self, component: str) -> list[Object]:
        """The Jobs of checks or of gates."""
        return [job for job in self.all(JOB) if label(job, COMPONENT_LABEL) == component]

    def _end(self, component: str, result: Mapping[str, object]) -> None:
        (job,) = self.jobs(component)
        path = POD.path(NAMESPACE, f"{job['metadata']['name']}-1")
        self.api.put(path, ended_pod(job, result))
        self.api.logs[path] = framed(to_json(result))

    def play(self) -> None:
        """Do what a cluster does by itself: let all be read at the gate, and every pod serve."""
        if self.jobs(GATE):
            self.end_gate()
        self.roll_out()

    def roll_out(self) -> None:
        """Let every pod of each Deployment serve."""
        for live in self.all(DEPLOYMENT):
            path = DEPLOYMENT.path(NAMESPACE, live["metadata"]["name"])
            self.api.objects[path] = rolled_out(live)

    def deployment(self) -> Object:
        """The Deployment that has the most pods."""
        return max(self.all(DEPLOYMENT), key=lambda body: int(body["spec"]["replicas"]))

    def all(self, kind: Kind) -> list[Object]:
        """The objects of a kind."""
        collection = kind.path(NAMESPACE) + "/"
        return [body for path, body in self.api.objects.items() if path.startswith(collection)]

    def one(self, kind: Kind, name: str) -> Object:
        """One object."""
        return self.api.objects[kind.path(NAMESPACE, name)]

    def status(self, key: Key = BANK) -> Object:
        """What the operator says of an object."""
        return self.one(KINDS[key.kind], key.name).get("status", {})

    def condition(self, of: str, key: Key = BANK) -> tuple[str, str, str]:
        """Status, reason and message of a condition."""
        found = condition_of({"status": self.status(key)}, of)
        return found["status"], found["reason"], found["message"]

    def _watch(self) -> None:
        for kind in WATCHED:
            for place in list(self.cache.versions(kind)):
                if kind.path(place[1], place[2]) not in self.api.objects:
                    gone = self.cache.get(kind, place[1], place[2])
                    assert gone is not None
                    self.cache.drop(kind, gone)
            for body in self.all(kind):
                self.cache.put(kind, body, watched=True)
        now = {
            key_of(kind, body): str(body["metadata"]["resourceVersion"])
            for kind in FOLLOWED
            for body in self.all(kind)
        }
        changed = self._versions.items() ^ now.items()
        self.referenced.invalidate({key for key, _ in changed})
        self._versions = now
