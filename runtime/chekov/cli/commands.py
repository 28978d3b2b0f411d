"""Finds the command that was asked for, and turns its errors into exit codes."""

import asyncio
import logging
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, cast

from chekov.cli.check import check
from chekov.cli.listings import events, streams, subscriptions
from chekov.cli.migrate import migrate
from chekov.cli.output import complain, show, show_json, show_table
from chekov.cli.parser import parser
from chekov.cli.run import run_here, serve_from_environment
from chekov.errors import ChekovError
from chekov.server.settings import SettingsError, variables

_FAILED: Final = 1
_MISUSED: Final = 2
_INTERRUPTED: Final = 130

_log: Final = logging.getLogger(__name__)


def run(arguments: Sequence[str]) -> int:
    """Run one command line."""
    parsed = parser(_program()).parse_args(arguments)
    try:
        return _COMMANDS[parsed.command](parsed)
    except SettingsError as error:
        complain(str(error))
        return _MISUSED
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has seen enough, as `| head` does.
        sys.stderr.close()
        return _FAILED
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 -- this is the edge
        return _failed(parsed.command, error)


def _failed(command: str, error: BaseException) -> int:
    expected = list(_expected(error))
    if expected:
        text = "\n".join(map(_told, expected))
        if command == "serve":
            _log.critical(text)
        else:
            complain(text)
    else:
        _log.critical("the process failed", exc_info=error)
    return _FAILED


def _expected(error: BaseException) -> Iterator[ChekovError]:
    """The errors that speak for themselves; none when there is any other."""
    if isinstance(error, ChekovError):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        parts = [list(_expected(part)) for part in group.exceptions]
        if all(parts):
            for part in parts:
                yield from part


def _told(error: ChekovError) -> str:
    faults: tuple[str, ...] = getattr(error, "faults", ())
    text = str(error)
    return "\n".join([text, *(f"  - {fault}" for fault in faults if fault not in text)])


def _program() -> str:
    name = Path(sys.argv[0]).name
    return name.replace("kubectl-", "kubectl ") if name.startswith("kubectl-") else "chekov"


def _version(arguments: Namespace) -> int:
    if arguments.output == "json":
        show_json({"version": version("chekov")})
    else:
        show(f"chekov {version('chekov')}")
    return 0


def _settings(arguments: Namespace) -> int:
    rows = [item._asdict() for item in variables()]
    if arguments.output == "json":
        show_json(rows)
    else:
        show_table(("name", "default", "meaning"), rows)
    return 0


_COMMANDS: Final[Mapping[str, Callable[[Namespace], int]]] = {
    "serve": serve_from_environment,
    "run": run_here,
    "check": check,
    "migrate": migrate,
    "settings": _settings,
    "version": _version,
    "events": events,
    "streams": streams,
    "subscriptions": subscriptions,
}
