"""What the principal of a request may do besides commands, as the domain decides."""

from chekov.domain.authorization import Action, require_permission
from chekov.domain.domain import Domain
from chekov.server.authentication.authenticator import principal


class Permissions:
    """Asks the domain for each read; the pipeline asks it for each command that is executed."""

    def __init__(self, domain: Domain) -> None:
        self._authorize = domain.authorize

    async def require(self, action: Action) -> None:
        """Return if the principal of this request may do something.

        Raises:
            Forbidden: it may not.
        """
        if self._authorize is not None:
            await require_permission(self._authorize, principal.get(), action)
