"""Decoding events that were recorded under former names, by upcasters."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from chekov.domain.domain import Domain
from chekov.domain.messages import Event
from chekov.domain.upcasting import Data, Origin
from chekov.serialization.personal import shown
from chekov.serialization.stored import StoredEvent


class UpcastDecoder:
    """Applies the upcasters of a domain to recorded events.

    Args:
        read: decodes stored content to plain values.
        personal: event type with personal fields → converts plain values to the event.
    """

    def __init__(
        self,
        domain: Domain,
        read: Callable[[bytes], Data],
        personal: Mapping[type[Event], Callable[[Data], Event]],
    ) -> None:
        self._upcasting = domain.upcasting
        self._types = domain.stored_types
        self._personal = personal
        self._read = read

    def events(self, recorded: StoredEvent, metadata: Mapping[str, Any]) -> list[Event]:
        """The events that a recorded one becomes: one, several or none.

        Raises:
            Undecodable: an upcaster failed.
            Exception: the content cannot be decoded, or an upcaster's result does not fit its type.
        """
        origin = Origin(
            type=recorded.type,
            stream=recorded.stream,
            version=recorded.version,
            position=recorded.position,
            time=recorded.time,
            metadata=MappingProxyType(metadata),
        )
        data = self._read(recorded.data)
        if self._personal:
            data = shown(data)
        return [
            self._event(self._types[name], content)
            for name, content in self._upcasting.results(recorded.type, data, origin)
        ]

    def _event(self, kind: type[Event], content: Data) -> Event:
        convert = self._personal.get(kind)
        if convert is not None:
            return convert(content)
        return msgspec.convert(content, kind, str_keys=True)
