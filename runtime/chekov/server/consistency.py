"""Waiting for handlers before a command is answered: `Prefer: wait=5`, or `"wait": 5` in a line."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chekov.domain.messages import Event
from chekov.engine.commands.consistency import Consistency
from chekov.engine.commands.execution import Dispatched
from chekov.errors import ConsistencyTimeout, HandlerFailed, UnknownSubscription
from chekov.serialization.command_lines import CommandLine
from chekov.serialization.json import to_json
from chekov.server import headers
from chekov.server.problems import malformed
from chekov.server.returning import Returned
from chekov.store.port import SubscriptionKey


class Wait(NamedTuple):
    """Which subscriptions a command waits for, how long, and how the response says so."""

    seconds: float
    keys: Sequence[SubscriptionKey]
    applied: str

    async def answer(
        self, consistency: Consistency, dispatched: Dispatched[Event], wanted: Returned
    ) -> tuple[bytes, bool]:
        """The answer once they have handled the events, and whether they have.

        The events are stored: an error would make the client send the command again.
        """
        try:
            if dispatched.recorded:
                await consistency.wait_for(dispatched.recorded, self.keys, self.seconds)
        except ConsistencyTimeout as error:
            members = b',"consistent":false,"behind":' + to_json(error.behind)
        except HandlerFailed as error:
            members = b',"consistent":false,"failed":' + to_json(error.failed)
        else:
            return wanted.answer(dispatched, b',"consistent":true'), True
        return wanted.answer(dispatched, members), False


def wait_of(given: Mapping[str, str], consistency: Consistency) -> Wait | None:
    """What the header `Prefer` asks to wait for.

    Raises:
        RequestError: it names a handler that the domain does not have.
    """
    seconds = headers.wait(given)
    if seconds is None:
        return None
    names = headers.handlers(given)
    if names is None:
        return Wait(seconds, consistency.keys("strong"), f"wait={seconds:g}")
    try:
        keys = consistency.named(names)
    except UnknownSubscription as error:
        raise malformed("header", "Prefer", str(error)) from None
    return Wait(seconds, keys, f'wait={seconds:g}; handlers="{",".join(names)}"')


def wait_of_line(line: CommandLine, consistency: Consistency) -> Wait | None:
    """What a line asks to wait for.

    Raises:
        RequestError: it names a handler that the domain does not have, or no time.
    """
    if line.wait is None:
        if line.handlers is not None:
            raise malformed("path", "$.handlers", "is for wait, which is not given")
        return None
    seconds = float(min(line.wait, headers.LONGEST_WAIT))
    if line.handlers is None:
        return Wait(seconds, consistency.keys("strong"), "")
    try:
        return Wait(seconds, consistency.named(line.handlers), "")
    except UnknownSubscription as error:
        raise malformed("path", "$.handlers", str(error)) from None
