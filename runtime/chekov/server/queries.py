"""`GET /queries/{projection}/{query}`: calls the `@query` methods of projections."""

import inspect
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, get_origin

from aiohttp import web

from chekov.domain.authorization import RunQuery
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.methods import Method
from chekov.errors import ConsistencyTimeout, InvalidCommand
from chekov.runtime import Runtime
from chekov.serialization.codec import convert
from chekov.serialization.json import to_json
from chekov.server import headers
from chekov.server.commands import JSON
from chekov.server.large_response import LargeResponse
from chekov.server.log_end import require_within_log
from chekov.server.parameters import refuse_unknown
from chekov.server.permissions import Permissions
from chekov.server.problems import (
    MALFORMED,
    NOT_FOUND,
    PROJECTION_BEHIND,
    RequestError,
    malformed,
)
from chekov.store.port import RejectedValue


class Parameter(NamedTuple):
    """One parameter of a query."""

    name: str
    type: Any
    required: bool
    repeated: bool


class QueryEndpoint(NamedTuple):
    """A query as HTTP offers it."""

    projection: str
    name: str
    parameters: tuple[Parameter, ...]
    returns: Any
    summary: str


_WAIT_SECONDS: Final = 5.0
"""How long a query waits for `X-Min-Position`, unless `Prefer: wait` says otherwise."""

_NOT_WAITED_FOR: Final = "Read without X-Min-Position, and forget what you know."

_REPEATED: Final = (list, tuple, set, frozenset)


def queries(domain: Domain) -> tuple[QueryEndpoint, ...]:
    """Every query of every projection."""
    return tuple(
        QueryEndpoint(
            projection=definition_of(projection).name,
            name=name,
            parameters=_parameters(method),
            returns=method.returns,
            summary=(inspect.getdoc(method.function) or "").partition("\n")[0],
        )
        for projection in domain.projections
        for name, method in definition_of(projection).queries.items()
    )


class Queries:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._permissions = Permissions(runtime.domain)
        self._queries = {(item.projection, item.name): item for item in queries(runtime.domain)}

    async def get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["projection"], request.match_info["query"]
        query = self._queries.get(name)
        if query is None:
            known = ", ".join(sorted("/".join(item) for item in self._queries)) or "none"
            raise RequestError(NOT_FOUND, f"There is no query {'/'.join(name)}; known: {known}.")
        given = arguments(query, request)
        await self._permissions.require(RunQuery("/".join(name), given))
        position = headers.min_position(request.headers)
        seconds = headers.wait(request.headers) or _WAIT_SECONDS
        await require_within_log(self._runtime.store, position, _NOT_WAITED_FOR)
        try:
            result = await self._runtime.query(*name, given, min_position=position, timeout=seconds)
        except ConsistencyTimeout as error:
            raise RequestError(
                PROJECTION_BEHIND,
                f"{name[0]} has not reached position {position} within {seconds:g} s.",
                headers={"Retry-After": "1"},
            ) from error
        except RejectedValue as error:
            if not given:
                raise
            members = {"path": next(iter(given))} if len(given) == 1 else {}
            raise RequestError(MALFORMED, str(error), members) from error
        return LargeResponse(body=to_json(result), headers=JSON)


def arguments(query: QueryEndpoint, request: web.Request) -> Mapping[str, object]:
    """The arguments in a query string, converted to the types of the query's parameters.

    Raises:
        RequestError: names the parameter that is missing, unknown or of another type.
    """
    given = request.query
    refuse_unknown(given, [parameter.name for parameter in query.parameters])
    found: dict[str, object] = {}
    for parameter in query.parameters:
        values = given.getall(parameter.name, [])
        if not values:
            if parameter.required:
                raise malformed("path", parameter.name, "missing")
            continue
        if len(values) > 1 and not parameter.repeated:
            raise malformed("path", parameter.name, f"expected once, got {len(values)} values")
        if any("\0" in value for value in values):
            raise malformed("path", parameter.name, "must not contain NUL")
        try:
            value = values if parameter.repeated else values[0]
            found[parameter.name] = convert(value, parameter.type)
        except InvalidCommand as error:
            raise malformed("path", parameter.name, str(error)) from error
    return found


def _parameters(method: Method) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(
            name=item.name,
            type=item.annotation,
            required=item.required,
            repeated=(get_origin(item.annotation) or item.annotation) in _REPEATED,
        )
        for item in method.parameters[1:]
    )
