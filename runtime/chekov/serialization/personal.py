"""Decoding events with personal fields, whose forgotten values become `FORGOTTEN`."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar, cast, get_type_hints

import msgspec

from chekov.domain.domain import Domain
from chekov.domain.messages import Event
from chekov.domain.personal import FORGOTTEN, PersonalFields
from chekov.domain.serializer import Serializer
from chekov.serialization.serializers import JSON_BEGINS, MessagePack

E = TypeVar("E", bound=Event)

Content = dict[str, Any]
Convert = Callable[[Content], Event]

SEALED: Final = "$sealed"
"""The only member of a sealed field's object: the ciphertext, or `null` when its key is gone."""

_MARK: Final = SEALED.encode()


def sealed_finder(serializer: Serializer | None) -> Callable[[bytes], bool]:
    """A function that says whether the content of an event may have a sealed field."""
    shows_text = serializer is None or isinstance(serializer, MessagePack)

    def may_be_sealed(data: bytes) -> bool:
        # The mark cannot be seen in the content of other serializers, which may compress.
        return _MARK in data or not (shows_text or data.startswith(JSON_BEGINS))

    return may_be_sealed


def converters(domain: Domain) -> Mapping[type[Event], Convert]:
    """Event type with personal fields → a function that converts plain values to the event.

    It raises `ValueError` when a value is still sealed.
    """
    return {kind: _converter(kind, personal) for kind, personal in domain.personal.items()}


def forgetful(
    decode: Callable[[bytes], E],
    required: tuple[str, ...],
    read: Callable[[bytes], Content],
    convert: Callable[[Content], Event],
    may_be_sealed: Callable[[bytes], bool],
) -> Callable[[bytes], E]:
    """A decoder of events whose personal fields may be forgotten.

    Args:
        decode: decodes content without forgotten values.
        required: the personal fields that are never `None`.
        read: decodes any content to plain values.
        convert: converts these to an event.
        may_be_sealed: whether content may have a sealed field.
    """

    def forgetfully(data: bytes) -> E:
        if may_be_sealed(data):
            return cast("E", convert(read(data)))
        try:
            event = decode(data)
        except Exception:
            # `__post_init__` may have met a `None` that stands for a forgotten value.
            content = read(data)
            if any(content.get(name, ...) is None for name in required):
                return cast("E", convert(content))
            raise
        if any(getattr(event, name) is None for name in required):
            return cast("E", convert(read(data)))
        return event

    return forgetfully


def shown(content: Content) -> Content:
    """Plain values with `FORGOTTEN` for each forgotten one, for upcasters."""
    return {
        name: FORGOTTEN if _is_forgotten(value, required=False) else value
        for name, value in content.items()
    }


def sealed_text(value: object) -> str | None:
    """The ciphertext in a plain value; `None` when it is not sealed, or its key is gone."""
    text = cast("Content", value)[SEALED] if _is_sealed(value) else None
    return text if isinstance(text, str) else None


def _converter(kind: type[Event], personal: PersonalFields) -> Convert:
    hints = get_type_hints(kind, include_extras=True)
    own = {item.name: hints[item.name] for item in fields(cast("Any", kind))}

    def convert(content: Content) -> Event:
        forgotten = {
            name: FORGOTTEN
            for name in personal.names
            if name in content and _is_forgotten(content[name], required=name in personal.required)
        }
        for name in personal.names:
            if sealed_text(content.get(name)) is not None:
                raise ValueError(
                    f"{name} is still encrypted: it was not read from `Runtime.unsealed`, the "
                    "master key is another one, or the ciphertext was changed"
                )
        if not forgotten:
            return msgspec.convert(content, kind, str_keys=True)
        # By its constructor, so that `__post_init__` sees the forgotten values.
        values = {
            name: msgspec.convert(content[name], own[name], str_keys=True)
            for name in own
            if name in content and name not in forgotten
        }
        return kind(**values, **forgotten)

    return convert


def _is_forgotten(value: object, *, required: bool) -> bool:
    if value is None:
        return required
    return value is FORGOTTEN or (_is_sealed(value) and cast("Content", value)[SEALED] is None)


def _is_sealed(value: object) -> bool:
    return isinstance(value, dict) and len(cast("Content", value)) == 1 and SEALED in value
