"""The routes of the HTTP API."""

from aiohttp import web

from chekov.domain.domain import Domain
from chekov.runtime import Runtime
from chekov.serialization.json import to_json
from chekov.server.aggregates import Aggregates
from chekov.server.authentication.authenticator import Authenticator
from chekov.server.command_batch import CommandBatches
from chekov.server.commands import JSON, Commands
from chekov.server.content import CONTENT_LIMITS, ContentLimits
from chekov.server.cross_origin import CrossOrigin
from chekov.server.docs_page import docs
from chekov.server.endpoint import Endpoints, Handler
from chekov.server.event_stream import EventStream, either
from chekov.server.gate import Gate
from chekov.server.held_pages import HeldPages
from chekov.server.index import index
from chekov.server.lifecycle import Lifecycle
from chekov.server.methods import ANY_PATH, not_found, options
from chekov.server.metrics import Metrics
from chekov.server.openapi import document
from chekov.server.permissions import Permissions
from chekov.server.queries import Queries
from chekov.server.settings import Settings
from chekov.server.static_content import StaticContent
from chekov.server.streams import Streams
from chekov.server.subjects import Subjects
from chekov.server.tracing import Tracing


def application(
    runtime: Runtime,
    metrics: Metrics,
    tracing: Tracing | None,
    lifecycle: Lifecycle,
    settings: Settings,
    authenticator: Authenticator | None = None,
) -> web.Application:
    """The HTTP API of a runtime that is open.

    With an authenticator, all but the pages that describe the API is for its principals only.
    """
    app = web.Application(client_max_size=settings.body_limit)
    app[CONTENT_LIMITS] = ContentLimits(
        body=settings.body_limit,
        gate=Gate(settings.max_content, settings.admission_wait, "bytes of content"),
        seconds=settings.arrival_timeout,
    )
    gate = Gate(settings.max_in_flight, settings.admission_wait, "commands")
    endpoints = Endpoints(metrics, tracing, lifecycle, authenticator)

    def add(method: str, path: str, handler: Handler, *, public: bool = False) -> None:
        endpoint = endpoints.endpoint(method, path, handler, public=public)
        # aiohttp's own pattern of a part has no braces, which names may have.
        path = path.replace("}", ":[^/]+}")
        app.router.add_route(method, path, endpoint)
        if method == "GET":
            app.router.add_route("HEAD", path, endpoint)

    commands = Commands(runtime, gate)
    # aiohttp finds a fixed path in a dict, but tries patterns one after another.
    for name in filter(str.isidentifier, runtime.domain.commands):
        add("POST", f"/commands/{name}", commands.handler(name))
    add("POST", "/commands/{command}", commands.other)
    add("POST", "/commands", CommandBatches(runtime, lifecycle, gate, settings.body_limit).post)
    add("GET", "/aggregates/{identity}/{id}", Aggregates(runtime).get)
    permissions = Permissions(runtime.domain)
    streams = Streams(
        runtime.store, permissions, HeldPages(settings.max_pages, settings.admission_wait)
    )
    event_stream = EventStream(
        runtime.store,
        lifecycle,
        permissions,
        HeldPages(settings.max_pages, settings.admission_wait),
        most=settings.max_event_streams,
    )
    metrics.watch_event_streams(lambda: event_stream.connected)
    add("GET", "/streams", streams.streams)
    add("GET", "/streams/{stream}", either(streams.stream, event_stream.stream))
    add("GET", "/events", either(streams.events, event_stream.events))
    add("GET", "/queries/{projection}/{query}", Queries(runtime).get)
    if runtime.domain.personal:
        add("DELETE", "/subjects/{subject}", Subjects(runtime).delete)
    description = document(runtime.domain, authenticated=authenticator is not None)
    openapi = StaticContent(to_json(description), JSON["Content-Type"])
    add("GET", "/openapi.json", openapi.get, public=True)
    for path, page in docs(f"{runtime.domain.name}: the API").items():
        add("GET", path, page, public=True)
    add("GET", "/", _index(runtime.domain), public=True)
    app.router.add_route(
        "OPTIONS", ANY_PATH, endpoints.endpoint("OPTIONS", "*", options, public=True)
    )
    app.router.add_route("*", ANY_PATH, endpoints.endpoint("*", "*", not_found))
    if settings.cors_origins:
        app.on_response_prepare.append(CrossOrigin(settings.cors_origins).prepare)
    return app


def _index(domain: Domain) -> Handler:
    return index(
        f"{domain.name}: the API",
        "This is a service of Chekov: commands are posted here, and events and states are read. "
        "Its metrics, probes and subscriptions are at the management port, by default 9090.",
        {
            "/docs": "every address, to look at and to try",
            "/openapi.json": "every address, with the schema and an example of every command",
            "/events": "all events by position",
            "/streams": "the streams by name",
        },
    )
