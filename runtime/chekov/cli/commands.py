"""Runs the chosen command, and turns its errors into messages and exit codes."""

import asyncio
import importlib
import logging
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, cast

from chekov.cli.output import complain
from chekov.cli.parser import parser
from chekov.errors import ChekovError
from chekov.server.settings import SettingsError

_FAILED: Final = 1
_WRONG_USAGE: Final = 2
_INTERRUPTED: Final = 130

_log: Final = logging.getLogger(__name__)


def run(arguments: Sequence[str]) -> int:
    """Run one command line."""
    parsed = parser("chekov").parse_args(arguments)
    command = _command(parsed.command)
    try:
        return command(parsed)
    except SettingsError as error:
        complain(str(error))
        return _WRONG_USAGE
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has closed it, as `| head` does.
        sys.stderr.close()
        return _FAILED
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 -- this is the edge
        return _failed(parsed.command, error)


def _failed(command: str, error: BaseException) -> int:
    expected = list(_expected(error))
    if expected:
        text = "\n".join(map(_message, expected))
        if command == "serve":
            _log.critical(text)
        else:
            complain(text)
    else:
        _log.critical("the process failed", exc_info=error)
    return _FAILED


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


def _message(error: ChekovError) -> str:
    faults: tuple[str, ...] = getattr(error, "faults", ())
    text = str(error)
    return "\n".join([text, *(f"  - {fault}" for fault in faults if fault not in text)])


def _command(name: str) -> Callable[[Namespace], int]:
    module, function = _COMMANDS[name]
    return getattr(importlib.import_module(f"chekov.cli.{module}"), function)


# Imported on use: without the server, a check or a migration starts in half the time.
_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("run", "serve_from_environment"),
    "run": ("run", "run_here"),
    "check": ("check", "check"),
    "gate": ("gate", "gate"),
    "migrate": ("migrate", "migrate"),
    "roles": ("migrate", "roles"),
    "export": ("transfer", "export"),
    "import": ("transfer", "import_"),
    "tags": ("tags", "tags"),
    "verify": ("verify", "verify"),
    "settings": ("about", "settings"),
    "version": ("about", "version"),
    "dispatch": ("calls", "dispatch"),
    "dispatch-all": ("batch", "dispatch_all"),
    "query": ("calls", "query"),
    "load": ("calls", "load"),
    "spec": ("spec", "spec"),
    "events": ("listings", "events"),
    "streams": ("listings", "streams"),
    "subscriptions": ("subscriptions", "subscriptions"),
    "processes": ("processes", "processes"),
    "scheduled": ("scheduled", "scheduled"),
    "projections": ("projections", "projections"),
    "forget": ("forget", "forget"),
}
