"""One request to the API server, and what is read from its response."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import aiohttp

from chekov.serialization.json import from_json
from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.kinds import Kind
from chekov_operator.kube.objects import Object

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Request(NamedTuple):
    """One request; `kind` is that of the objects it is about."""

    method: str
    kind: Kind
    path: str
    params: Mapping[str, str] = _NONE
    body: Object | Sequence[Object] | None = None
    content: str = "application/json"
    accept: str = "application/json"


def refusal(method: str, path: str, response: aiohttp.ClientResponse, content: bytes) -> ApiError:
    """The error that a response with an error status is."""
    answer = parsed(content)
    reply = str(answer.get("message") or response.reason)
    return ApiError(
        response.status,
        str(answer.get("reason") or ""),
        f"{method} {path}: {reply}",
        reply=reply,
        pause=_seconds(response.headers.get("Retry-After")),
    )


async def lines_of(content: aiohttp.StreamReader) -> AsyncGenerator[bytes]:
    """The lines of a stream, however long each is."""
    rest = b""
    async for part in content.iter_any():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line


def parsed(content: bytes) -> Object:
    """The object that a response holds, or its text as the message of one."""
    if content.startswith(b"{"):
        return from_json(content)
    return {"message": content.decode(errors="replace")}


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdecimal() else 1.0


def selector(labels: Mapping[str, str]) -> dict[str, str]:
    """The parameters that select objects with all of these labels."""
    selected = ",".join(f"{name}={value}" for name, value in labels.items())
    return {"labelSelector": selected} if selected else {}
