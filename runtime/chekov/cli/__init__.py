"""The `chekov` command."""

import sys
from collections.abc import Sequence
from typing import Final

_OPTIONAL_PACKAGES: Final = frozenset(
    {"aiohttp", "asyncpg", "opentelemetry", "prometheus_client", "pythonjsonlogger", "yaml"}
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line, by default the process's own.

    Returns:
        0 on success, 1 on failure, 2 on wrong usage.
    """
    try:
        from chekov.cli.commands import run  # noqa: PLC0415 -- needs them

        return run(sys.argv[1:] if arguments is None else arguments)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OPTIONAL_PACKAGES:
            raise
        sys.stderr.write(
            f"chekov: {error.name} is not installed: pip install 'chekov[runtime,embedded]'\n"
        )
        return 1
