"""`GET /openapi.json`: OpenAPI 3.1, generated from the domain."""

import inspect
from importlib.metadata import version
from itertools import count
from typing import Final

from chekov.domain.aggregate import Aggregate
from chekov.domain.boundary import Boundary
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.messages import Message
from chekov.serialization.examples import example
from chekov.serialization.schemas import schemas
from chekov.server import problems
from chekov.server.aggregates import identifier_type
from chekov.server.openapi_parts import (
    COUNT,
    ID,
    PARAMETERS,
    REPLAYED,
    SCHEMAS,
    STRING,
    Document,
    json_response,
    parameter,
    problem_responses,
    query_parameter,
    record,
    ref,
    refusals,
)
from chekov.server.openapi_security import secured
from chekov.server.queries import QueryEndpoint, queries

_ON_COMMANDS: Final = (
    problems.MALFORMED, problems.VERSION_CONFLICT, problems.STREAM_DELETED, problems.TOO_LARGE,
    problems.UNSUPPORTED, problems.REJECTED, problems.OVERLOADED, problems.INTERNAL,
    problems.UNAVAILABLE, problems.TIMED_OUT,
)  # fmt: skip
_ON_READS: Final = (
    problems.MALFORMED, problems.OVERLOADED, problems.INTERNAL, problems.UNAVAILABLE,
)  # fmt: skip
_ON_EVENT_STREAMS: Final = (
    *_ON_READS, problems.BEYOND_THE_LOG, problems.TOO_MANY_EVENT_STREAMS,
)  # fmt: skip
_ON_QUERIES: Final = (
    *_ON_READS, problems.BEYOND_THE_LOG, problems.PROJECTION_BUILDING, problems.PROJECTION_BEHIND,
    problems.QUERIES_OVERLOADED, problems.QUERY_TIMED_OUT,
)  # fmt: skip


def document(domain: Domain, *, authenticated: bool = False) -> Document:
    """The whole document; `authenticated` if requests need a token."""
    shapes = _Shapes(domain)
    paths: Document = {}
    for name in sorted(domain.commands):
        paths[f"/commands/{name}"] = {"post": _command(domain, name, shapes)}
    paths["/commands"] = {"post": _batch()}
    for aggregate in domain.aggregates:
        if issubclass(aggregate, Boundary):
            continue
        path = f"/aggregates/{definition_of(aggregate).identity}/{{id}}"
        paths[path] = {"get": _aggregate(aggregate, domain, shapes)}
    paths["/streams"] = {"get": _streams()}
    paths["/streams/{stream}"] = {"get": _stream()}
    paths["/events"] = {"get": _events()}
    if domain.personal:
        paths["/subjects/{subject}"] = {"delete": _forget()}
    for query in queries(domain):
        paths[f"/queries/{query.projection}/{query.name}"] = {"get": _query(query, shapes)}
    described: Document = {
        "openapi": "3.1.0",
        "info": {"title": domain.name, "version": version("chekov")},
        "paths": paths,
        "components": {
            "schemas": {**SCHEMAS, **shapes.components},
            "parameters": PARAMETERS,
            "responses": problem_responses(),
        },
    }
    return secured(described) if authenticated else described


class _Shapes:
    """JSON Schemas of the domain's types, collected as components."""

    def __init__(self, domain: Domain) -> None:
        self.components: Document = {}
        for command in domain.commands.values():
            name = self.of(command).get("$ref", "").rpartition("/")[2]
            # Commands with unknown fields are refused; stored events with them are accepted.
            self.components.get(name, {})["additionalProperties"] = False
        for event in domain.events.values():
            self.of(event)

    def of(self, kind: object) -> Document:
        """The schema of one type; empty if JSON Schema cannot describe it."""
        for number in count(1):
            suffix = f"-{number}" if number > 1 else ""
            try:
                (schema,), found = schemas([kind], f"#/components/schemas/{{name}}{suffix}")
            except (TypeError, ValueError, NameError):
                break
            components = {f"{name}{suffix}": component for name, component in found.items()}
            # Another type may have the same name.
            if all(self._is_free(name, component) for name, component in components.items()):
                for name, component in components.items():
                    self.components.setdefault(name, component)
                return schema
        return {}

    def _is_free(self, name: str, component: Document) -> bool:
        used = self.components.get(name, component)
        return {**used, "additionalProperties": None} == {**component, "additionalProperties": None}


def _command(domain: Domain, name: str, shapes: _Shapes) -> Document:
    command = domain.commands[name]
    aggregate = domain.aggregate_of(command)
    return {
        "operationId": name,
        "tags": [definition_of(aggregate).identity if aggregate else domain.name],
        "summary": _summary(command) or f"Execute {name}",
        "parameters": [
            *map(
                parameter,
                ("CorrelationId", "CausationId", "IdempotencyKey", "IfMatch", "Metadata", "Prefer"),
            ),
            parameter("Return"),
            *map(parameter, ("At", "AfterSeconds", "Cron", "Timezone", "Missed")),
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": shapes.of(command), **_example(command)}},
        },
        "responses": {
            "200": {
                **json_response("The events are stored.", ref("Dispatched")),
                "headers": {"Idempotency-Replayed": REPLAYED},
            },
            "202": json_response(
                "The events are stored, but not all subscriptions have handled them yet; or the "
                "command is scheduled.",
                {"anyOf": [ref("Dispatched"), ref("Scheduled")]},
            ),
            **refusals(_ON_COMMANDS),
        },
    }


