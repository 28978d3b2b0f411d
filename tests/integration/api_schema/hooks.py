"""What schemathesis has to know about the API that OpenAPI cannot say."""

import json
from typing import Any, Final, cast

import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.core.deserialization import DeserializationContext
from schemathesis.transport import SerializationContext

from chekov.server.problems import MALFORMED

ACCOUNT: Final = "0192f0c1-0000-7000-8000-000000000001"
"""It has been opened."""

_THERE: Final = {
    "/aggregates/account/{id}": {"id": ACCOUNT},
    "/streams/{stream}": {"stream": f"account-{ACCOUNT}"},
}
_NDJSON: Final = "application/x-ndjson"
_NO_LINE: Final = json.dumps(
    {"type": MALFORMED.type, "title": MALFORMED.title, "status": 400, "detail": "no line"}
)


_hook = cast("Any", schemathesis).hook


@schemathesis.serializer(_NDJSON)
def to_line(_context: SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.deserializer(_NDJSON)
def from_lines(_context: DeserializationContext, response: Response) -> Any:
    """The last line; an empty batch is answered with none, and what is described is a line."""
    return json.loads((response.content.splitlines() or [_NO_LINE])[-1])


@_hook
def filter_case(_context: HookContext, case: "Case[Any]") -> bool:
    """Accept any header, as HTTP does: only a parameter that is unknown is refused."""
    return "x-schemathesis-unknown-property" not in _headers(case)


@_hook
def map_case(_context: HookContext, case: "Case[Any]") -> "Case[Any]":
    """Where the request is to be accepted, read what there is, and leave out what excludes it."""
    query, meta = case.query or {}, case.meta
    if meta is None or meta.generation.mode.is_negative:
        return case
    case.path_parameters.update(_THERE.get(case.path, {}))
    if case.path.startswith("/commands/"):
        # No made-up text is a cron expression; those have tests of their own.
        for name in ("cron", "timezone", "missed"):
            query.pop(name, None)
        if "at" in query:
            query.pop("after", None)
        if "at" in query or "after" in query:
            query.pop("return", None)
            _headers(case).pop("If-Match", None)
    if case.path.startswith("/aggregates/") and "version" in query:
        query.pop("time", None)
    return case


def _headers(case: "Case[Any]") -> dict[str, str]:
    return cast("Any", case).headers or {}
