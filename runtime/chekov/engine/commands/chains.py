"""What follows from a command through process managers: the events and commands of its chain.

All that follows from one request shares its correlation id. So a chain is done when no process
manager has a command with that id left, and has reacted to every event with it.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from chekov.domain.event_filter import EventFilter
from chekov.errors import StoreUnavailable
from chekov.store.port import ChainedCommands, EventStore, Processes, RecordedEvent, SubscriptionKey

_PAGE: Final = 1000


class _Asked(NamedTuple):
    chain: UUID
    future: "asyncio.Future[Sequence[ChainedCommands]]"

    def answer(self, commands: Sequence[ChainedCommands]) -> None:
        if not self.future.done():
            self.future.set_result(commands)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Chains:
    """Reads how far chains have come; one statement serves all that ask at the same time.

    Args:
        events: has the events of chains.
        processes: has the commands that are still to be done.
        managers: the keys of the domain's process managers.
    """

    def __init__(
        self, events: EventStore, processes: Processes, managers: Iterable[SubscriptionKey]
    ) -> None:
        self._events = events
        self._processes = processes
        self._managers = frozenset(managers)
        self._domain = next((key.domain for key in self._managers), "")
        self._asked: list[_Asked] = []
        self._reading = False

    def managers(self, keys: Iterable[SubscriptionKey]) -> Collection[str]:
        """The names of the process managers among some subscriptions."""
        return {key.name for key in keys if key in self._managers}

    async def next_events(self, correlation_id: UUID, after: int) -> Sequence[RecordedEvent]:
        """Events of a chain above a position, in order.

        Raises:
            StoreError: the store is away.
        """
        wanted = EventFilter(correlation=correlation_id)
        return await self._events.read_page(after=after, limit=_PAGE, filter=wanted)

    async def commands(
        self, correlation_id: UUID, managers: Collection[str]
    ) -> Sequence[ChainedCommands]:
        """What some process managers have left of a chain.

        Raises:
            StoreError: the store is away.
        """
        asked = _Asked(correlation_id, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if not self._reading:
            await self._read()
        return [item for item in await asked.future if item.name in managers]

    async def _read(self) -> None:
        """Answer all who ask, until nobody does; if it is given up, they have to ask again."""
        self._reading = True
        asked: Sequence[_Asked] = ()
        failed: Exception = StoreUnavailable("the read was given up; ask again")
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                found = await self._processes.chained(self._domain, [item.chain for item in asked])
                for item in asked:
                    answer = [
                        commands for commands in found if commands.correlation_id == item.chain
                    ]
                    item.answer(answer)
        except Exception as error:  # noqa: BLE001 it is raised where it was asked
            failed = error
        finally:
            self._reading = False
            for item in (*asked, *self._asked):
                item.fail(failed)
            self._asked = []
