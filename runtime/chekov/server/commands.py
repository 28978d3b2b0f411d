"""`POST /commands/{Command}`: executes one command and returns what it stored, or schedules it."""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.envelope import CommandEnvelope
from chekov.domain.messages import Command, Event
from chekov.engine.commands.execution import Dispatched
from chekov.errors import UnknownCommand
from chekov.runtime import Runtime
from chekov.server import headers
from chekov.server.authentication.authenticator import principal
from chekov.server.consistency import Wait, wait_of
from chekov.server.content import body
from chekov.server.endpoint import Handler
from chekov.server.gate import Gate
from chekov.server.parameters import refuse_unknown
from chekov.server.permissions import Permissions
from chekov.server.returning import EVENTS, Returned, returned
from chekov.server.scheduling import PARAMETERS, Future, future
from chekov.telemetry import context

JSON: Final = {"Content-Type": "application/json"}
_REPEATED: Final = {**JSON, "Idempotency-Replayed": "true"}
_PARAMETERS: Final = frozenset({"return", *PARAMETERS})


class Commands:
    def __init__(self, runtime: Runtime, gate: Gate) -> None:
        self._runtime = runtime
        self._gate = gate
        self._consistency = runtime.engine.consistency
        self._permissions = Permissions(runtime.domain)

    def handler(self, name: str) -> Handler:
        """The HTTP handler of one command, by its stored name."""

        async def post(request: web.Request) -> web.StreamResponse:
            given = request.headers
            headers.require_json(given)
            wanted = EVENTS
            if request.query_string:
                if (later := future(request.query, given)) is not None:
                    return await self._schedule(request, name, later)
                refuse_unknown(request.query, _PARAMETERS)
                wanted = returned(request.query)
            wait = wait_of(given, self._consistency)
            expected = headers.expected_version(given)
            command_id = headers.command_id(given)
            causation_id = headers.causation_id(given)
            metadata = headers.metadata(given)
            data = await body(request)
            if not self._gate.try_enter():
                await self._wait_for_turn(request)
            try:
                dispatched = await self._runtime.execute(
                    CommandEnvelope.of(
                        self._runtime.codec.decode_command(name, data),
                        command_id=command_id,
                        correlation_id=context.correlation_id.get(),
                        causation_id=causation_id,
                        metadata=metadata,
                        principal=principal.get(),
                        expected_version=expected,
                        with_state=wanted.state,
                    )
                )
            finally:
                self._gate.leave()
            if wait is None:
                return web.Response(body=wanted.answer(dispatched), headers=_headers(dispatched))
            return await self._consistent(dispatched, wanted, wait)

        return post

    async def other(self, request: web.Request) -> web.StreamResponse:
        """Execute a command whose name has no path of its own.

        Raises:
            UnknownCommand: the domain has no such command.
        """
        name = request.match_info["command"]
        if name not in self._runtime.domain.commands:
            raise UnknownCommand(name, tuple(self._runtime.domain.commands))
        return await self.handler(name)(request)

    async def _wait_for_turn(self, request: web.Request) -> None:
        """Take a place at the gate once there is one.

        Raises:
            Overloaded: there was none in time.
            ConnectionError: the client left meanwhile.
        """
        await self._gate.enter()
        if request.transport is None or request.transport.is_closing():
            self._gate.leave()
            raise ConnectionResetError("the client left while its command waited")

    async def _schedule(self, request: web.Request, name: str, later: Future) -> web.StreamResponse:
        command_id = headers.command_id(request.headers)
        metadata = headers.metadata(request.headers)
        command = self._runtime.codec.decode_command(name, await body(request))
        scheduled = await later.schedule(
            self._runtime,
            self._permissions,
            command,
            command_id=command_id,
            correlation_id=context.correlation_id.get(),
            causation_id=headers.causation_id(request.headers),
            metadata=metadata,
        )
        return web.Response(status=202, body=scheduled, headers=JSON)

    async def _consistent(
        self, dispatched: Dispatched[Event], wanted: Returned, wait: Wait
    ) -> web.StreamResponse:
        body, consistent = await wait.answer(self._consistency, dispatched, wanted)
        applied = {**_headers(dispatched), "Preference-Applied": wait.applied}
        return web.Response(status=200 if consistent else 202, body=body, headers=applied)


def instance_of(runtime: Runtime, command: Command[Any]) -> tuple[type[Aggregate], object]:
    """The aggregate that executes a command, and the identifier of its instance.

    Raises:
        UnknownCommand: no aggregate does.
    """
    kind = type(command)
    aggregate = runtime.domain.aggregate_of(kind)
    if aggregate is None:
        raise UnknownCommand(definition_of(kind).name, tuple(runtime.domain.commands))
    return aggregate, getattr(command, runtime.domain.identifier_of(kind))


def _headers(dispatched: Dispatched[Event]) -> Mapping[str, str]:
    return _REPEATED if dispatched.repeated else JSON
