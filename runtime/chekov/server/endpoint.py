"""What surrounds every handler: ids, span, measuring, errors as problems, and the drain.

It is a plain function around the handler and not a middleware: on the way of each command, a
middleware costs more than the rest of the framework.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from chekov.server import context, headers
from chekov.server.lifecycle import Lifecycle
from chekov.server.logs import trace_ids
from chekov.server.problems import (
    CONTENT_TYPE,
    INTERNAL,
    MALFORMED,
    TOO_LARGE,
    Problem,
    problem_of,
)
from chekov.server.telemetry import Telemetry
from chekov.server.tracing import tell_status
from chekov.uuid7 import uuid7

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log: Final = logging.getLogger(__name__)
_CLIENT_IS_GONE: Final = 499
_FIRST_FAULT_OF_OURS: Final = 500


class Endpoints:
    """Makes handlers into endpoints of one listener."""

    def __init__(self, telemetry: Telemetry, lifecycle: Lifecycle) -> None:
        self._telemetry = telemetry
        self._lifecycle = lifecycle

    def endpoint(self, method: str, route: str, handler: Handler) -> Handler:
        """`handler` with everything around it; `route` is the path's pattern."""
        measure = self._telemetry.metrics.http(method, route)
        answer = self._answer

        async def endpoint(request: web.Request) -> web.StreamResponse:
            started = measure.start()
            status = _FIRST_FAULT_OF_OURS
            try:
                response = await answer(request, method, route, handler)
                status = response.status
            finally:
                measure.finish(started, status)
            return response

        return endpoint

    async def _answer(
        self, request: web.Request, method: str, route: str, handler: Handler
    ) -> web.StreamResponse:
        given = request.headers
        incoming = given.get("traceparent")
        if incoming is not None and context.is_traceparent(incoming):
            context.traceparent.set(incoming)
        else:
            incoming = None
        with self._telemetry.request(method, route, incoming) as span:
            response = await _handled(request, handler)
            if span is not None:
                tell_status(span, response.status)
        if not response.prepared:
            response.headers[headers.CORRELATION_ID] = str(context.correlation_id.get())
            if self._lifecycle.phase == "draining":
                response.force_close()
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s %s %d", method, request.path_qs, response.status)
        return response


async def _handled(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        given = headers.correlation_id(request.headers)
        context.correlation_id.set(given or uuid7())
        return await handler(request)
    except Exception as error:  # noqa: BLE001
        if context.correlation_id.get() is None:
            context.correlation_id.set(uuid7())
        return _failed(request, error)


def _failed(request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        limit = request.app[BODY_LIMIT]
        return problem_response(Problem(TOO_LARGE, f"At most {limit} bytes are accepted."))
    if isinstance(error, web.HTTPException):
        raise error
    if request.transport is None or request.transport.is_closing():
        return web.Response(status=_CLIENT_IS_GONE)
    if isinstance(error, web.RequestPayloadError):
        return problem_response(Problem(MALFORMED, "The request's content is broken off."))
    problem = problem_of(error)
    if problem.kind is INTERNAL:
        _log.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem_response(problem)


def problem_response(problem: Problem) -> web.Response:
    """The answer that tells a client of a problem; faults of ours name the trace to look for."""
    further: dict[str, str] = {}
    if problem.kind.status >= _FIRST_FAULT_OF_OURS:
        trace_id, _ = trace_ids()
        further = {"trace_id": trace_id} if trace_id else {}
        further["correlation_id"] = str(context.correlation_id.get())
    return web.Response(
        status=problem.kind.status,
        body=problem.document(**further),
        headers={"Content-Type": CONTENT_TYPE, **problem.headers},
    )


BODY_LIMIT: Final = web.AppKey("body_limit", int)
