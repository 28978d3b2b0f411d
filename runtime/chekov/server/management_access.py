"""What the endpoints of the management port share: the open runtime, and the token."""

import hmac
from collections.abc import Callable

from aiohttp import web

from chekov.runtime import Runtime
from chekov.server.authentication.authenticator import bearer_token
from chekov.server.lifecycle import Lifecycle
from chekov.server.problems import NOT_READY, UNAUTHORIZED, RequestError


class ManagementAccess:
    """Gives endpoints the runtime once it is open, to requests that may have it.

    Args:
        runtime: returns the runtime; `None` while it is not open.
        lifecycle: says why it is not.
        token: what requests have to present as a bearer token; empty for none.
    """

    def __init__(
        self, runtime: Callable[[], Runtime | None], lifecycle: Lifecycle, token: str
    ) -> None:
        self._runtime = runtime
        self._lifecycle = lifecycle
        self._token = token.encode()

    def opened(self) -> Runtime:
        """The runtime.

        Raises:
            RequestError: it is not open.
        """
        runtime = self._runtime()
        if runtime is None:
            raise RequestError(NOT_READY, self._lifecycle.reason)
        return runtime

    def authorize(self, request: web.Request) -> None:
        """Check the token of a request that shows or changes what the runtime holds.

        Raises:
            RequestError: it is missing or wrong.
        """
        if not self._token:
            return
        given = (bearer_token(request) or "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._token):
            raise RequestError(
                UNAUTHORIZED,
                "This requires the management token.",
                headers={"WWW-Authenticate": "Bearer"},
            )
