"""`chekov import --from`: events of Chekov in Rust, or of Commanded's EventStore, into a store."""

import asyncio
import gzip
from argparse import Namespace
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Final, cast

from chekov.cli.output import complain
from chekov.cli.progress_bar import ProgressBar
from chekov.domain.boundary import Boundary
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.server.domain_loader import configured_domain
from chekov.server.settings import Settings
from chekov.store.postgres.eventstore_export import export_eventstore

_FAST: Final = 1


@contextmanager
def converted(arguments: Namespace) -> Generator[IO[bytes]]:
    """The lines of an export of the other program's store, in a temporary file.

    Raises:
        StoreError: the source cannot be read.
        BundleError: the domain cannot be loaded.
    """
    renamed = _Renamed(_domain(arguments))
    with TemporaryFile() as file:
        with (
            ProgressBar(quiet=arguments.quiet) as progress,
            gzip.GzipFile("", "wb", _FAST, file) as packed,
        ):
            done = asyncio.run(
                export_eventstore(
                    arguments.file,
                    arguments.source_schema,
                    arguments.origin,
                    packed.write,
                    name_stream=renamed,
                    progress=progress,
                )
            )
        if not arguments.quiet:
            renamed.report()
            if done.links:
                complain(f"links of events to further streams, left out: {done.links}")
        file.seek(0)
        with gzip.GzipFile("", "rb", fileobj=file) as lines:
            yield cast("IO[bytes]", lines)


def _domain(arguments: Namespace) -> Domain | None:
    if arguments.domain is None:
        return None
    return configured_domain(Settings.read(overrides={"CHEKOV_DOMAIN": arguments.domain}))


class _Renamed:
    """Names streams as the aggregates of a domain do, where theirs have no such names yet."""

    def __init__(self, domain: Domain | None) -> None:
        self._appliers = dict[str, set[str]]()
        """stored name of an event → identities of the aggregates that apply it."""
        self._strangers = 0
        self._has_tags = domain is not None and bool(domain.tags)
        if domain is not None:
            self._learn(domain)

    def _learn(self, domain: Domain) -> None:
        for aggregate in domain.aggregates:
            if issubclass(aggregate, Boundary):
                # It applies events of others' streams too.
                continue
            definition = definition_of(aggregate)
            for event in definition.appliers:
                for name in domain.stored_names(event):
                    self._appliers.setdefault(name, set()).add(definition.identity)

    def __call__(self, stream: str, types: Iterable[str]) -> str:
        known = [self._appliers[name] for name in types if name in self._appliers]
        identities = known[0].intersection(*known[1:]) if known else set[str]()
        if len(identities) != 1:
            self._strangers += 1
            return stream
        [identity] = identities
        return stream if stream.startswith(f"{identity}-") else f"{identity}-{stream}"

    def report(self) -> None:
        """Say how many streams kept their names as no aggregate claims them, and if tags lack."""
        if self._appliers and self._strangers:
            complain(
                f"streams that keep their names: {self._strangers}; no aggregate of the domain, or "
                "more than one, applies their events"
            )
        if self._has_tags:
            complain(
                "imported events carry no tags: no scope with tags finds them, and boundaries "
                "decide without them"
            )
