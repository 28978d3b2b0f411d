"""Server-sent events that go on where they ended, after the connection or the server is gone."""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from chekov.client.errors import UnexpectedAnswer
from chekov.client.transport import (
    CONNECTION_ERRORS,
    Attempts,
    Call,
    Failure,
    Transport,
    is_refusal,
    refused,
)

ACCEPT: Final = {"Accept": "text/event-stream"}
_SILENT_SECONDS: Final = 45.0
"""Three times as long as the server is silent."""


class Message(NamedTuple):
    """One message.

    Attributes:
        id: with it in `Last-Event-ID`, the next one follows.
        data: empty for a comment, which only shows that the server is there.
    """

    id: str
    data: bytes


class MessageReader:
    """Cuts what arrives into messages, as the standard of server-sent events says."""

    def __init__(self) -> None:
        self._held = b""
        self._id = ""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that this chunk completes."""
        *lines, self._held = (self._held + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.removesuffix(b"\r").partition(b":")
            value = value.removeprefix(b" ")
            if not line.strip():
                if self._data:
                    yield Message(self._id, b"\n".join(self._data))
                self._data = []
            elif name == b"data":
                self._data.append(value)
            elif name == b"id":
                self._id = value.decode(errors="replace")
            elif not name:
                yield Message(self._id, b"")


async def follow(transport: Transport, call: Call) -> AsyncGenerator[bytes]:
    """The data of each message, without an end.

    Raises:
        ChekovError: that of the problem with which the service refuses to go on.
        Unreachable: it could not be reached for the time of a call.
        UnexpectedAnswer: what answers are no server-sent events.
    """
    last = ""
    attempts = Attempts(transport.timeout)
    while True:
        attempts.made += 1
        answered = False
        current = replace(call, headers={**ACCEPT, **({"Last-Event-ID": last} if last else {})})
        try:
            async with transport.response(current, None, idle=_SILENT_SECONDS) as response:
                if is_refusal(response):
                    failure = refused(current, attempts, response, await response.read())
                else:
                    _require_messages(str(response.url), response.status, response.content_type)
                    reader = MessageReader()
                    async for chunk in response.content.iter_any():
                        for message in reader.feed(chunk):
                            answered = True
                            if message.data:
                                last = message.id
                                yield message.data
                    failure = Failure(str(response.url), "the response ended", again=True)
        except CONNECTION_ERRORS as error:
            failure = transport.failure(current, attempts, error)
        if answered:
            attempts.begin()  # only now: who handles the events may have taken long
        if not failure.again or not await attempts.wait(failure.wait):
            raise failure.error(attempts)


def _require_messages(url: str, status: int, content_type: str) -> None:
    if content_type != "text/event-stream":
        raise UnexpectedAnswer(url, status, f"its content is {content_type}")
