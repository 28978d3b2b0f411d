"""`chekov export` and `chekov import`: a store's events as lines of JSON, and back."""

import asyncio
import gzip
import os
import sys
from argparse import Namespace
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

from chekov.cli.eventstore import converted
from chekov.cli.output import complain, show, show_json
from chekov.cli.progress_bar import ProgressBar
from chekov.cli.store import store_settings
from chekov.errors import ChekovError
from chekov.store.postgres.exporter import Exported, export_events
from chekov.store.postgres.importer import import_events

_STANDARD: Final = "-"
_GZIP_LEVEL: Final = 6


def export(arguments: Namespace) -> int:
    settings = store_settings(arguments)
    with (
        ProgressBar(quiet=arguments.quiet) as progress,
        _output_file(arguments.file, secret=arguments.keys) as file,
    ):
        done: Exported = asyncio.run(
            export_events(
                settings.store,
                settings.schema,
                file.write,
                after=arguments.after,
                keys=arguments.keys,
                work=arguments.work,
                progress=progress,
            )
        )
    if not arguments.quiet:
        complain(f"exported {done.events} events and {done.streams} streams, up to {done.head}")
    if any(done.left):
        left = done.left
        complain(
            f"not exported: {left.instances} open instances of process managers, "
            f"{left.commands} commands and {left.timers} timers of theirs, and {left.scheduled} "
            "scheduled commands; add --work to export and import, to move them as well"
        )
    return 0


def import_(arguments: Namespace) -> int:
    settings = store_settings(arguments)
    source = converted(arguments) if arguments.origin else _input_file(arguments.file)
    with source as file, ProgressBar(quiet=arguments.quiet) as progress:
        done = asyncio.run(
            import_events(
                settings.store,
                settings.schema,
                file,
                keys=arguments.keys,
                work=arguments.work,
                progress=progress,
            )
        )
    if arguments.output == "json":
        show_json(done._asdict())
    else:
        before = f" after the {done.found} stored before" if done.found else ""
        show(f"imported {done.events} events{before} and {done.streams} streams, up to {done.head}")
    return 0


@contextmanager
def _output_file(name: str, *, secret: bool) -> Generator[IO[bytes]]:
    """A file that gets its name only once it is complete; with keys, readable by its owner only."""
    if name == _STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = Path(f"{name}.part")
    try:
        descriptor = os.open(
            part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o666
        )
        with os.fdopen(descriptor, "wb") as file, _packed(file, name) as packed:
            yield packed
        part.replace(name)
    except OSError as error:
        raise ChekovError(f"{name} cannot be written: {error.strerror or error}") from error


@contextmanager
def _input_file(name: str) -> Generator[IO[bytes]]:
    if name == _STANDARD:
        yield sys.stdin.buffer
        return
    try:
        with gzip.open(name, "rb") if name.endswith(".gz") else Path(name).open("rb") as file:
            yield cast("IO[bytes]", file)
    except OSError as error:
        raise ChekovError(f"{name} cannot be read: {error.strerror or error}") from error


@contextmanager
def _packed(file: IO[bytes], name: str) -> Generator[IO[bytes]]:
    if not name.endswith(".gz"):
        yield file
        return
    with gzip.GzipFile(name, "wb", _GZIP_LEVEL, file) as packed:
        yield cast("IO[bytes]", packed)
