"""Running programs, waiting for conditions, and printing progress."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path


class CommandFailed(Exception):
    """A program failed; the message contains the end of its output."""


class GaveUp(Exception):
    """A condition was not met in time."""


def run(
    *command: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = 900,
) -> str:
    """Run a program to its end and return what it printed.

    Args:
        command: The program and its arguments.
        cwd: The folder to run it in.
        env: Variables to add to the environment.
        stdin: What it reads.
        timeout: Seconds it may take.

    Raises:
        CommandFailed: It ended with an error, or too late.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{' '.join(words)}: not done after {timeout:.0f} s") from error
    if done.returncode != 0:
        output = (done.stderr.strip() or done.stdout.strip())[-3000:]
        raise CommandFailed(f"{' '.join(words)}: exit {done.returncode}\n{output}")
    return done.stdout


def succeeds(*command: str | Path, env: Mapping[str, str] | None = None) -> bool:
    """Whether a program succeeds."""
    try:
        run(*command, env=env)
    except (CommandFailed, FileNotFoundError):
        return False
    return True


def wait_for(what: str, met: Callable[[], bool], *, timeout: float = 120) -> None:
    """Wait until a condition is met, checking ten times a second.

    Raises:
        GaveUp: It was not met within `timeout` seconds.
    """
    end, pause = time.monotonic() + timeout, threading.Event()
    while not met():
        if time.monotonic() > end:
            raise GaveUp(f"gave up after {timeout:.0f} s waiting for {what}")
        pause.wait(0.1)


def print_progress(text: str) -> None:
    """Print to standard error, since programs read standard output."""
    sys.stderr.write(text)
    sys.stderr.flush()


@contextmanager
def step(what: str) -> Generator[None]:
    """Print what begins, and how long it took."""
    print_progress(f"cluster: {what} … ")
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print_progress("failed\n")
        raise
    print_progress(f"{time.monotonic() - began:.1f} s\n")
