"""Whether code takes over the work at hand: process managers, waiting commands, parked events."""

from collections.abc import Mapping

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.process_manager import ProcessManager
from chekov.engine.places import place_of
from chekov.errors import InvalidCommand, Undecodable, UnknownCommand
from chekov.gate.event_gate import undecodable
from chekov.gate.report import Finding, Findings
from chekov.gate.samples import Reads, at_position
from chekov.serialization.codec import Codec
from chekov.serialization.misfits import misfit
from chekov.serialization.processes import ProcessCodec, UnreadableProcess
from chekov.store.port import OpenInstance, ParkedEvent, Processes, Schedules, Subscriptions
from chekov.store.sealing.contents import is_sealed


class WorkGate:
    """Decodes what waits to be worked on.

    Args:
        domain: that is checked.
        codec: of the domain.
        running: the subscriptions of the running code, with their versions. What only older code
            left is not a fault of this one.
        findings: takes what cannot be taken over.

    Attributes:
        sealed: how many states and commands were left out, since they are encrypted as a whole.
    """

    def __init__(
        self, domain: Domain, codec: Codec, running: Mapping[str, int], findings: Findings
    ) -> None:
        self._domain = domain
        self._running = running
        self._codec = codec
        self._processes = ProcessCodec(domain)
        self._managers = {definition_of(item).name: item for item in domain.process_managers}
        self._findings = findings
        self.sealed = 0

    async def check_processes(self, processes: Processes, count: int) -> int:
        """Decode states and timers of open instances; return of how many."""
        instances = await processes.list(self._domain.name, limit=count)
        for instance in instances:
            manager = self._managers.get(instance.key.name)
            if manager is None:
                self._abandoned(instance, "the domain has no process manager of this name")
            elif definition_of(manager).version != instance.key.version:
                self._abandoned(
                    instance,
                    f"it is an instance of version {instance.key.version}, and the code has "
                    f"version {definition_of(manager).version}",
                )
            else:
                self._check_instance(manager, instance)
        return len(instances)

    async def check_outbox(
        self, processes: Processes, subscriptions: Subscriptions, count: int
    ) -> int:
        """Decode commands that process managers are about to send; return how many."""
        checked = 0
        for row in await subscriptions.list(self._domain.name):
            if row.key.name in self._managers:
                for queued in await processes.pending(row.key, limit=count):
                    why = f"{row.key.name} sends it"
                    self._check_command(queued.sent.command, queued.sent.data, why)
                    checked += 1
        return checked

    async def check_schedules(self, schedules: Schedules, count: int) -> int:
        """Decode scheduled and recurring commands; return how many."""
        scheduled = await schedules.list(self._domain.name, limit=count)
        recurring = await schedules.list_recurring(self._domain.name, limit=count)
        for item in (*scheduled, *recurring):
            self._check_command(item.command, item.data, "it is scheduled")
        return len(scheduled) + len(recurring)

    async def check_parked(self, subscriptions: Subscriptions, reads: Reads, count: int) -> int:
        """Decode parked events, so many of each subscription; return how many."""
        parked: dict[str, int] = {}
        for row in await subscriptions.list(self._domain.name):
            if row.parked:
                parked[row.key.name] = parked.get(row.key.name, 0) + row.parked
        known = {definition_of(handler).name for handler in self._domain.handlers}
        seen = 0
        for name, number in parked.items():
            if name not in known:
                self._abandoned_subscription(name, number)
                continue
            entries = await subscriptions.parked(self._domain.name, name, limit=count)
            for entry in entries[:count]:
                await self._check_entry(name, entry, reads)
                seen += 1
        return seen

    def _check_instance(self, manager: ProcessManager, instance: OpenInstance) -> None:
        kind, name = type(manager), instance.key.name
        state = instance.state
        if self._is_plain(state.data):
            try:
                self._processes.decode_state(kind, state.instance, state.data)
            except UnreadableProcess as error:
                what = f"the state does not fit {kind.__qualname__}"
                self._unreadable(name, state.instance, what, error)
        for timer in instance.timers:
            if timer.command is not None:
                self._check_command(timer.command, timer.data, f"{name} sends it later")
            elif self._is_plain(timer.data):
                try:
                    self._processes.decode_timer(kind, timer.name, timer.data)
                except UnreadableProcess as error:
                    what = f"{kind.__qualname__} does not take its timer {timer.name}"
                    self._unreadable(name, timer.instance, what, error)

    def _check_command(self, name: str, data: bytes, why: str) -> None:
        if not self._is_plain(data):
            return
        try:
            self._codec.decode_command(name, data)
        except UnknownCommand:
            message = f"{why}, and no aggregate of the domain executes it"
        except InvalidCommand as error:
            message = f"{why}, and its content does not fit: {_reason(error)}"
        else:
            return
        self._findings.add(Finding("UndecodableCommand", "error", message, name))

    def _unreadable(self, name: str, instance: str, what: str, error: UnreadableProcess) -> None:
        reason = f": {_reason(error)}" if error.__cause__ is not None else ""
        finding = Finding(
            "UndecodableProcess",
            "error",
            f"{what}{reason}",
            name,
            instance,
            place=None if error.__cause__ is None else place_of(error.__cause__),
        )
        self._findings.add(finding)

    def _abandoned(self, instance: OpenInstance, message: str) -> None:
        name, version = instance.key.name, instance.key.version
        level = "error" if self._running.get(name) == version else "warning"
        finding = Finding("AbandonedProcess", level, message, name, instance.state.instance)
        self._findings.add(finding)

    def _abandoned_subscription(self, name: str, number: int) -> None:
        message = (
            f"{number} events are parked, and the domain has no handler of this name: retry or "
            "discard them first"
        )
        level = "error" if name in self._running else "warning"
        self._findings.add(Finding("AbandonedSubscription", level, message, name))

    async def _check_entry(self, name: str, entry: ParkedEvent, reads: Reads) -> None:
        event = await at_position(reads, entry.position)
        if event is None or not self._codec.knows(event.type):
            return
        try:
            self._codec.decode_all(event)
        except Undecodable as error:
            found = undecodable(self._codec, event, error)
            message = f"{name} parked it, and {found.message}"
            # What could not be decoded before is no worse with this code.
            level = "warning" if entry.error.startswith(Undecodable.__name__) else "error"
            self._findings.add(
                Finding(
                    "UndecodableParked",
                    level,
                    message,
                    found.type,
                    found.stream,
                    found.version,
                    found.position,
                    found.place,
                )
            )

    def _is_plain(self, data: bytes) -> bool:
        if is_sealed(data):
            self.sealed += 1
            return False
        return True


def _reason(error: BaseException) -> str:
    cause = error.__cause__
    return misfit(cause) or type(cause or error).__name__
