"""Sealing and opening the personal fields of one event: bytes in, bytes out.

A sealed field holds `{"$sealed": "<key id>.<nonce and ciphertext in Base64>"}`. The value is bound
to the event's id and type and to the field: it cannot be opened anywhere else.
"""

import base64
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.names import OWN, is_name
from chekov.domain.personal import PersonalFields
from chekov.errors import InvalidAppend
from chekov.serialization.contents import AnyContents, Contents
from chekov.store.port import NewEvent, RecordedEvent
from chekov.store.sealing.cipher import Tampered
from chekov.store.sealing.keyring import Sealer


class Value(NamedTuple):
    """A sealed value."""

    key: UUID
    sealed: bytes


class Apart(NamedTuple):
    """An event with sealed fields, split into them."""

    event: RecordedEvent
    contents: Contents
    fields: dict[str, Any]
    values: Mapping[str, Value]


class EventSealing:
    """Seals and opens the events of a domain.

    Args:
        domain: says which fields are personal.
        contents: splits events into fields.
    """

    def __init__(self, domain: Domain, contents: AnyContents) -> None:
        self._contents = contents
        self._personal = {
            definition_of(kind).name: found for kind, found in domain.personal.items()
        }

    def subject(self, stream: str, event: NewEvent) -> str | None:
        """The subject of a new event's personal fields; `None` when it has none.

        Raises:
            InvalidAppend: its subject field holds no valid subject.
        """
        personal = self._personal.get(event.type)
        if personal is None:
            return None
        if personal.subject is None:
            return stream
        contents, fields = self._apart(event)
        found = contents.plain(fields.get(personal.subject))
        subject = "" if found is None else str(found)
        if not is_name(subject) or subject.startswith(OWN):
            raise InvalidAppend(
                f"{event.type}: its subject, in {personal.subject}, must be 1 to 1000 bytes of "
                f"UTF-8 without NUL and must not start with {OWN}"
            )
        return subject

    def sealed(self, event: NewEvent, sealer: Sealer) -> NewEvent:
        """A new event with its personal fields sealed.

        Raises:
            InvalidAppend: a personal field holds an object that is read as a sealed value.
        """
        personal = self._personal[event.type]
        contents, fields = self._apart(event)
        for name in self._to_seal(personal, contents, fields):
            if contents.text_of(fields[name]) is not None:
                raise InvalidAppend(f"{event.type}.{name} holds an object with $sealed alone")
            value = contents.bytes_of(fields[name])
            sealed = sealer.cipher.seal(value, _bound_to(event.id, event.type, name))
            text = base64.urlsafe_b64encode(sealed).decode()
            fields[name] = contents.sealed(f"{sealer.id}.{text}")
        return event._replace(data=contents.join(fields))

    def apart(self, event: RecordedEvent) -> Apart | None:
        """An event split into its fields; `None` when none of them is sealed."""
        if not self._contents.may_be_sealed(event.data):
            return None
        contents = self._contents.of(event.data)
        if contents is None:
            return None
        try:
            fields = contents.split(event.data)
        except Exception:  # noqa: BLE001 any error of a serializer: the codec reports it
            return None
        texts = {name: contents.text_of(field) for name, field in fields.items()}
        values = {name: value for name, text in texts.items() if text and (value := _value(text))}
        return Apart(event, contents, fields, values) if values else None

    def opened(self, apart: Apart, keys: Mapping[UUID, Sealer | None]) -> RecordedEvent:
        """The event with its sealed values opened.

        A value whose key was deleted becomes `{"$sealed": null}`. One that its key does not open,
        or whose key cannot be used, stays as it is, and the codec refuses it.
        """
        event, contents, fields, values = apart
        for name, (key, sealed) in values.items():
            if key not in keys:
                continue
            sealer = keys[key]
            if sealer is None:
                fields[name] = contents.sealed(None)
                continue
            try:
                value = sealer.cipher.open(sealed, _bound_to(event.id, event.type, name))
            except Tampered:
                continue
            fields[name] = contents.field_of(value)
        return event._replace(data=contents.join(fields))

    def _apart(self, event: NewEvent) -> tuple[Contents, dict[str, Any]]:
        contents = self._contents.of(event.data)
        if contents is None:
            raise InvalidAppend(f"{event.type} has personal fields, and its data cannot be read")
        return contents, contents.split(event.data)

    def _to_seal(
        self, personal: PersonalFields, contents: Contents, fields: Mapping[str, Any]
    ) -> Sequence[str]:
        """The personal fields that hold a value.

        `null` in place of a required value is a value that was forgotten.
        """
        return [
            name
            for name in personal.names
            if name in fields
            and (name not in personal.required or contents.plain(fields[name]) is not None)
        ]


def _value(text: str) -> Value | None:
    key, _, sealed = text.partition(".")
    try:
        return Value(UUID(key), base64.b64decode(sealed, altchars=b"-_", validate=True))
    except (ValueError, NotBase64):
        return None


def _bound_to(id_: UUID, type_: str, field: str) -> bytes:
    return b"\0".join((id_.bytes, type_.encode(), field.encode()))
