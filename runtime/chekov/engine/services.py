"""The handlers of one runtime, and the services that they work with."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from chekov.domain.domain import Domain
from chekov.domain.lifespan import initialize
from chekov.engine.failures import described, is_requested
from chekov.errors import LifespanFailed


class Services:
    """Opens what handlers work with, and makes those that were given as classes.

    Their objects are there from the start, so that the engine can be composed of them; their
    `__init__` is called here, before anything reaches them. Each runtime has its own.

    Attributes:
        domain: the domain with these objects.

    Args:
        domain: as its author wrote it.
    """

    def __init__(self, domain: Domain) -> None:
        self.domain = domain.renewed()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Surrounds the time in which anything may reach the handlers.

        Raises:
            LifespanFailed: the lifespan or the `__init__` of a handler raises at the beginning.
        """
        async with AsyncExitStack() as stack:
            for lifespan, made in self.domain.equipment:
                services: list[object] = []
                if lifespan is not None:
                    name = getattr(lifespan, "__qualname__", repr(lifespan))
                    with _explained(f"the lifespan {name} of domain {self.domain.name!r} failed"):
                        services.append(await stack.enter_async_context(lifespan()))
                for handler in made:
                    with _explained(f"{type(handler).__qualname__}.__init__ failed"):
                        initialize(handler, *services)
            yield


@contextmanager
def _explained(what: str) -> Generator[None]:
    try:
        yield
    except BaseException as error:
        if is_requested(error, asyncio.current_task()):
            raise
        raise LifespanFailed(f"{what}: {described(error)}") from error