def _batch() -> Document:
    return {
        "operationId": "executeMany",
        "tags": ["batch"],
        "summary": "Execute many commands, one per line; results come in the same order",
        "parameters": [parameter("CorrelationId")],
        "requestBody": {
            "content": {"application/x-ndjson": {"schema": ref("CommandLine")}},
        },
        "responses": {
            "200": {
                "description": "For each line, the result of its command, the id under which it "
                "is scheduled, or its problem.",
                "content": {
                    "application/x-ndjson": {
                        "schema": {"anyOf": [ref("Dispatched"), ref("Scheduled"), ref("Problem")]}
                    }
                },
            },
            **refusals((problems.MALFORMED, problems.UNSUPPORTED)),
        },
    }


def _aggregate(aggregate: type[Aggregate], domain: Domain, shapes: _Shapes) -> Document:
    kind = shapes.of(identifier_type(domain, aggregate))
    path = {"name": "id", "in": "path", "required": True, "schema": kind}
    return {
        "operationId": f"get{aggregate.__name__}",
        "tags": [definition_of(aggregate).identity],
        "summary": "The state of an instance, now or at an earlier version or time",
        "parameters": [path, *map(parameter, ("AtVersion", "AtTime"))],
        "responses": {
            "200": json_response(
                "The state and its version.",
                record(stream=STRING, version=COUNT, state=shapes.of(aggregate)),
            ),
            **refusals(
                (
                    *_ON_READS,
                    problems.STREAM_NOT_FOUND,
                    problems.STREAM_DELETED,
                    problems.UNUSABLE_STATE,
                )
            ),
        },
    }


def _streams() -> Document:
    return {
        "operationId": "getStreams",
        "tags": ["events"],
        "summary": "The streams that can be read, ordered by name",
        "parameters": [
            query_parameter("prefix", STRING),
            query_parameter("containing", STRING),
            query_parameter("after", STRING),
            parameter("Limit"),
        ],
        "responses": {
            "200": json_response("A page of streams.", ref("Streams")),
            **refusals(_ON_READS),
        },
    }


def _stream() -> Document:
    path = {"name": "stream", "in": "path", "required": True, "schema": STRING}
    return {
        "operationId": "getStream",
        "tags": ["events"],
        "summary": "The events of one stream, ordered by version",
        "parameters": [
            path,
            *map(parameter, ("After", "Limit", "Direction", "Until", "LastEventId")),
        ],
        "responses": {
            "200": _page_or_event_stream(),
            **refusals(
                (
                    *_ON_EVENT_STREAMS,
                    problems.STREAM_NOT_FOUND,
                    problems.STREAM_DELETED,
                    problems.VERSION_CONFLICT,
                )
            ),
        },
    }


def _events() -> Document:
    types = {"type": "array", "items": STRING}
    return {
        "operationId": "getEvents",
        "tags": ["events"],
        "summary": "The events of all streams, ordered by position",
        "parameters": [
            *map(parameter, ("After", "Limit", "Direction", "LastEventId")),
            query_parameter("type", types),
            query_parameter("category", STRING),
            query_parameter("prefix", STRING),
            query_parameter("correlation", ID),
            query_parameter("causation", ID),
            query_parameter("caused_by", ID),
        ],
        "responses": {"200": _page_or_event_stream(), **refusals(_ON_EVENT_STREAMS)},
    }


def _page_or_event_stream() -> Document:
    response = json_response("A page of events, or an endless stream of them.", ref("Page"))
    response["content"]["text/event-stream"] = {"schema": STRING}
    return response


def _forget() -> Document:
    path = {"name": "subject", "in": "path", "required": True, "schema": STRING}
    return {
        "operationId": "forget",
        "tags": ["subjects"],
        "summary": "Make the personal data of a subject unreadable for good",
        "parameters": [path],
        "responses": {
            "204": {"description": "The personal data, if there was any, can no longer be read."},
            **refusals((problems.INTERNAL, problems.UNAVAILABLE)),
        },
    }


def _query(query: QueryEndpoint, shapes: _Shapes) -> Document:
    return {
        "operationId": f"{query.projection}.{query.name}",
        "tags": [query.projection],
        "summary": query.summary or f"Query {query.name} of {query.projection}",
        "parameters": [
            *(
                {**query_parameter(item.name, shapes.of(item.type)), "required": item.required}
                for item in query.parameters
            ),
            *map(parameter, ("MinPosition", "Prefer")),
        ],
        "responses": {
            "200": json_response("The result.", shapes.of(query.returns)),
            **refusals((*_ON_QUERIES, problems.NOT_FOUND)),
        },
    }


def _example(command: type[Message]) -> Document:
    found = example(command)
    return {} if found is None else {"example": found}


def _summary(message: type[Message]) -> str:
    text = inspect.getdoc(message) or ""
    # A dataclass without a docstring gets its signature as one.
    return "" if text.startswith(f"{message.__name__}(") else text.partition("\n")[0]
