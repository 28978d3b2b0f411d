"""The parts of the OpenAPI document that every domain shares."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chekov.server import problems
from chekov.server.headers import LARGEST_POSITION, LONGEST_METADATA
from chekov.server.parameters import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_DELAY
from chekov.server.problems import Kind
from chekov.server.returning import CHOICES

Document = dict[str, Any]

ID: Final = {"type": "string", "format": "uuid"}
STRING: Final = {"type": "string"}
COUNT: Final = {"type": "integer", "minimum": 0, "maximum": LARGEST_POSITION}
TIME: Final = {"type": "string", "format": "date-time"}
NUMBER: Final = {**COUNT, "minimum": 1}
REPLAYED: Final = {
    "description": "`true` if the command had been executed before and this is its first result.",
    "schema": {"const": "true"},
}


_METADATA: Final = {"type": "object", "propertyNames": {"pattern": r"^(?!\$)"}}
RETURN: Final = {
    "enum": list(CHOICES),
    "description": "What the answer has besides stream, version, position and ids: the events, "
    "which is the default, the state of the aggregate right after the command, nothing, or both.",
}

AT: Final = "Execute the command at this time, which has a zone, once."
AFTER: Final = "Execute the command after so many seconds, once."
CRON: Final = (
    "Execute the command at all of these times: minute, hour, day of the month, month and day of "
    "the week, such as `0 0 1 * *`."
)
TIMEZONE: Final = "Of `cron`, such as `Europe/Berlin`; UTC by default."
MISSED: Final = {"enum": ["once", "skip", "all"]}
MADE_UP: Final = (
    "What makes up for runs of `cron` that were due while no process ran; once by default."
)


def ref(name: str) -> Document:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/Chekov.{name}"}


def parameter(name: str) -> Document:
    """A reference to one of `PARAMETERS`."""
    return {"$ref": f"#/components/parameters/{name}"}


def query_parameter(name: str, schema: Mapping[str, Any]) -> Document:
    """A parameter in the query string."""
    return {"name": name, "in": "query", "schema": dict(schema)}


def json_response(description: str, schema: Document) -> Document:
    """A response with a JSON body."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def record(**properties: Mapping[str, Any]) -> Document:
    """The schema of an object with required members."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def refusals(kinds: Iterable[Kind]) -> Document:
    """References to the problem responses of these kinds, by status."""
    return {str(kind.status): {"$ref": f"#/components/responses/{kind.status}"} for kind in kinds}


def problem_responses() -> Document:
    """The problem responses by status."""
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
_NAMES: Final = {"type": "array", "items": STRING}
_DISPATCHED: Final = record(
    stream=STRING,
    version=COUNT,
    position={**COUNT, "description": "Position of the last event; 0 if there is none."},
    command_id=ID,
    correlation_id=ID,
)
_DISPATCHED["properties"] |= {
    "events": {
        "type": "array",
        "items": ref("Event"),
        "description": "With `return=events` and `return=everything`.",
    },
    "state": {
        "description": "With `return=state` and `return=everything`: the state of the aggregate "
        "right after the command; null if it cannot be returned.",
    },
    "state_error": {**STRING, "description": "Why the state cannot be returned."},
    "consistent": {
        "type": "boolean",
        "description": "With `Prefer: wait`: whether the handlers have handled the events.",
    },
    "behind": {**_NAMES, "description": "The subscriptions that have not handled them in time."},
    "failed": {**_NAMES, "description": "The subscriptions that failed on them."},
    "repeated": {
        "const": True,
        "description": "Present if the command had been executed before and this is what it "
        "stored.",
    },
}
SCHEMAS: Final[Document] = {
    "Chekov.Scheduled": record(
        scheduled={**ID, "description": "Under this id the command is listed and cancelled."}
    ),
    "Chekov.Event": _EVENT,
    "Chekov.Page": {
        **record(
            events={"type": "array", "items": ref("Event")},
            next={
                "type": ["integer", "null"],
                "description": "The `after` of the next page; null on the last one.",
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
            "description": "The `after` of the next page; null on the last one.",
        },
    ),
    "Chekov.Dispatched": _DISPATCHED,
    "Chekov.CommandLine": {
        "type": "object",
        "properties": {
            "command": STRING,
            "data": {"type": "object"},
            "id": {**ID, "description": "Becomes the command's id, as `Idempotency-Key`."},
            "expected_version": {
                "anyOf": [COUNT, {"const": "*"}, {"type": "null"}],
                "description": 'The version that the stream must have; "*" if it must exist.',
            },
            "metadata": {
                "anyOf": [_METADATA, {"type": "null"}],
                "description": f"Stored with each event; {LONGEST_METADATA} bytes at most.",
            },
            "correlation_id": {**ID, "description": "As `X-Correlation-ID`, for this line."},
            "causation_id": {**ID, "description": "As `X-Causation-ID`."},
            "wait": {
                **COUNT,
                "description": "Seconds to wait for handlers, as `Prefer`; `consistent` says "
                "whether they have handled the events.",
            },
            "handlers": {
                "type": "array",
                "items": STRING,
                "description": "Those to wait for, instead of those that are declared strong.",
            },
            "return": RETURN,
            "at": {**TIME, "description": AT},
            "after": {**COUNT, "description": AFTER},
            "cron": {**STRING, "description": CRON},
            "timezone": {**STRING, "default": "UTC", "description": TIMEZONE},
            "missed": {**MISSED, "description": MADE_UP},
        },
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
    "CausationId": {
        "name": "X-Causation-ID",
        "in": "header",
        "schema": ID,
        "description": "The event or command that led to this one; `$caused_by` in the metadata of "
        "its events.",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": ID,
        "description": (
            "Becomes the command's id, which is the causation id of its events. A command that is "
            "sent again with its id returns what it stored the first time."
        ),
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "schema": {**STRING, "pattern": r'^(\*|(W/)?\d{1,18}|(W/)?"\d{1,18}")$'},
        "description": 'The version that the stream must have, such as "3"; * if it must exist.',
    },
    "Metadata": {
        "name": "X-Metadata",
        "in": "header",
        "content": {"application/json": {"schema": _METADATA}},
        "description": "A JSON object that is stored with each event; "
        f"{LONGEST_METADATA} characters at most.",
    },
    "MinPosition": {
        "name": "X-Min-Position",
        "in": "header",
        "schema": COUNT,
        "description": "Wait until the projection has handled everything up to this position.",
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "schema": STRING,
        "description": "`wait=5` waits up to 5 s until the handlers that are declared strong have "
        'handled the events, and `wait=5; handlers="a,b"` for those named.',
    },
    "Return": query_parameter("return", RETURN),
    "At": {
        **query_parameter("at", TIME),
        "description": AT,
    },
    "AfterSeconds": {
        **query_parameter("after", {**COUNT, "maximum": LONGEST_DELAY}),
        "description": AFTER,
    },
    "Cron": {
        **query_parameter("cron", STRING),
        "description": CRON,
    },
    "Timezone": {
        **query_parameter("timezone", STRING),
        "description": TIMEZONE,
    },
    "Missed": {
        **query_parameter("missed", MISSED),
        "description": MADE_UP,
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
    "LastEventId": {
        "name": "Last-Event-ID",
        "in": "header",
        "schema": COUNT,
        "description": "The id of the last server-sent event that the client has; instead of "
        "`after`.",
    },
}
