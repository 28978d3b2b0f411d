"""One request to the service: sent again, with back-off, until it is answered or out of time.

A request is sent again when the connection fails, and when the service, or what stands before it,
asks to: with the status 408, 429, 502, 503 or 504, or with `Retry-After`. Each request is safe to
repeat: those that read are, and a command has an id under which it is executed once.
"""

import asyncio
import inspect
import logging
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

import aiohttp
from yarl import URL

from chekov.backoff import Backoff
from chekov.client.errors import ProblemError, UnexpectedAnswer, Unreachable
from chekov.client.problems import error_of, read_problem
from chekov.errors import ChekovError, InvalidArgument
from chekov.serialization.answers import MalformedAnswer, read_answer

T = TypeVar("T")

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A bearer token, or a function that returns the one that is valid now."""

Content: TypeAlias = bytes | AsyncIterable[bytes] | None

CONNECTION_ERRORS: Final = (aiohttp.ClientError, ConnectionError, TimeoutError)
_NEVER_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_HOPELESS: Final = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientConnectorSSLError,
    aiohttp.InvalidURL,
)
"""Another try meets the same."""

_LEAST_SECONDS: Final = 0.05
"""That an attempt is given: one that is cut short leaves open whether it was executed."""

_AGAIN: Final = frozenset({408, 429, 502, 503, 504})
_NOT_EXECUTED: Final = frozenset({408, 429})
_UNAUTHORIZED: Final = 401
_FIRST_REDIRECT: Final = 300
_FIRST_ERROR: Final = 400
_SHOWN: Final = 200

_SENDABLE: Final = re.compile(r"[!-~]+")
"""A token as a header can hold it."""

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes:
        method: of HTTP.
        path: its parts, which may have any characters.
        query: the parameters.
        headers: besides those of every request.
        body: its content.
        command_id: of the command that it asks for.
        patience: seconds that the service may take on purpose, before an attempt counts as failed.
    """

    method: str
    path: Sequence[str]
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    command_id: UUID | None = None
    patience: float = 0.0


class Answer(NamedTuple):
    """A response that is not an error, read as a whole."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class Attempts:
    """The attempts of one call, and the time that is left for them.

    Attributes:
        made: how many there were.
        uncertain: whether one of them may have been executed without an answer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.uncertain = False
        self.begin()

    def begin(self) -> None:
        """Count from now on, since what was asked before has been answered."""
        self._deadline = time.monotonic() + self._seconds
        self._backoff = Backoff(0.05, 2.0)
        self.made = 0

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self._deadline - time.monotonic())

    async def wait(self, at_least: float) -> bool:
        """Wait before the next attempt; whether there is time for one."""
        seconds = at_least + self._backoff.next()
        if seconds + _LEAST_SECONDS >= self.left:
            return False
        await asyncio.sleep(seconds)
        return True


