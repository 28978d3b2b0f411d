"""`GET /queries/{projection}/{query}`: a read model, asked through its own methods."""

import inspect
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast, get_origin

from aiohttp import web

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.methods import Method
from chekov.errors import InvalidCommand
from chekov.runtime import Runtime
from chekov.serialization.codec import convert, encode_any
from chekov.server.commands import JSON
from chekov.server.parameters import refuse_unknown
from chekov.server.problems import MALFORMED, NOT_FOUND, RequestError


class Parameter(NamedTuple):
    """One parameter of a query."""

    name: str
    type: Any
    required: bool
    repeated: bool


class Query(NamedTuple):
    """A query as HTTP offers it."""

    projection: str
    name: str
    parameters: tuple[Parameter, ...]
    returns: Any
    meaning: str


_REPEATED: Final = (list, tuple, set, frozenset)


def queries(domain: Domain) -> tuple[Query, ...]:
    """Every query of every projection."""
    return tuple(
        Query(
            projection=definition_of(projection).name,
            name=name,
            parameters=_parameters(method),
            returns=method.returns,
            meaning=inspect.getdoc(method.function) or "",
        )
        for projection in domain.projections
        for name, method in definition_of(projection).queries.items()
    )


class Queries:
    """Answers queries."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._queries = {(item.projection, item.name): item for item in queries(runtime.domain)}

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The handler."""
        name = request.match_info["projection"], request.match_info["query"]
        query = self._queries.get(name)
        if query is None:
            known = ", ".join(sorted("/".join(item) for item in self._queries)) or "none"
            raise RequestError(NOT_FOUND, f"There is no query {'/'.join(name)}; known: {known}.")
        result = await self._runtime.query(*name, arguments(query, request))
        return web.Response(body=encode_any(_plain(result)), headers=JSON)


def arguments(query: Query, request: web.Request) -> Mapping[str, object]:
    """The query string in the types of the query's parameters.

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
                raise _malformed(parameter, "it is missing")
            continue
        if len(values) > 1 and not parameter.repeated:
            raise _malformed(parameter, f"it came {len(values)} times")
        try:
            value = values if parameter.repeated else values[0]
            found[parameter.name] = convert(value, parameter.type)
        except InvalidCommand as error:
            raise _malformed(parameter, str(error)) from error
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


def _plain(value: object) -> object:
    """Rows of a database driver as mappings, which JSON can hold."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[object]", value)]
    if hasattr(value, "keys") and hasattr(value, "items"):
        return dict(cast("Mapping[str, object]", value).items())
    return value


def _malformed(parameter: Parameter, reason: str) -> RequestError:
    return RequestError(MALFORMED, f"{parameter.name}: {reason}", {"path": parameter.name})
