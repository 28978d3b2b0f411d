"""The stacks of the framework's functions at chosen calls: the way of a piece of work."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Self

import asyncpg

import chekov

_HOME = Path(chekov.__file__).parent
_DRIVER = str(Path(asyncpg.__file__).parent)
_STATEMENTS = {"PreparedStatement.fetch", "Connection.copy_records_to_table"}

Stack = tuple[str, ...]


class Frames:
    """Records the distinct stacks of this thread while it is entered.

    A stack is the framework's functions on it, outermost first, each as `module.py function`.

    Attributes:
        statements: the stacks from which a statement was sent through the driver.
        calls: the stacks at calls of the functions that `wanted` chooses by their names.
    """

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self.statements: list[Stack] = []
        self.calls: list[Stack] = []
        self._wanted = wanted

    def __enter__(self) -> Self:
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        if code.co_filename.startswith(_DRIVER) and code.co_qualname in _STATEMENTS:
            _note(self.statements, frame.f_back)
        elif (name := _name(frame)) is not None and self._wanted(name):
            _note(self.calls, frame)


def stack_here() -> Stack:
    """The framework's functions that called the caller."""
    return _stack(sys._getframe())


def _stack(frame: FrameType | None) -> Stack:
    return tuple(reversed(list(_names(frame))))


def _note(stacks: list[Stack], frame: FrameType | None) -> None:
    stack = _stack(frame)
    if stack and stack not in stacks:
        stacks.append(stack)


def _names(frame: FrameType | None) -> Iterable[str]:
    while frame is not None:
        name = _name(frame)
        if name is not None:
            yield name
        frame = frame.f_back


def _name(frame: FrameType) -> str | None:
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(_HOME):
        return None
    function = frame.f_code.co_qualname.replace(".<locals>", "")
    return f"{path.relative_to(_HOME).as_posix()} {function}"
