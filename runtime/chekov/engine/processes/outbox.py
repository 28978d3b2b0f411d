"""The outbox: sends the commands of process managers, each executed once, in order per instance.

A command leaves the outbox when it was executed. Its id is fixed before it is first sent, so
sending it again, after a crash or by the next owner, changes nothing. A refusal is kept with the
command, to be handled like an event; any other failure is repeated for as long as it takes.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from chekov.backoff import Backoff
from chekov.domain.envelope import CommandEnvelope
from chekov.engine.failures import described
from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.sender import Execute
from chekov.errors import (
    CommandIdReused,
    DuplicateCommand,
    Fenced,
    InvalidCommand,
    Rejected,
    StoreError,
    StreamDeleted,
    UnknownCommand,
)
from chekov.serialization.codec import Codec, decode_senders_metadata
from chekov.serialization.processes import encode_refusal
from chekov.store.port import OutgoingCommand, Processes, QueuedCommand, SubscriptionKey
from chekov.watermark import Watermark

REFUSALS: Final = (Rejected, StreamDeleted, InvalidCommand, UnknownCommand, CommandIdReused)
_PAGE: Final = 500
_MOST: Final = 1000
"""Commands held in memory."""
_IN_FLIGHT: Final = 200

_log = logging.getLogger(__name__)


class Outbox:
    """Sends the commands of one process manager while this process owns it.

    Args:
        key: of the process manager.
        processes: holds the commands.
        codec: decodes them.
        execute: executes one.
        on_refused: called when there are refusals to handle.
    """

    def __init__(
        self,
        key: SubscriptionKey,
        processes: Processes,
        codec: Codec,
        execute: Execute,
        on_refused: Callable[[], None],
    ) -> None:
        self._key = key
        self._processes = processes
        self._codec = codec
        self._execute = execute
        self._on_refused = on_refused
        self._filled = Watermark()
        self._sending: _Sending | None = None
        self._after = 0
        self._read_all = False

    def put(self, numbers: Sequence[int], commands: Sequence[OutgoingCommand]) -> None:
        """Send commands that were just stored.

        Unless others of the store are to be read before: they are sent when it is their turn. What
        was read since it was stored is passed over.
        """
        sending = self._sending
        if sending is None or not self._read_all or sending.held + len(numbers) > _MOST:
            self._read_all = False
            self._filled.bump()
            return
        now = datetime.now(UTC)
        for number, command in zip(numbers, commands, strict=True):
            # Only their owner stores commands, so whatever has a lower number was read or sent.
            if number > self._after:
                sending.add(QueuedCommand(number, command, now))
                self._after = number

    def go_on(self) -> None:
        """Read further commands: there is room for them."""
        if not self._read_all:
            self._filled.bump()

    async def run(self, checkpoint: Checkpoint) -> None:
        """Send what is in the outbox, from its first command on, until cancelled or fenced."""
        async with asyncio.TaskGroup() as group:
            sending = _Sending(self, checkpoint, group)
            settling = group.create_task(self._settle(sending, checkpoint))
            self._sending, self._after = sending, 0
            try:
                await self._read(sending, checkpoint)
            finally:
                self._sending = None  # the group takes no more
            settling.cancel()

    async def _read(self, sending: "_Sending", checkpoint: Checkpoint) -> None:
        """Read what is stored, as long as there is room for it."""
        backoff = Backoff(0.1, 5.0)
        while checkpoint.open:
            seen = self._filled.value
            self._read_all = False
            try:
                page = await self._processes.pending(self._key, after=self._after, limit=_PAGE)
            except StoreError as error:
                self._report("the outbox cannot be read", error)
                await checkpoint.pause(backoff.next())
                continue
            backoff.reset()
            for item in page:
                sending.add(item)
                self._after = item.number
            self._read_all = len(page) < _PAGE and self._filled.value == seen
            while self._read_all or sending.held >= _MOST:
                await self._filled.wait_above(self._filled.value)

    async def send(
        self, item: QueuedCommand, checkpoint: Checkpoint, turns: "_Turns"
    ) -> bytes | None:
        """Send a command until it was executed or refused; return the refusal.

        Raises:
            Fenced: this process no longer owns the process manager.
        """
        backoff = Backoff(0.05, 30.0)
        while checkpoint.open:
            try:
                async with turns:
                    await self._execute(self._envelope(item))
            except DuplicateCommand:
                # Answered meanwhile: executed, or refused, and then the store keeps the refusal.
                return None
            except CommandIdReused as error:
                # Executed, and in another form: by an older release, or under somebody else's id.
                self._report("a command of a process manager was executed before", error, item)
                return None
            except REFUSALS as error:
                return encode_refusal(error)
            except Exception as error:  # noqa: BLE001 whatever it is, it may go away
                self._report("a command of a process manager is sent again", error, item)
                await checkpoint.pause(backoff.next())
            else:
                return None
        raise Fenced(self._key.name)

    def _envelope(self, item: QueuedCommand) -> CommandEnvelope[Any]:
        sent = item.sent
        return CommandEnvelope.of(
            self._codec.decode_command(sent.command, sent.data),
            command_id=sent.id,
            correlation_id=sent.correlation_id,
            causation_id=sent.causation_id,
            metadata=decode_senders_metadata(sent.metadata),
        )

    async def _settle(self, sending: "_Sending", checkpoint: Checkpoint) -> None:
        """Take what was answered out of the outbox, batch by batch."""
        seen = 0
        backoff = Backoff(0.1, 5.0)
        while True:
            seen = await sending.answers.wait_above(seen)
            while sending.sent or sending.refused:
                sent, refused = list(sending.sent), dict(sending.refused)
                try:
                    await self._processes.settle(checkpoint.claim, sent, refused)
                except Fenced:
                    checkpoint.end()
                    return
                except StoreError as error:
                    self._report("answered commands stay in the outbox", error)
                    await checkpoint.pause(backoff.next())
                    continue
                backoff.reset()
                del sending.sent[: len(sent)]
                for number in refused:
                    del sending.refused[number]
                if refused:
                    self._on_refused()

    def _report(self, what: str, error: Exception, item: QueuedCommand | None = None) -> None:
        about = {"subscription": self._key.name, "error": described(error)}
        if item is not None:
            about |= {"instance": item.sent.instance, "command": item.sent.command}
        _log.warning(what, extra=about)


class _Turns:
    """Bounds how many commands are sent at a time.

    The commands of a batch are answered together. A semaphore then looks, for each of them, at all
    who were woken before: in a profile, 50 of them each time.
    """

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had come just before
                self._pass_on()
            raise

    async def __aexit__(self, *_exc: object) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class _Sending:
    """The commands in memory: a queue per instance, and the answers to be settled.

    Attributes:
        held: how many commands are waiting or on their way.
        answers: rises with each answer.
    """

    def __init__(self, outbox: Outbox, checkpoint: Checkpoint, group: asyncio.TaskGroup) -> None:
        self._outbox = outbox
        self._checkpoint = checkpoint
        self._group = group
        self._queues: dict[str, deque[QueuedCommand]] = {}
        self._turns = _Turns(_IN_FLIGHT)
        self.held = 0
        self.sent: list[int] = []
        self.refused: dict[int, bytes] = {}
        self.answers = Watermark()

    def add(self, item: QueuedCommand) -> None:
        """Send a command after those of its instance that were added before."""
        self.held += 1
        queue = self._queues.get(item.sent.instance)
        if queue is not None:
            queue.append(item)
            return
        self._queues[item.sent.instance] = queue = deque([item])
        self._group.create_task(self._send_all(item.sent.instance, queue))

    async def _send_all(self, instance: str, queue: "deque[QueuedCommand]") -> None:
        while queue:
            item = queue[0]
            try:
                refusal = await self._outbox.send(item, self._checkpoint, self._turns)
            except Fenced:
                return
            queue.popleft()
            if refusal is None:
                self.sent.append(item.number)
            else:
                self.refused[item.number] = refusal
            self.answers.bump()
            self.held -= 1
            if self.held == _MOST // 2:
                self._outbox.go_on()
        del self._queues[instance]
