"""A small API server on loopback: versioned objects, server-side apply, watches and faults."""

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from aiohttp import web

from chekov.serialization.json import from_json, to_json
from chekov_operator.kube.objects import Object, nested
from tests.operator.fake_forwards import forward
from tests.operator.fake_patches import merged, operated, without
from tests.operator.fake_watches import Watches

_APPLY = "application/apply-patch+yaml"
_OPERATIONS = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Object
    headers: Mapping[str, str]


@dataclass(slots=True)
class FakeApi:
    """What the server keeps, and what it was asked.

    Attributes:
        objects: by path.
        requests: in order.
        failures: answers given instead, the first to a request with this method and path part.
        served: what each group and version serves, by its path.
        documents: other answers to reads, by path.
        logs: of pods, by the path of the pod.
        watches: the open streams of changes.
        after_write: called with the path of each object that was written.
        away: whether every connection is broken off, as if there were no server.
        hanging: paths to which no answer comes.
        forbidden: namespaces in which nothing may be done, also because they are gone.
        unanswered: how many requests to these are waiting.
        rewrite: what the server makes of an object at a path when it is written.
        ports: where a port of a pod leads to, by the path of the pod and the port.
        page_size: how many objects a page of a list holds.
        url: where it listens.
    """

    objects: dict[str, Object] = field(default_factory=dict[str, Object])
    requests: list[Request] = field(default_factory=list[Request])
    failures: list[tuple[str, str, web.Response]] = field(
        default_factory=list[tuple[str, str, web.Response]]
    )
    served: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    documents: dict[str, Object] = field(default_factory=dict[str, Object])
    logs: dict[str, str] = field(default_factory=dict[str, str])
    watches: Watches = field(default_factory=Watches)
    after_write: Callable[[str], None] = lambda _path: None
    away: bool = False
    hanging: set[str] = field(default_factory=set[str])
    forbidden: set[str] = field(default_factory=set[str])
    unanswered: int = 0
    rewrite: dict[str, Callable[[Object], Object]] = field(
        default_factory=dict[str, Callable[[Object], Object]]
    )
    ports: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    page_size: int = 500
    url: str = ""
    _applied: dict[str, dict[str, Object]] = field(default_factory=dict[str, dict[str, Object]])
    _version: int = 100

    def put(self, path: str, body: Object) -> Object:
        """Keep an object as if somebody had made it."""
        meta = {
            "uid": str(uuid4()),
            "generation": 1,
            # Each object is seconds younger than the one before, and none is old.
            "creationTimestamp": (datetime.now(UTC) + timedelta(seconds=self._version)).isoformat(),
            "name": path.rpartition("/")[2],
            **_namespace(path),
            **body.get("metadata", {}),
        }
        kept = self._written(path, {**_copied(body), "metadata": meta})
        self._keep(path, kept)
        return kept

    def remove(self, path: str) -> bool:
        """Delete an object as if somebody had; return whether it existed."""
        gone = self.objects.pop(path, None)
        if gone is None:
            return False
        self._applied.pop(path, None)
        self._version += 1
        self.watches.tell(self._version, path, gone, None)
        return True

    def fail(self, method: str, part: str, status: int, reason: str, **headers: str) -> None:
        """Answer the next request with this method whose path ends with `part` with an error."""
        self.failures.append((method, part, _refusal(status, reason, reason, headers)))

    def writes(self) -> list[str]:
        """Method and path of each request that was not a read."""
        return [f"{item.method} {item.path}" for item in self.requests if item.method != "GET"]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        if self.away:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        namespace = _namespace(request.path).get("namespace")
        if namespace in self.forbidden:
            return _refusal(403, "Forbidden", f"not allowed in the namespace {namespace!r}")
        if request.query.get("watch") == "true":
            labels = _labels(request)
            return await self.watches.serve(
                request, lambda path: _within(path, request.path), labels
            )
        if request.path in self.hanging:
            self.unanswered += 1
            try:
                # Ends when the client gives up, which cancels the handler.
                await asyncio.Event().wait()
            finally:
                self.unanswered -= 1
        text = await request.read()
        body: Object = from_json(text) if text else {}
        self.requests.append(
            Request(request.method, request.path, dict(request.query), body, dict(request.headers))
        )
        for index, (method, part, answer) in enumerate(self.failures):
            if method == request.method and request.path.endswith(part):
                del self.failures[index]
                return answer
        if request.path.endswith("/portforward"):
            key = (request.path.removesuffix("/portforward"), int(request.query["ports"]))
            return await forward(request, self.ports[key])
        handlers = {
            "GET": self._get,
            "POST": self._post,
            "PUT": self._replace,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        return handlers[request.method](request, body)

    def _get(self, request: web.Request, _body: Object) -> web.Response:
        if request.path in self.objects:
            return _answer(self.objects[request.path])
        if request.path in self.documents:
            return _answer(self.documents[request.path])
        if request.path in self.served:
            names = [{"name": name} for name in self.served[request.path]]
            return _answer({"resources": names})
        pod = request.path.removesuffix("/log")
        if pod in self.logs:
            lines = self.logs[pod].splitlines(keepends=True)
            return web.Response(text="".join(lines[-int(request.query["tailLines"]) :]))
        if not _is_collection(request.path):
            return _refusal(404, "NotFound", f"{request.path} not found")
        wanted = _labels(request)
        found = [
            item
            for path, item in sorted(self.objects.items())
            if _within(path, request.path)
            and wanted.items() <= item["metadata"].get("labels", {}).items()
            and all(nested(item, *path) == value for path, value in _fields(request))
        ]
        # Like those of a real server, the items of a list have no kind.
        bare = [
            {k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in found
        ]
        begin = int(request.query.get("continue") or 0)
        end = begin + self.page_size
        following = {"continue": str(end)} if end < len(bare) else {}
        metadata = {"resourceVersion": str(self._version), **following}
        return _answer({"items": bare[begin:end], "metadata": metadata})

    def _post(self, request: web.Request, body: Object) -> web.Response:
        path = f"{request.path}/{body['metadata']['name']}"
        if path in self.objects:
            return _refusal(409, "AlreadyExists", f"{path} already exists")
        return _answer(self.put(path, body), status=201)

    def _replace(self, request: web.Request, body: Object) -> web.Response:
        live = self.objects.get(request.path)
        if live is None:
            return _refusal(404, "NotFound", f"{request.path} not found")
        if body["metadata"].get("resourceVersion") != live["metadata"]["resourceVersion"]:
            return _refusal(409, "Conflict", "the object has been modified")
        return _answer(self._changed(request.path, body))

    def _patch(self, request: web.Request, body: Object) -> web.Response:
        if request.query.get("dryRun") == "All":
            return self._copy()._patch_kept(request, body)
        return self._patch_kept(request, body)

    def _copy(self) -> "FakeApi":
        return FakeApi(objects=copy.deepcopy(self.objects), _applied=copy.deepcopy(self._applied))

    def _patch_kept(self, request: web.Request, body: Object) -> web.Response:
        path = request.path.removesuffix("/status")
        status = path != request.path
        path = path.removesuffix("/scale")
        live = self.objects.get(path)
        if request.content_type != _APPLY:
            if live is None:
                return _refusal(404, "NotFound", f"{path} not found")
            version = nested(body, "metadata", "resourceVersion")
            if version not in (None, live["metadata"]["resourceVersion"]):
                return _refusal(409, "Conflict", "the object has been modified")
            after = operated if request.content_type == _OPERATIONS else merged
            return _answer(self._changed(path, after(live, body)))
        if live is None and status:
            return _refusal(404, "NotFound", f"{path} not found")
        body = {**body, "metadata": {**body["metadata"]}}
        version = body["metadata"].pop("resourceVersion", None)
        if live is None:
            self.put(path, body)
            self._applied[path] = {"": body}
            return _answer(self.objects[path], status=201)
        if version not in (None, live["metadata"]["resourceVersion"]):
            return _refusal(409, "Conflict", "the object has been modified")
        mine = {"status": body["status"]} if status else body
        applied = self._applied.setdefault(path, {})
        part = "status" if status else ""
        before = applied.get(part, {})
        applied[part] = mine
        return _answer(self._changed(path, merged(without(live, before, mine), mine)))

    def _delete(self, request: web.Request, body: Object) -> web.Response:
        live = self.objects.get(request.path)
        if live is None:
            return _refusal(404, "NotFound", f"{request.path} not found")
        wanted = nested(body, "preconditions", "uid")
        if wanted is not None and wanted != live["metadata"]["uid"]:
            return _refusal(409, "Conflict", "the uid in the precondition is not the object's")
        self.remove(request.path)
        return _answer({"status": "Success"})

    def _changed(self, path: str, after: Object) -> Object:
        before = self.objects[path]
        after = self._written(path, _copied(after))
        if after == before:
            return before
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] = before["metadata"].get("generation", 1) + 1
        self._keep(path, after)
        return after

    def _written(self, path: str, body: Object) -> Object:
        return self.rewrite[path](body) if path in self.rewrite else body

    def _keep(self, path: str, body: Object) -> None:
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        before = self.objects.get(path)
        self.objects[path] = body
        self.watches.tell(self._version, path, before, body)
        self.after_write(path)


@asynccontextmanager
async def serving() -> AsyncGenerator[FakeApi]:
    """A server on a free port of loopback; its `url` says where."""
    api = FakeApi()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(
        application,
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=0.1,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        api.url = f"http://{host}:{port}"
        yield api
    finally:
        await runner.cleanup()


def _labels(request: web.Request) -> dict[str, str]:
    pairs = request.query.get("labelSelector", "").split(",")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def _fields(request: web.Request) -> list[tuple[list[str], str]]:
    pairs = [pair for pair in request.query.get("fieldSelector", "").split(",") if pair]
    return [(path.split("."), value) for path, value in (pair.split("=", 1) for pair in pairs)]


def _is_collection(path: str) -> bool:
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    return len(rest) in (1, 3)


def _within(path: str, collection: str) -> bool:
    if path.rpartition("/")[0] == collection:
        return True
    root, _, plural = collection.rpartition("/")
    return path.startswith(f"{root}/namespaces/") and path.split("/")[-2] == plural


def _namespace(path: str) -> dict[str, str]:
    parts = path.split("/")
    return {"namespace": parts[parts.index("namespaces") + 1]} if "namespaces" in parts else {}


def _copied(body: Object) -> Object:
    # Several times as fast as a deep copy, which would be most of what the server does.
    return from_json(to_json(body))


def _answer(
    body: Object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=to_json(body), status=status, headers=headers, content_type="application/json"
    )


def _refusal(
    status: int, reason: str, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    body = {"kind": "Status", "code": status, "reason": reason, "message": message}
    return _answer(
        body,
        status=status,
        headers={name.replace("_", "-"): value for name, value in (headers or {}).items()},
    )
