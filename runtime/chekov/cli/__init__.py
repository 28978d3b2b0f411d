"""The `chekov` command, which is also `kubectl chekov`."""

import sys
from collections.abc import Sequence
from typing import Final

_PARTS: Final = frozenset(
    {"aiohttp", "asyncpg", "opentelemetry", "prometheus_client", "pythonjsonlogger", "yaml"}
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line, by default the process's own.

    Returns:
        0 when it did what it says, 1 when it failed, 2 when it was called wrongly.
    """
    try:
        from chekov.cli.commands import run  # noqa: PLC0415 -- part of what may be missing

        return run(sys.argv[1:] if arguments is None else arguments)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PARTS:
            raise
        sys.stderr.write(
            f"chekov: {error.name} is not installed: pip install 'chekov[runtime,embedded]'\n"
        )
        return 1
