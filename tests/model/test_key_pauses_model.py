"""Events that wait for their next attempt while other keys go on, with crashes during the pauses.

Besides what holds of all parked events, that none is lost, repeated by a projection or overtaken by
another one of its key, pauses that nobody interrupts come to an end.
"""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from chekov import Again, Context, Event, EventHandler
from chekov.domain.failure import Decision
from tests.model.test_parking_model import (
    HandlerMachine,
    ParkingMachine,
    ProjectionMachine,
    Reader,
    Writer,
)
from tests.model.test_subscription_model import NODES

PAUSE = 1.0


class SkippingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be put forward."""

    skipped = 0.0

    def time(self) -> float:
        return super().time() + self.skipped


def again(context: Context) -> Decision | None:
    return Again(after=PAUSE) if context.attempt < 3 else None


class PausingWriter(Writer, name="subject"):
    def on_error(self, error: Exception, event: Event, context: Context) -> Decision | None:
        return again(context)


class PausingReader(Reader, name="subject"):
    def on_error(self, error: Exception, event: Event, context: Context) -> Decision | None:
        return again(context)


class PausingMachine(ParkingMachine):
    """A machine whose clock is put forward by a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=SkippingLoop)

    @rule(part=st.sampled_from((0.5, 1.0, 3.0)), number=NODES)
    def time_passes(self, part: float, number: int) -> None:
        self.skip(part * PAUSE)
        if number in self.nodes:
            self.go_on(40)

    def skip(self, seconds: float) -> None:
        loop = self.runner.get_loop()
        assert isinstance(loop, SkippingLoop)
        loop.skipped += seconds

    def everything_is_done(self) -> None:
        super().everything_is_done()
        self.run(self._one_more_process())
        parked, discarded = self.run(self._kept())
        assert not parked
        assert discarded | set(self.handled()) == set(self.key_of)

    async def _one_more_process(self) -> None:
        """Repaired as the handler is, it handles all that is parked, without anybody's doing."""
        node = self.node("the very last")
        node.start()
        await node.ask()
        node.hear()
        async with asyncio.timeout(20 + 1000 * PAUSE):
            while await self.store.subscriptions.parked("counting", "subject"):
                loop = asyncio.get_running_loop()
                assert isinstance(loop, SkippingLoop)
                loop.skipped += PAUSE / 100
                await asyncio.sleep(0)
        await node.drain()


class PausingProjectionMachine(PausingMachine, ProjectionMachine):
    def handler(self) -> EventHandler:
        return PausingWriter(self.faulty)


class PausingHandlerMachine(PausingMachine, HandlerMachine):
    def handler(self) -> EventHandler:
        return PausingReader(self.faulty, self.given)


_settings = settings(max_examples=100, stateful_step_count=30)
TestProjection = PausingProjectionMachine.TestCase
TestProjection.settings = _settings
TestHandler = PausingHandlerMachine.TestCase
TestHandler.settings = _settings
