"""`GET /aggregates/{identity}/{id}`: the state that commands would meet now."""

from typing import Any, get_type_hints

from aiohttp import web

from chekov.domain.aggregate import Aggregate
from chekov.domain.domain import Domain
from chekov.errors import InvalidCommand
from chekov.runtime import Runtime
from chekov.server import rendering
from chekov.server.commands import JSON
from chekov.server.problems import MALFORMED, NOT_FOUND, RequestError
from chekov.store.codec import convert, encode_any


class Aggregates:
    """Answers with the state of instances."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._types = {item.identity: item for item in runtime.domain.aggregates}
        self._identifiers = {
            identity: identifier_type(runtime.domain, item)
            for identity, item in self._types.items()
        }

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The handler."""
        identity = request.match_info["identity"]
        aggregate = self._types.get(identity)
        if aggregate is None:
            known = ", ".join(sorted(self._types))
            raise RequestError(NOT_FOUND, f"There is no aggregate {identity!r}; there is {known}.")
        loaded = await self._runtime.load(aggregate, self._identifier(request, identity))
        head = f'{{"stream":{rendering.text(loaded.stream)},"version":{loaded.version},"state":'
        return web.Response(
            body=b"".join((head.encode(), encode_any(loaded.state), b"}")),
            headers={**JSON, "ETag": f'"{loaded.version}"'},
        )

    def _identifier(self, request: web.Request, identity: str) -> object:
        value = request.match_info["id"]
        try:
            return convert(value, self._identifiers[identity])
        except InvalidCommand as error:
            raise RequestError(
                MALFORMED, f"{value[:100]!r} cannot identify an instance: {error}"
            ) from error


def identifier_type(domain: Domain, aggregate: type[Aggregate]) -> Any:
    """What tells the instances of an aggregate apart; its first command says so."""
    for command in aggregate.executors:
        return get_type_hints(command)[domain.identifier_of(command)]
    return str
