"""What surrounds every HTTP handler: ids, span, measuring, errors as problems, and the drain.

It is a plain function around the handler: an aiohttp middleware would cost each command more than
the rest of the framework does.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from aiohttp import web
from opentelemetry.trace import Span

from chekov.engine.failures import is_requested
from chekov.server import request_ids
from chekov.server.authentication.authenticator import Authenticator, principal
from chekov.server.compression import compress
from chekov.server.content import CONTENT_LIMITS
from chekov.server.lifecycle import Lifecycle
from chekov.server.metrics import Metrics
from chekov.server.problems import (
    CONTENT_TYPE,
    FIRST_SERVER_ERROR,
    MALFORMED,
    REQUEST_TIMEOUT,
    TOO_LARGE,
    Problem,
    log_failure,
    problem_of,
)
from chekov.server.tracing import Tracing, set_http_status
from chekov.telemetry import context

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CLIENT_CLOSED_REQUEST: Final = 499
_LARGE: Final = 64 * 1024
"""Bytes of a response that a transport does not hold without waiting for the client."""

_NO_SPAN: Final = nullcontext(None)

_log: Final = logging.getLogger(__name__)


class Endpoints:
    """Makes handlers into endpoints of one listener."""

    def __init__(
        self,
        metrics: Metrics,
        tracing: Tracing | None,
        lifecycle: Lifecycle,
        authenticator: Authenticator | None = None,
    ) -> None:
        self._metrics = metrics
        self._tracing = tracing
        self._lifecycle = lifecycle
        self._authenticator = authenticator

    def endpoint(
        self, method: str, route: str, handler: Handler, *, public: bool = False
    ) -> Handler:
        """`handler` with everything around it.

        Args:
            method: of its requests.
            route: the pattern of their path.
            handler: answers them.
            public: whether it does so without knowing who sends them.
        """
        measure = self._metrics.http(method, route)
        authenticator = None if public else self._authenticator

        async def endpoint(request: web.Request) -> web.StreamResponse:
            started = measure.start()
            status = FIRST_SERVER_ERROR
            task = asyncio.current_task()
            try:
                with self._span(method, route, request) as span:
                    try:
                        request_ids.begin(request.headers)
                        if authenticator is not None:
                            principal.set(await authenticator.authenticate(request))
                        response = await handler(request)
                    except BaseException as error:
                        if is_requested(error, task):
                            raise
                        response = _failed(request, error)
                    status = response.status
                    if span is not None:
                        set_http_status(span, status)
                await self._finish(request, response)
            finally:
                measure.finish(started, status)
            return response

        return endpoint

    def _span(
        self, method: str, route: str, request: web.Request
    ) -> AbstractContextManager[Span | None]:
        incoming = request.headers.get("traceparent")
        if incoming is not None:
            if context.is_traceparent(incoming):
                context.traceparent.set(incoming)
            else:
                incoming = None
        if self._tracing is None:
            return _NO_SPAN
        return self._tracing.request(method, route, incoming)

    async def _finish(self, request: web.Request, response: web.StreamResponse) -> None:
        if not response.prepared:
            response.headers.update(request_ids.of_answer())
            if self._lifecycle.phase == "draining":
                response.force_close()
            if isinstance(response, web.Response):
                await compress(request, response)
                if isinstance(response.body, bytes) and len(response.body) >= _LARGE:
                    await _send(request, response)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s %s %d", request.method, request.path_qs, response.status)


async def _send(request: web.Request, response: web.Response) -> None:
    """Send a large response, which a client that does not read it would have held for good."""
    try:
        async with asyncio.timeout(request.app[CONTENT_LIMITS].seconds):
            await response.prepare(request)
            await response.write_eof()
    except ConnectionError:
        pass  # the client left
    except TimeoutError:
        _log.info("a client does not read its response, and is dropped")
        if request.transport is not None:
            request.transport.abort()


def reporting_problems(handler: Handler) -> Handler:
    """`handler` whose errors become problems, with the ids of the request, and nothing else."""

    async def reporting(request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        try:
            request_ids.begin(request.headers)
            response = await handler(request)
        except BaseException as error:
            if is_requested(error, task):
                raise
            response = _failed(request, error)
        response.headers.update(request_ids.of_answer())
        return response

    return reporting


def _failed(request: web.Request, error: BaseException) -> web.Response:
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        limit = request.app[CONTENT_LIMITS].body
        return _response(Problem(TOO_LARGE, f"The limit is {limit} bytes."))
    if isinstance(error, web.HTTPException):
        raise error
    if isinstance(error, web.RequestPayloadError):
        error.__traceback__ = None  # the connection keeps the error, and so a part of the body
    if request.transport is None or request.transport.is_closing():
        return web.Response(status=_CLIENT_CLOSED_REQUEST)
    if isinstance(error, web.RequestPayloadError):
        return _response(Problem(MALFORMED, "The request's content ended early."))
    problem = problem_of(error)
    log_failure(_log, f"{request.method} {request.path} failed", problem, error)
    response = _response(problem)
    if problem.kind is REQUEST_TIMEOUT:
        response.force_close()
    return response


def _response(problem: Problem) -> web.Response:
    """The response to a problem; a server error names the trace and request to look for in logs."""
    further: dict[str, str] = {}
    request_id = context.request_id.get()
    if request_id is not None:
        further["request_id"] = request_id
    if problem.kind.status >= FIRST_SERVER_ERROR:
        trace_id, _ = context.trace_ids()
        further |= {"trace_id": trace_id} if trace_id else {}
        further["correlation_id"] = str(context.correlation_id.get())
    return web.Response(
        status=problem.kind.status,
        body=problem.document(**further),
        headers={"Content-Type": CONTENT_TYPE, **problem.headers},
    )
