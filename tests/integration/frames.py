"""Which functions a piece of work passes, in the order of the calls and as a stack at its end."""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FrameType

import asyncpg
import chekov

_HOME = Path(chekov.__file__).parent
_DRIVER = Path(asyncpg.__file__).parent


class Frames:
    """Records, while it is entered, the stacks of this thread each time the driver is called.

    A stack is the tuple of the framework's functions on it, outermost first, each as
    `module.py function`; callers outside the framework are left out.
    """

    def __init__(self) -> None:
        self.stacks: list[tuple[str, ...]] = []

    def __enter__(self) -> "Frames":
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call" or not _is_within(frame.f_code, _DRIVER):
            return
        caller = frame.f_back
        if caller is None or _is_within(caller.f_code, _DRIVER):
            return
        self.stacks.append(tuple(reversed(list(_framework(caller)))))