class Transport:
    """The connections to one service.

    Args:
        url: where it is; a path is put before those of the API.
        token: for `Authorization: Bearer …`.
        tls: how its certificate is checked, and the client's own; the system's roots by default.
        timeout: seconds for a call with all its attempts.
        attempt_timeout: seconds without an answer after which an attempt has failed.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None,
        tls: ssl.SSLContext | None,
        timeout: float,
        attempt_timeout: float,
    ) -> None:
        self._url = str(_base(url)).rstrip("/")
        self._token = token
        self._tls = tls
        self.timeout = timeout
        self._attempt_timeout = attempt_timeout
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls or True)
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(self, call: Call, timeout: float | None = None) -> Answer:
        """The answer to a call.

        Raises:
            ChekovError: that of the problem which the service answers in the end.
            Unreachable: there was no answer in time.
            UnexpectedAnswer: something else than the service answers.
        """
        attempts = Attempts(self.timeout if timeout is None else timeout)
        while True:
            attempts.made += 1
            failure = await self._attempt(call, attempts)
            if isinstance(failure, Answer):
                return failure
            if not failure.again or not await attempts.wait(failure.wait):
                raise failure.error(attempts)
            _log.debug("%s %s is sent again: %s", call.method, failure.url, failure.reason)

    async def _attempt(self, call: Call, attempts: Attempts) -> "Answer | Failure":
        url = str(self.url(call))
        patience = self._attempt_timeout + call.patience
        try:
            async with asyncio.timeout(min(attempts.left, patience)):
                async with self.response(call, call.body) as response:
                    body = await response.read()
        except CONNECTION_ERRORS as error:
            return self.failure(call, attempts, error)
        if is_refusal(response):
            return refused(call, attempts, response, body)
        return Answer(url, response.status, response.headers, body)

    def failure(self, call: Call, attempts: Attempts, error: BaseException) -> "Failure":
        """What became of an attempt whose connection failed."""
        if not isinstance(error, _NEVER_SENT):
            attempts.uncertain = attempts.uncertain or call.method == "POST"
        reason = str(error) or type(error).__name__
        return Failure(str(self.url(call)), reason, again=not isinstance(error, _HOPELESS))

    @asynccontextmanager
    async def response(
        self, call: Call, content: Content, *, idle: float | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """The response to one attempt, which may be a refusal.

        Args:
            call: what is asked.
            content: what is sent.
            idle: seconds without a byte after which a response that is read has failed.

        Raises:
            aiohttp.ClientError: the connection failed; so does `TimeoutError`.
        """
        if self._session is None:
            raise InvalidArgument("the client is not open: use `async with Client(…)`")
        token = await self._current_token()
        for renewed in (False, True):
            async with self._session.request(
                call.method,
                self.url(call),
                headers={**call.headers, **_authorization(token)},
                data=content,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=idle),
                allow_redirects=False,
            ) as response:
                if response.status == _UNAUTHORIZED and callable(self._token) and not renewed:
                    current = await self._current_token()
                    if current != token and not isinstance(content, AsyncIterable):
                        token = current  # it was rotated meanwhile
                        continue
                yield response
                return

    def url(self, call: Call) -> URL:
        """Where a call goes to."""
        path = "".join(f"/{quote(part, safe='')}" for part in call.path)
        query = f"?{urlencode(call.query)}" if call.query else ""
        return URL(f"{self._url}{path}{query}", encoded=True)

    async def _current_token(self) -> str | None:
        if not callable(self._token):
            return self._token
        token = self._token()
        return await token if inspect.isawaitable(token) else token


class Failure(NamedTuple):
    """Why an attempt failed.

    Attributes:
        url: what was asked.
        reason: for people.
        again: whether another attempt may succeed.
        wait: seconds that the service asks to wait before.
        problem: the error of the problem that it answered.
        status: of an answer that is not the service's; 0 if there is none.
    """

    url: str
    reason: str
    again: bool
    wait: float = 0.0
    problem: ChekovError | None = None
    status: int = 0

    def error(self, attempts: Attempts) -> ChekovError:
        """The error of the call, after so many attempts."""
        if self.problem is not None and not (self.again and attempts.uncertain):
            return self.problem
        if self.status and not self.again:
            return UnexpectedAnswer(self.url, self.status, self.reason)
        error = Unreachable(
            self.url, attempts.made, self.reason, stored=None if attempts.uncertain else False
        )
        error.__cause__ = self.problem
        return error


def is_refusal(response: aiohttp.ClientResponse) -> bool:
    """Whether a response is an error, or leads elsewhere, where no call is sent on to."""
    return response.status >= _FIRST_REDIRECT


def refused(
    call: Call, attempts: Attempts, response: aiohttp.ClientResponse, body: bytes
) -> Failure:
    """What became of an attempt that was answered with a refusal."""
    status, url = response.status, str(response.url)
    if status < _FIRST_ERROR:
        reason = f"it leads to {response.headers.get('Location', 'nowhere')[:_SHOWN]}"
        return Failure(url, reason, again=False, status=status)
    problem = read_problem(body)
    again = status in _AGAIN or "Retry-After" in response.headers
    wait = _seconds(response.headers.get("Retry-After"))
    if problem is None:
        attempts.uncertain |= again and status not in _NOT_EXECUTED and call.method == "POST"
        shown = body[:_SHOWN].decode(errors="replace").strip()
        return Failure(url, f"{status} {shown}".strip(), again, wait, status=status)
    attempts.uncertain |= problem.members.get("stored", False) is None
    error = error_of(problem, command_id=call.command_id)
    reason = str(error if isinstance(error, ProblemError) else problem.detail)
    return Failure(url, reason, again, wait, error)


def read(answer: Answer, kind: type[T]) -> T:
    """The content of an answer as one of the API's documents, or as any plain value.

    Raises:
        UnexpectedAnswer: it is something else.
    """
    try:
        return read_answer(answer.body, kind)
    except MalformedAnswer as error:
        raise UnexpectedAnswer(answer.url, answer.status, str(error)) from error


def _seconds(retry_after: str | None) -> float:
    """What `Retry-After` says; a date is left to the back-off."""
    given = (retry_after or "").strip()
    return float(given[:6]) if given.isdecimal() and given.isascii() else 0.0


def _authorization(token: str | None) -> Mapping[str, str]:
    if token is None:
        return {}
    if not _SENDABLE.fullmatch(token):
        raise InvalidArgument("the token cannot be sent: expected visible ASCII characters only")
    return {"Authorization": f"Bearer {token}"}


def _base(url: Any) -> URL:
    text = str(url)
    shown = "…" if "@" in text or "?" in text else repr(url)[:_SHOWN]  # they may be secrets
    try:
        base = URL(url)
    except (TypeError, ValueError) as error:
        reason = f": {error}" if text in shown else ""
        raise InvalidArgument(f"url={shown} cannot be read{reason}") from None
    if base.raw_user is not None or base.raw_password is not None:
        raise InvalidArgument(f"url={shown}: expected no user or password in it; pass a token")
    if base.scheme not in ("http", "https") or not base.host or base.query or base.fragment:
        raise InvalidArgument(
            f"url={shown}: expected the address of a service, as https://shop.example"
        )
    return base
