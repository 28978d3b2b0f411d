"""The cost of Granian alone, an HTTP server in Rust: an application that returns each body."""

import sys
from typing import Protocol

from granian.constants import Interfaces
from granian.server import Server


class Scope(Protocol):
    """The head of a request."""

    method: str


class Exchange(Protocol):
    """The body of a request, and the way to answer it."""

    async def __call__(self) -> bytes: ...

    def response_bytes(
        self, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> object: ...


async def app(_scope: Scope, exchange: Exchange) -> None:
    exchange.response_bytes(200, [("content-type", "application/json")], await exchange())


if __name__ == "__main__":
    Server(
        "benchmarks.granian_echo:app",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.RSGI,
        log_enabled=False,
    ).serve()
