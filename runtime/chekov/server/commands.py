"""`POST /commands/{Command}`: one command in, what it stored out."""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.messages import Command, Event
from chekov.engine.commands.executor import Dispatched
from chekov.errors import ConsistencyTimeout, UnknownCommand
from chekov.runtime import Runtime
from chekov.serialization.codec import encode_any
from chekov.server import headers, rendering
from chekov.server.endpoint import Handler
from chekov.server.parameters import refuse_unknown
from chekov.server.problems import MALFORMED, RequestError
from chekov.telemetry import context

JSON: Final = {"Content-Type": "application/json"}
_REPEATED: Final = {**JSON, "Idempotency-Replayed": "true"}


class Commands:
    """Decodes, dispatches and answers commands."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def handler(self, name: str) -> Handler:
        """The handler of one command, by its stored name."""

        async def post(request: web.Request) -> web.StreamResponse:
            given = request.headers
            headers.require_json(given)
            with_state = _wants_state(request) if request.query_string else False
            wait = headers.wait(given)
            expected = headers.expected_version(given)
            command_id = headers.command_id(given)
            command = self._runtime.codec.decode_command(name, await request.read())
            dispatched = await self._runtime.dispatch(
                command,
                command_id=command_id,
                correlation_id=context.correlation_id.get(),
                expected_version=expected,
            )
            state = await self._state(command) if with_state else b""
            if wait is None:
                return web.Response(body=answer(dispatched, state), headers=_headers(dispatched))
            return await self._consistent(dispatched, state, wait)

        return post

    async def other(self, request: web.Request) -> web.StreamResponse:
        """The handler of names that have no path of their own.

        Raises:
            UnknownCommand: the domain does not know the name either.
        """
        name = request.match_info["command"]
        if name not in self._runtime.domain.commands:
            raise UnknownCommand(name, tuple(self._runtime.domain.commands))
        return await self.handler(name)(request)

    async def _consistent(
        self, dispatched: Dispatched[Event], state: bytes, wait: float
    ) -> web.StreamResponse:
        applied = {**_headers(dispatched), "Preference-Applied": f"wait={wait:g}"}
        try:
            await self._runtime.wait(dispatched.position, timeout=wait)
        except ConsistencyTimeout as late:
            # The events are stored; an error would make the client send the command again.
            members = b',"consistent":false,"behind":' + encode_any(late.behind)
            return web.Response(
                status=202, body=answer(dispatched, state, members), headers=applied
            )
        body = answer(dispatched, state, b',"consistent":true')
        return web.Response(body=body, headers=applied)

    async def _state(self, command: Command[Any]) -> bytes:
        aggregate, identifier = target(self._runtime, command)
        loaded = await self._runtime.load(aggregate, identifier)
        return encode_any(loaded.state)


def target(runtime: Runtime, command: Command[Any]) -> tuple[type[Aggregate], object]:
    """The aggregate that a command is for, and the identifier of its instance."""
    kind = type(command)
    aggregate = runtime.domain.aggregate_of(kind)
    if aggregate is None:
        raise UnknownCommand(definition_of(kind).name, tuple(runtime.domain.commands))
    return aggregate, getattr(command, runtime.domain.identifier_of(kind))


def answer(dispatched: Dispatched[Event], state: bytes = b"", members: bytes = b"") -> bytes:
    """What a command stored, as a JSON object."""
    head = (
        f'{{"stream":{rendering.text(dispatched.stream)},"version":{dispatched.version},'
        f'"position":{dispatched.position},"command_id":"{dispatched.command_id}",'
        f'"correlation_id":"{dispatched.correlation_id}","events":'
    )
    told = b',"state":' + state if state else b""
    end = b',"repeated":true}' if dispatched.repeated else b"}"
    return b"".join((head.encode(), rendering.events(dispatched.recorded), told, members, end))


def _headers(dispatched: Dispatched[Event]) -> Mapping[str, str]:
    return _REPEATED if dispatched.repeated else JSON


def _wants_state(request: web.Request) -> bool:
    refuse_unknown(request.query, {"return"})
    wanted = request.query.get("return", "events")
    if wanted not in {"events", "state"}:
        raise RequestError(
            MALFORMED, f"return: expected events or state, got {wanted[:100]!r}", {"path": "return"}
        )
    return wanted == "state"
