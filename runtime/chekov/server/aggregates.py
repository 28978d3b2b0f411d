"""`GET /aggregates/{identity}/{id}`: an instance's state, now or at an earlier version or time."""

from datetime import datetime
from enum import Enum
from typing import Any

from aiohttp import web

from chekov.domain.aggregate import Aggregate
from chekov.domain.authorization import ReadState
from chekov.domain.boundary import Boundary
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.loaded import Loaded
from chekov.domain.messages import identifier_hint
from chekov.errors import InvalidArgument, InvalidCommand, WrongExpectedVersion
from chekov.runtime import Runtime
from chekov.serialization.codec import convert
from chekov.server import parameters, rendering
from chekov.server.commands import JSON
from chekov.server.large_response import LargeResponse
from chekov.server.permissions import Permissions
from chekov.server.problems import MALFORMED, NOT_FOUND, RequestError, malformed


class Aggregates:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._permissions = Permissions(runtime.domain)
        self._types = {
            definition_of(item).identity: item
            for item in runtime.domain.aggregates
            if not issubclass(item, Boundary)
        }
        self._identifiers = {
            identity: identifier_type(runtime.domain, item)
            for identity, item in self._types.items()
        }

    async def get(self, request: web.Request) -> web.StreamResponse:
        identity = request.match_info["identity"]
        aggregate = self._types.get(identity)
        if aggregate is None:
            known = ", ".join(sorted(self._types))
            raise RequestError(NOT_FOUND, f"There is no aggregate {identity!r}; known: {known}.")
        identifier = self._identifier(request, identity)
        await self._permissions.require(ReadState(aggregate, identifier))
        loaded = await self._loaded(aggregate, identifier, _at(request))
        head = f'{{"stream":{rendering.text(loaded.stream)},"version":{loaded.version},"state":'
        return LargeResponse(
            body=b"".join((head.encode(), rendering.state(loaded.state), b"}")),
            headers={**JSON, "ETag": f'"{loaded.version}"'},
        )

    async def _loaded(
        self, aggregate: type[Aggregate], identifier: object, at: int | datetime | None
    ) -> Loaded[Aggregate]:
        try:
            return await self._runtime.load(aggregate, identifier, at=at)
        except InvalidArgument as error:
            raise RequestError(MALFORMED, str(error)) from error
        except WrongExpectedVersion as error:
            detail = f"{error.stream} is at version {error.actual}; it has no version {at} yet."
            raise RequestError(NOT_FOUND, detail, {"actual": error.actual}) from error

    def _identifier(self, request: web.Request, identity: str) -> object:
        value = request.match_info["id"]
        try:
            identifier = convert(value, self._identifiers[identity])
        except InvalidCommand as error:
            raise _no_identifier(value, identity, str(error)) from error
        # A number or a UUID has one address only; that the case of its letters differs is common.
        if not isinstance(identifier, Enum) and str(identifier) not in (value, value.lower()):
            raise _no_identifier(value, identity, f"write it as {str(identifier)!r}")
        return identifier


def _no_identifier(value: str, identity: str, reason: str) -> RequestError:
    return RequestError(MALFORMED, f"{value[:100]!r} is not an identifier of {identity}: {reason}")


def _at(request: web.Request) -> int | datetime | None:
    query = request.query
    parameters.refuse_unknown(query, {"version", "time"})
    version, time = parameters.version(query, "version"), parameters.moment(query, "time")
    if version is not None and time is not None:
        raise malformed("path", "version", "not together with time")
    return time if version is None else version


def identifier_type(domain: Domain, aggregate: type[Aggregate]) -> Any:
    """The type of an aggregate's identifiers, as its first command declares it."""
    for command in domain.commands.values():
        if domain.aggregate_of(command) is aggregate:
            return identifier_hint(command, domain.identifier_of(command))
    return str
