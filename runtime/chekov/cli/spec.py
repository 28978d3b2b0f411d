"""`chekov spec`: writes a test of a domain from what is stored."""

import asyncio
from argparse import Namespace
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from chekov.cli.output import complain, show
from chekov.cli.received import recorded
from chekov.cli.service import Service, api_of
from chekov.cli.store import opened, store_settings
from chekov.domain.event_filter import EventFilter
from chekov.server.domain_loader import configured_domain
from chekov.server.settings import Settings
from chekov.store.port import RecordedEvent
from chekov.testing.spec_writer import history_until, write_spec

_WRONG_USAGE: Final = 2
_PAGE: Final = 500


def spec(arguments: Namespace) -> int:
    """Write a test about the command that stored one event."""
    stream, _, number = arguments.event.rpartition("@")
    if not stream or not number.isdecimal() or not number.isascii():
        complain(f"{arguments.event!r} is not STREAM@VERSION, as account-7@3")
        return _WRONG_USAGE
    domain_settings = Settings.read(overrides={"CHEKOV_DOMAIN": arguments.domain})
    domain_settings.require("domain")
    service = api_of(arguments)
    if service is None:
        events = _of_store(store_settings(arguments), stream)
    else:
        events = _of_service(service, stream)
    domain = configured_domain(domain_settings)
    history = asyncio.run(_read(events, int(number)))
    show(write_spec(domain, stream, history, int(number)).rstrip())
    return 0


async def _read(events: AsyncGenerator[RecordedEvent], version: int) -> Sequence[RecordedEvent]:
    async with aclosing(events):
        return await history_until(events, version)


async def _of_store(settings: Settings, stream: str) -> AsyncGenerator[RecordedEvent]:
    async with opened(settings) as store:
        await store.streams.info(stream)  # there has to be one
        after = 0
        while page := await store.read_stream(stream, after=after, limit=_PAGE):
            for event in page:
                yield event
            after = page[-1].version


async def _of_service(service: Service, stream: str) -> AsyncGenerator[RecordedEvent]:
    async with service.client() as client:
        received = client.events(filter=EventFilter(stream=stream))
        async with aclosing(received):
            async for event in received:
                yield recorded(event)
