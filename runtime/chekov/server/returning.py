"""What a command is answered with: `return=events`, `state`, `version` or `everything`."""

import logging
from collections.abc import Mapping
from typing import Final, NamedTuple, get_args

from multidict import MultiMapping

from chekov.domain.messages import Event
from chekov.engine.commands.execution import Dispatched
from chekov.errors import UnusableState
from chekov.serialization.command_lines import Return
from chekov.serialization.json import to_json
from chekov.server import rendering
from chekov.server.problems import malformed

_log: Final = logging.getLogger(__name__)


class Returned(NamedTuple):
    """The members of an answer besides stream, version, position and ids."""

    events: bool
    state: bool

    def answer(self, dispatched: Dispatched[Event], members: bytes = b"") -> bytes:
        """The JSON object; `members` are further members, each after a comma."""
        if self.state:
            members = _state(dispatched) + members
        return rendering.dispatched(dispatched, members, with_events=self.events)


EVENTS: Final = Returned(events=True, state=False)
RETURNS: Final[Mapping[Return, Returned]] = {
    "events": EVENTS,
    "state": Returned(events=False, state=True),
    "version": Returned(events=False, state=False),
    "everything": Returned(events=True, state=True),
}
CHOICES: Final[tuple[Return, ...]] = get_args(Return)


def returned(query: MultiMapping[str]) -> Returned:
    """What the parameter `return` asks for.

    Raises:
        RequestError: it is something else.
    """
    wanted = query.get("return", "events")
    for choice in CHOICES:
        if wanted == choice:
            return RETURNS[choice]
    raise malformed(
        "path", "return", f"expected {', '.join(CHOICES[:-1])} or {CHOICES[-1]}", wanted
    )


def _state(dispatched: Dispatched[Event]) -> bytes:
    """The member `state`, or the reason why there is none.

    The command is executed: an error status would make the client send it again.
    """
    reason = dispatched.state_error
    if reason is None:
        try:
            return b',"state":' + rendering.state(dispatched.state)
        except UnusableState as error:
            reason = str(error)
            _log.warning(
                "the state after a command cannot be returned",
                extra={"stream": dispatched.stream},
                exc_info=error,
            )
    return b',"state":null,"state_error":' + to_json(reason)
