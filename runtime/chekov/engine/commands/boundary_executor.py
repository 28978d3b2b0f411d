"""One command against its boundary: read the scope, decide, append; after a conflict, read on."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from chekov.domain.domain import Domain
from chekov.domain.immutability import is_immutable_value
from chekov.domain.scope import TAG_MARK, Scope
from chekov.engine.commands.condition_checks import ConditionChecks
from chekov.engine.commands.execution import Dispatched, Execution
from chekov.engine.commands.executor import CommandExecutor, back_off
from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.engine.observer import Observer, observed_append
from chekov.errors import DefinitionError, DuplicateCommand, InvalidCommand, UnusableState
from chekov.serialization.codec import Codec
from chekov.serialization.revisions import Revisions
from chekov.store.port import ConditionAhead, ConditionFailed, EventStore, Expected, NoneSince

_PAGE: Final = 1000


class BoundaryExecutor:
    """Executes commands of boundaries, each with an instance of its own.

    It decides by all events in a scope up to a position, and what it decides is stored only if
    nothing else in the scope was stored since. Otherwise it reads on from there and decides again,
    until the command's time is over.

    Args:
        check: raises if not every event in a scope would be found.
        checks: checks accepted conditions again.
    """

    def __init__(
        self,
        domain: Domain,
        store: EventStore,
        codec: Codec,
        executor: CommandExecutor,
        observer: Observer,
        check: Callable[[Scope], Awaitable[None]],
        checks: ConditionChecks,
    ) -> None:
        self._scopes = _Scopes(domain, codec.revisions)
        self._append = observed_append(store.append, observer)
        self._read_scope = store.read_scope
        self._decode = codec.decode_page
        self._apply = executor.apply
        self._check = check
        self._accepted = checks.accepted

    async def run(self, execution: Execution) -> Dispatched[Any]:
        """Execute a command."""
        if execution.envelope.expected_version is not None:
            raise InvalidCommand(
                f"{execution.route.name}: a version of {execution.stream!r} is expected, and the "
                "decision depends on other streams: leave the version out"
            )
        decision = self._begin(execution)
        while True:
            await self._check(decision.scope)
            try:
                await self._read_on(decision)
                return await self._decided(execution, decision)
            except ConditionFailed:
                decision.undo()
            except ConditionAhead:
                # The log has lost what this was decided by.
                decision.instance.forget()
            except DuplicateCommand:
                execution.append_outcome_unknown = False
                raise
            execution.append_outcome_unknown = False
            await back_off(execution)
            if decision.instance.state is None:
                decision = self._begin(execution)

    def _begin(self, execution: Execution) -> "_Decision":
        route = execution.route
        instance = LiveAggregate(route.aggregate, execution.stream, restorable=True)
        state = route.aggregate()
        instance.begin(state)
        return _Decision(instance, self._scopes.of(execution, state))

    async def _read_on(self, decision: "_Decision") -> None:
        """Apply the events in scope that were stored since."""
        appliers = decision.instance.definition.appliers
        while True:
            found = await self._read_scope(
                decision.scope, after=decision.position, anchor=decision.anchor, limit=_PAGE
            )
            # Upcasters may make others of an event too, which are not in scope.
            events = [event for event in self._decode(found.events) if type(event) in appliers]
            decision.instance.apply(events)
            decision.position, decision.anchor = found.through, found.anchor
            if len(found.events) < _PAGE:
                return

    async def _decided(self, execution: Execution, decision: "_Decision") -> Dispatched[Any]:
        instance = decision.instance
        decision.keep()
        route, envelope = execution.route, execution.envelope
        context = (envelope.context,) if route.takes_context else ()
        decided = route.execute(instance.state, envelope.command, *context)
        new, answers = self._apply(execution, instance, decided)
        if not new:
            if execution.envelope.with_state:
                execution.keep_state(instance)
            return execution.result(0, 0)
        condition = NoneSince(decision.scope, decision.position, decision.anchor)
        appended = await self._append(
            execution.stream,
            new,
            expected=Expected.ANY,
            command_id=execution.unique_id,
            condition=condition,
        )
        self._accepted(condition, appended)
        instance.confirm(appended.version, appended.position)
        if execution.envelope.with_state:
            execution.keep_state(instance)
        return execution.result(appended.version, appended.position, answers, appended.recorded)


class _Decision:
    """The state of a boundary by the events in a scope up to a position."""

    def __init__(self, instance: LiveAggregate, scope: Scope) -> None:
        self.instance = instance
        self.scope = scope
        self.position = 0
        self.anchor: UUID | None = None
        self._kept: Any = None

    def keep(self) -> None:
        """Keep a copy of a state whose fields alone do not restore it."""
        self._kept = None
        if not all(map(is_immutable_value, vars(self.instance.state).values())):
            try:
                self._kept = self.instance.copied_state()
            except UnusableState:
                # Then everything is read again.
                self._kept = None

    def undo(self) -> None:
        """Set the state back to what it was at the position, or drop it if that is impossible."""
        self.instance.undo(restore=True)
        if self.instance.state is None:
            self.instance.state = self._kept


class _Scopes:
    """The scopes of commands, with every stored name of their event types.

    Those of the next revisions are among them: a decision without events that newer code stored
    would be wrong, and decoding them says so.

    A condition about what no event has would always hold: so each is looked at, once for each
    combination of types and kinds of tags.
    """

    def __init__(self, domain: Domain, revisions: Revisions) -> None:
        self._events = domain.events
        self._tags = domain.tags
        self._names = {
            name: revisions.next_of(name).union(domain.stored_names(kind))
            for name, kind in domain.events.items()
        }
        self._sound: set[tuple[str, frozenset[str], frozenset[str]]] = set()

    def of(self, execution: Execution, state: Any) -> Scope:
        """The scope of a command.

        Raises:
            DefinitionError: it cannot be what its author meant.
        """
        method: Any = execution.route.scope
        scope = method(state, execution.envelope.command)
        label = method.__qualname__
        if not isinstance(scope, Scope):
            raise DefinitionError(label, [f"it returned {scope!r:.60}: return a Scope"])
        appliers = execution.route.appliers
        for item in scope.items:
            kinds = frozenset(tag.partition(TAG_MARK)[0] for tag in item.tags)
            if (label, item.types, kinds) not in self._sound:
                faults: list[str] = []
                for name in sorted(item.types):
                    faults += self._faults(name, kinds, appliers)
                if faults:
                    raise DefinitionError(label, faults)
                self._sound.add((label, item.types, kinds))
        return scope.map(self._stored)

    def _stored(self, types: frozenset[str]) -> frozenset[str]:
        return frozenset(stored for name in types for stored in self._names[name])

    def _faults(self, name: str, kinds: frozenset[str], appliers: Any) -> list[str]:
        event = self._events.get(name)
        if event is None:
            return [f"its scope has {name}, and no part of the domain takes this event"]
        faults = [
            f"its scope has {name} with {kind}, which is not a field of it that is a Tag"
            for kind in sorted(kinds)
            if kind not in self._tags.get(event, ())
        ]
        if event not in appliers:
            faults.append(f"its scope has {name}, which none of its @apply methods takes")
        return faults


def executed_by(
    aggregates: CommandExecutor, boundaries: BoundaryExecutor
) -> Callable[[Execution], Awaitable[Dispatched[Any]]]:
    """Executes commands of aggregates and of boundaries, without a frame of its own."""
    of_aggregate, of_boundary = aggregates.run, boundaries.run

    def run(execution: Execution) -> Awaitable[Dispatched[Any]]:
        return (of_aggregate if execution.route.scope is None else of_boundary)(execution)

    return run
