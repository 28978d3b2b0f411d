"""Commands on their way through the pipeline, for tests of its stages."""

from chekov import Domain
from chekov.domain.envelope import CommandEnvelope
from chekov.engine.commands.execution import Execution
from chekov.engine.commands.router import Router
from tests.unit.engine.counter_domain import Add, Counter

DOMAIN = Domain("counting", aggregates=[Counter])
ROUTER = Router(DOMAIN, timeout=600.0)


def execution(timeout: float | None = None, router: Router = ROUTER) -> Execution:
    """A command that adds 1 to the counter `a`."""
    return Execution(
        CommandEnvelope.of(Add(counter="a", amount=1), timeout=timeout),
        router,
        traceparent=None,
    )
