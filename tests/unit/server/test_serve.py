"""The event loop of a server process ends with its lifecycle, whatever the domain's tasks raise."""

import asyncio
import signal

import pytest

from chekov.server.lifecycle import Lifecycle
from chekov.server.serve import run


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_task_that_exits_does_not_end_the_process(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []

    async def leave() -> None:
        raise error

    async def main(lifecycle: Lifecycle) -> None:
        async with asyncio.timeout(240):
            loop = asyncio.get_running_loop()
            unattended = loop.create_task(leave())
            await asyncio.wait([unattended])
            awaited = loop.create_task(leave())
            with pytest.raises(type(error)):
                await awaited
            assert not lifecycle.stopping
            signal.raise_signal(signal.SIGTERM)
            await lifecycle.stopped()
        ended.append("by its signal")

    run(main)
    assert ended == ["by its signal"]
    assert caplog.messages.count("a task raised an exit that nobody requested") == 2


def test_an_exit_of_the_process_itself_ends_it() -> None:
    async def main(_: Lifecycle) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run(main)


def test_a_second_interrupt_cancels_everything() -> None:
    async def main(lifecycle: Lifecycle) -> None:
        signal.raise_signal(signal.SIGINT)
        await lifecycle.stopped()
        signal.raise_signal(signal.SIGINT)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(asyncio.CancelledError):
        run(main)
