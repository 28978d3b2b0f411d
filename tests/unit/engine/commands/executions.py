"""Commands on their way through the pipeline, for tests of its stages."""

from chekov import Domain
from chekov.domain.envelope import CommandEnvelope
from chekov.engine.commands.execution import Execution
from chekov.engine.commands.router import Router
from tests.unit.engine.counter_domain import Add, Counter

ROUTER = Router(Domain("counting", aggregates=[Counter]))


def execution(timeout: float | None = None) -> Execution:
    """A command that adds 1 to the counter `a`."""
    return Execution(
        CommandEnvelope.of(Add(counter="a", amount=1), timeout=timeout), ROUTER, traceparent=None
    )
