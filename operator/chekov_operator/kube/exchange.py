"""One request to the API server, and what is read from its response."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from chekov.serialization.json import from_json
from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.kinds import Kind
from chekov_operator.kube.objects import Object


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `kind` is that of the objects it is about."""

    method: str
    kind: Kind
    path: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Object | Sequence[Object] | None = None
    content: str = "application/json"
    accept: str = "application/json"


def refusal(method: str, path: str, response: aiohttp.ClientResponse, text: str) -> ApiError:
    """The error that a response with an error status is."""
    answer = parsed(text)
    reply = str(answer.get("message") or response.reason)
    return ApiError(
        response.status,
        str(answer.get("reason") or ""),
        f"{method} {path}: {reply}",
        reply=reply,
        pause=_seconds(response.headers.get("Retry-After")),
    )


async def lines_of(content: aiohttp.StreamReader) -> AsyncGenerator[str]:
    """The lines of a stream, however long each is."""
    rest = b""
    async for part in content.iter_any():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line.decode()


def parsed(text: str) -> Object:
    """The object that a response holds, or its text as the message of one."""
    return from_json(text) if text.startswith("{") else {"message": text}


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdecimal() else 1.0


def selector(labels: Mapping[str, str]) -> dict[str, str]:
    """The parameters that select objects with all of these labels."""
    selected = ",".join(f"{name}={value}" for name, value in labels.items())
    return {"labelSelector": selected} if selected else {}
