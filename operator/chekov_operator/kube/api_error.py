"""Why a request to the API server failed."""

from chekov.errors import ChekovError


class ApiError(ChekovError):
    """The API server refused a request.

    Attributes:
        status: the HTTP status.
        reason: as in the API, such as `Invalid` or `Conflict`.
        reply: the server's own message.
        pause: seconds after which a retry may succeed.
    """

    def __init__(
        self, status: int, reason: str, message: str, *, pause: float = 1.0, reply: str = ""
    ) -> None:
        self.status = status
        self.reason = reason
        self.pause = pause
        self.reply = reply or message
        super().__init__(message)


class ApiUnavailable(ChekovError):
    """The API server does not answer."""
