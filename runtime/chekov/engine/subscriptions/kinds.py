"""Which strategy runs which handler: the registry of handler kinds."""

from typing import Final

from chekov.domain.handler import EventHandler, Projection
from chekov.domain.process_manager import ProcessManager
from chekov.engine.processes.process_invocation import ProcessInvocation
from chekov.engine.subscriptions.at_least_once import AtLeastOnce
from chekov.engine.subscriptions.invocation import Invocation
from chekov.engine.subscriptions.transactional import Transactional

_KINDS: Final[dict[type[EventHandler], type[Invocation]]] = {
    EventHandler: AtLeastOnce,
    Projection: Transactional,
    ProcessManager: ProcessInvocation,
}


def register_kind(base: type[EventHandler], kind: type[Invocation]) -> None:
    """Let `kind` run the handlers that derive from `base`, unless a nearer base has another."""
    _KINDS[base] = kind


def kind_of(handler: EventHandler) -> type[Invocation]:
    """Return the kind that is registered for the nearest base of the handler's class."""
    return next(_KINDS[base] for base in type(handler).__mro__ if base in _KINDS)
