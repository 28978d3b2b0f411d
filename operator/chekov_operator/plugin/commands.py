"""Runs the chosen command, and turns its errors into sentences and exit codes."""

import asyncio
import importlib
import sys
from argparse import Namespace
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Final, cast

from chekov.errors import ChekovError
from chekov_operator.plugin.failure import sentence
from chekov_operator.plugin.output import complain

_FAILED: Final = 1
_INTERRUPTED: Final = 130

_FAILURE: Final[Mapping[str, int]] = {"diff": 3}
"""Exit codes of a failure, where 1 says something else."""

_MODULES: Final[Mapping[str, tuple[str, str]]] = {
    "status": ("status", "status"),
    "undo": ("rollout", "undo"),
    "promote": ("rollout", "promote"),
    "abort": ("rollout", "abort"),
    "restart": ("rollout", "restart"),
    "suspend": ("suspension", "suspend"),
    "resume": ("suspension", "resume"),
    "replay": ("replay", "replay"),
    "parked": ("parked", "parked"),
    "events": ("events", "events"),
    "bundle": ("bundle", "bundle"),
    "diff": ("diff", "diff"),
    "report": ("report", "report"),
}


def run(arguments: Namespace) -> int:
    """Run a command."""
    name: str = arguments.command
    try:
        return asyncio.run(_function(name)(arguments))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has closed it, as `| head` does.
        sys.stderr.close()
        return _FAILED
    except (ChekovError, BaseExceptionGroup) as error:
        sentences = [sentence(part) for part in _expected(error)]
        if not sentences:
            raise
        complain("\n".join(sentences))
        return _FAILURE.get(name, _FAILED)


def _function(name: str) -> Callable[[Namespace], Coroutine[Any, Any, int]]:
    module, function = _MODULES[name]
    return getattr(importlib.import_module(f"chekov_operator.plugin.{module}"), function)


def _expected(error: BaseException) -> Iterator[ChekovError]:
    """The errors whose text is enough for people; none if any other error is among them."""
    if isinstance(error, ChekovError):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        parts = [list(_expected(part)) for part in group.exceptions]
        if all(parts):
            for part in parts:
                yield from part
