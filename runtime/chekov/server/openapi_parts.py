"""The parts of the OpenAPI document that are the same for every domain."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chekov.server import problems
from chekov.server.parameters import DEFAULT_LIMIT, LARGEST_LIMIT
from chekov.server.problems import Kind

Document = dict[str, Any]

ID: Final = {"type": "string", "format": "uuid"}
STRING: Final = {"type": "string"}
COUNT: Final = {"type": "integer", "minimum": 0}
TIME: Final = {"type": "string", "format": "date-time"}
NUMBER: Final = {"type": "integer", "minimum": 1}
REPLAYED: Final = {
    "description": "`true` when the command had been executed before, and this was its answer.",
    "schema": {"const": "true"},
}


def ref(name: str) -> Document:
    """A reference to a schema of ours."""
    return {"$ref": f"#/components/schemas/Chekov.{name}"}


def parameter(name: str) -> Document:
    """A reference to a parameter of ours."""
    return {"$ref": f"#/components/parameters/{name}"}


def query_parameter(name: str, schema: Mapping[str, Any]) -> Document:
    """A parameter in the query string."""
    return {"name": name, "in": "query", "schema": dict(schema)}


def answer(description: str, schema: Document) -> Document:
    """A response that is JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def record(**properties: Mapping[str, Any]) -> Document:
    """A schema of an object whose members are all there."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def refusals(kinds: Iterable[Kind]) -> Document:
    """References to the responses of these problems, by status."""
    return {str(kind.status): {"$ref": f"#/components/responses/{kind.status}"} for kind in kinds}


def problem_responses() -> Document:
    """The responses that tell of problems, by status."""
    titles: dict[int, list[Kind]] = {}
    for kind in problems.KINDS:
        titles.setdefault(kind.status, []).append(kind)
    return {
        str(status): {
            "description": "; ".join(kind.title for kind in kinds),
            "content": {problems.CONTENT_TYPE: {"schema": ref("Problem")}},
        }
        for status, kinds in titles.items()
    }


_EVENT: Final = record(
    position=COUNT,
    stream=STRING,
    version=COUNT,
    id=ID,
    type=STRING,
    time=TIME,
    correlation_id={"type": ["string", "null"], "format": "uuid"},
    causation_id={"type": ["string", "null"], "format": "uuid"},
    metadata={"type": "object"},
    data={},
)
_DISPATCHED: Final = record(
    stream=STRING,
    version=COUNT,
    position={**COUNT, "description": "Of the last event; 0 when there is none."},
    command_id=ID,
    correlation_id=ID,
    events={"type": "array", "items": ref("Event")},
)
_DISPATCHED["properties"]["repeated"] = {
    "const": True,
    "description": "There when the command had been executed before, and this is what it stored.",
}
SCHEMAS: Final[Document] = {
    "Chekov.Event": _EVENT,
    "Chekov.Page": {
        **record(
            events={"type": "array", "items": ref("Event")},
            next={
                "type": ["integer", "null"],
                "description": "What to pass as `after` for the next page.",
            },
        )
    },
    "Chekov.Streams": record(
        streams={
            "type": "array",
            "items": record(stream=STRING, version=COUNT, created=TIME, first=NUMBER),
        },
        next={
            "type": ["string", "null"],
            "description": "What to pass as `after` for the next page.",
        },
    ),
    "Chekov.Dispatched": _DISPATCHED,
    "Chekov.CommandLine": {
        "type": "object",
        "properties": {"command": STRING, "data": {"type": "object"}, "id": ID},
        "required": ["command", "data"],
        "additionalProperties": False,
    },
    "Chekov.Problem": {
        **record(
            type={"type": "string", "enum": [kind.type for kind in problems.KINDS]},
            title=STRING,
            status={"type": "integer"},
            detail=STRING,
        ),
        "additionalProperties": True,
    },
}
PARAMETERS: Final[Document] = {
    "CorrelationId": {"name": "X-Correlation-ID", "in": "header", "schema": ID},
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": ID,
        "description": (
            "Becomes the command's id, which its events carry as their cause. A command that is "
            "sent again under its id is answered with what it stored the first time."
        ),
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "schema": STRING,
        "description": 'The version that the stream must be at, such as "3"; * if it must exist.',
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "schema": STRING,
        "description": "`wait=5` answers when all handlers passed the events, or after 5 seconds.",
    },
    "After": query_parameter("after", {**COUNT, "default": 0}),
    "Limit": query_parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT},
    ),
    "Direction": query_parameter(
        "direction", {"enum": ["forward", "backward"], "default": "forward"}
    ),
    "Until": query_parameter("until", {"anyOf": [NUMBER, TIME]}),
    "AtVersion": query_parameter("version", NUMBER),
    "AtTime": query_parameter("time", TIME),
    "LastEventId": {"name": "Last-Event-ID", "in": "header", "schema": COUNT},
}
