"""Who sends a request: the principal behind its bearer token."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from aiohttp import web

from chekov.domain.principal import ANONYMOUS, Principal
from chekov.server.authentication.json_web_tokens import InvalidToken, JsonWebTokens
from chekov.server.authentication.key_set import KeySetFile, KeySetUrl, UnusableKeys
from chekov.server.authentication.static_tokens import StaticTokens
from chekov.server.file_watch import FileWatch
from chekov.server.http_settings import HttpSettings
from chekov.server.problems import (
    AUTHENTICATION_UNAVAILABLE,
    UNAUTHORIZED,
    RequestError,
)

principal: Final[ContextVar[Principal]] = ContextVar("principal", default=ANONYMOUS)
"""The principal of the current request; `ANONYMOUS` where requests need no token."""

_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}
_INVALID: Final = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
_SOON: Final = {"Retry-After": "5"}


class Authenticator:
    """Finds out the principal of each request.

    Args:
        static: the tokens from files, if there are any.
        signed: verifies the tokens of an identity provider, if there is one.
    """

    def __init__(self, static: StaticTokens | None, signed: JsonWebTokens | None) -> None:
        self._static = static
        self._signed = signed

    async def authenticate(self, request: web.BaseRequest) -> Principal:
        """The principal of a request.

        Raises:
            RequestError: it has no token, or one that is not accepted; or no token can be verified
                yet.
        """
        token = bearer_token(request)
        if token is None:
            raise RequestError(
                UNAUTHORIZED,
                "Expected a header: Authorization: Bearer <token>.",
                headers=_CHALLENGE,
            )
        if self._static is not None:
            known = self._static.principal(token)
            if known is not None:
                return known
        if self._signed is None:
            raise RequestError(UNAUTHORIZED, "The token is not known.", headers=_INVALID)
        try:
            return await self._signed.principal(token)
        except InvalidToken as error:
            detail = f"{str(error).capitalize()}."
            raise RequestError(UNAUTHORIZED, detail, headers=_INVALID) from error
        except UnusableKeys as error:
            raise RequestError(
                AUTHENTICATION_UNAVAILABLE,
                "The keys that verify tokens are not known yet.",
                headers=_SOON,
            ) from error


def bearer_token(request: web.BaseRequest) -> str | None:
    """The token in `Authorization: Bearer …`; `None` without exactly one."""
    given = request.headers.getall("Authorization", ())
    if len(given) != 1:
        return None
    scheme, _, token = given[0].partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token else None


@asynccontextmanager
async def authenticating(
    settings: HttpSettings, watch: FileWatch
) -> AsyncGenerator[Authenticator | None]:
    """The authenticator that the settings ask for, with its keys kept fresh; `None` for none.

    Raises:
        UnusableTokens: the files with tokens cannot be used.
        UnusableKeys: the file with keys cannot be used.
    """
    static = None
    if settings.auth_tokens:
        static = StaticTokens(Path(settings.auth_tokens))
        watch.add([static.path], static.reload)
    if not settings.jwt_keys:
        yield None if static is None else Authenticator(static, None)
        return
    async with asyncio.TaskGroup() as group:
        fetching = None
        if settings.jwt_keys.startswith("/"):
            keys = KeySetFile(Path(settings.jwt_keys))
            watch.add([keys.path], keys.reload)
        else:
            keys = KeySetUrl(settings.jwt_keys)
            fetching = group.create_task(keys.run())
        signed = JsonWebTokens(
            settings.jwt_issuer, settings.jwt_audience, keys, settings.jwt_leeway
        )
        try:
            yield Authenticator(static, signed)
        finally:
            if fetching is not None:
                fetching.cancel()
