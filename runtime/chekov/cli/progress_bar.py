"""The progress bar of long commands, on a terminal."""

import sys
import time
from typing import Final, Self

_EVERY_SECONDS: Final = 0.2
_WIDTH: Final = 30


class ProgressBar:
    """A bar on standard error; shown only if that is a terminal.

    Args:
        quiet: never show it.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._began = self._drawn = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Update the bar: `done` of `total` events."""
        now = time.monotonic()
        if self._shown and (now - self._drawn >= _EVERY_SECONDS or done == total):
            self._drawn = now
            sys.stderr.write("\r" + bar(done, total, now - self._began))
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._shown:
            sys.stderr.write("\n")


def bar(done: int, total: int, seconds: float) -> str:
    share = done / total if total else 1.0
    filled = "█" * round(share * _WIDTH)
    rate = done / seconds if seconds else 0.0
    left = f"{(total - done) / rate:,.0f} s left" if rate else "…"
    return f"{filled:<{_WIDTH}} {share:4.0%}  {done:,} of {total:,} events, {rate:,.0f}/s, {left} "
