"""The role `processes` of a sealing store: what a process manager keeps is encrypted.

A state, a command or a timer may hold the value of any personal field of any event. So each is
sealed as a whole, with a key of the process manager. Forgetting somebody does not reach into
processes that are open: they go on, and what they keep is deleted when they finish.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from chekov.store.port import (
    Claim,
    OpenInstance,
    ParkingEntry,
    PendingTimer,
    ProcessChanges,
    Processes,
    ProcessInput,
    ProcessState,
    QueuedCommand,
    SubscriptionKey,
)
from chekov.store.sealing.cipher import Cipher
from chekov.store.sealing.contents import opened, sealed
from chekov.store.sealing.keyring import Keyring

_SUBJECT: Final = "$process"


class SealedProcesses:
    """Seals the content of states, commands, refusals and timers.

    Args:
        processes: stores them.
        keyring: gives the keys.
    """

    def __init__(self, processes: Processes, keyring: Keyring) -> None:
        self._processes = processes
        self._keyring = keyring
        self.next_due = processes.next_due
        self.set_aside = processes.set_aside
        self.withheld = processes.withheld
        self.release = processes.release
        self.discard = processes.discard
        self.discarded = processes.discarded
        self.chained = processes.chained
        self.figures = processes.figures

    async def load(
        self, key: SubscriptionKey, instances: Collection[str]
    ) -> Mapping[str, ProcessState]:
        """Those of `instances` that are open."""
        found = await self._processes.load(key, instances)
        cipher = await self._cipher(key)
        return {name: _opened_state(cipher, state) for name, state in found.items()}

    async def commit(
        self,
        claim: Claim,
        position: int,
        changes: ProcessChanges,
        *,
        parked: Sequence[ParkingEntry] = (),
        unpark: int | None = None,
    ) -> Sequence[int]:
        """Store `changes`, sealed, and move the checkpoint forward to `position`."""
        cipher = await self._cipher(claim.key)
        changed = changes._replace(
            states=[
                state._replace(data=sealed(cipher, state.data, _bound("state", state.instance)))
                for state in changes.states
            ],
            timers=[
                timer._replace(data=sealed(cipher, timer.data, _bound("data", str(timer.id))))
                for timer in changes.timers
            ],
            commands=[
                command._replace(data=sealed(cipher, command.data, _bound("data", str(command.id))))
                for command in changes.commands
            ],
        )
        return await self._processes.commit(claim, position, changed, parked=parked, unpark=unpark)

    async def pending(
        self, key: SubscriptionKey, *, after: int = 0, limit: int = 500
    ) -> Sequence[QueuedCommand]:
        """The next commands to send, by number above `after`."""
        cipher = await self._cipher(key)
        found = await self._processes.pending(key, after=after, limit=limit)
        return [_opened_command(cipher, item) for item in found]

    async def settle(
        self, claim: Claim, sent: Collection[int], refused: Mapping[int, bytes]
    ) -> None:
        """Take executed commands out of the outbox, and keep, sealed, why others were refused."""
        cipher = await self._cipher(claim.key)
        refusals = {
            number: sealed(cipher, refusal, _bound("refusal", str(number)))
            for number, refusal in refused.items()
        }
        await self._processes.settle(claim, sent, refusals)

    async def inputs(self, key: SubscriptionKey, *, limit: int = 500) -> Sequence[ProcessInput]:
        """Refusals in order of their commands, then due timers by time; one for each instance."""
        cipher = await self._cipher(key)
        return [
            _opened_command(cipher, item)
            if isinstance(item, QueuedCommand)
            else _opened_timer(cipher, item)
            for item in await self._processes.inputs(key, limit=limit)
        ]

    async def list(
        self, domain: str, name: str | None = None, *, after: str = "", limit: int = 100
    ) -> Sequence[OpenInstance]:
        """Open instances of a domain's process managers."""
        answer: list[OpenInstance] = []
        for found in await self._processes.list(domain, name, after=after, limit=limit):
            cipher = await self._cipher(found.key)
            answer.append(
                OpenInstance(
                    found.key,
                    _opened_state(cipher, found.state),
                    [_opened_command(cipher, item) for item in found.commands],
                    [_opened_timer(cipher, timer) for timer in found.timers],
                )
            )
        return answer

    async def _cipher(self, key: SubscriptionKey) -> Cipher:
        subject = f"{_SUBJECT} {key.domain} {key.name}"
        return (await self._keyring.of_subjects({subject}))[subject].cipher


def _opened_state(cipher: Cipher, state: ProcessState) -> ProcessState:
    return state._replace(data=opened(cipher, state.data, _bound("state", state.instance)))


def _opened_timer(cipher: Cipher, timer: PendingTimer) -> PendingTimer:
    return timer._replace(data=opened(cipher, timer.data, _bound("data", str(timer.id))))


def _opened_command(cipher: Cipher, item: QueuedCommand) -> QueuedCommand:
    sent, refusal = item.sent, item.refusal
    # A scheduled command keeps its id and its content when it is put into the outbox.
    sent = sent._replace(data=opened(cipher, sent.data, _bound("data", str(sent.id))))
    if refusal is not None:
        refusal = opened(cipher, refusal, _bound("refusal", str(item.number)))
    return item._replace(sent=sent, refusal=refusal)


def _bound(what: str, name: str) -> bytes:
    return f"process {what} {name}".encode()
