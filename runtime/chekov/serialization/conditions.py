"""Conditions of appends, as they are kept in the metadata of the events that met them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from chekov.domain.scope import Scope, ScopeItem

CONDITION: Final = "$condition"
"""The member of the metadata."""

RECENT_SCOPES: Final = 1024
"""How many scopes are remembered: those of the decisions that are under way."""

_MEMBER: Final = b'"$condition":'


class _Item(msgspec.Struct, omit_defaults=True):
    types: list[str] = []
    tags: list[str] = []


class KeptCondition(msgspec.Struct, omit_defaults=True):
    """What an append demanded of events and streams that it did not write.

    Attributes:
        after: the position since when nothing in scope was stored; `None` without such a demand.
        scope: the items of the scope.
        unchanged: streams and their versions.
    """

    after: int | None = None
    scope: list[_Item] = []
    unchanged: dict[str, int] = {}

    def as_scope(self) -> Scope:
        """The scope."""
        return Scope(
            tuple(
                ScopeItem(types=frozenset(item.types), tags=frozenset(item.tags))
                for item in self.scope
            )
        )


class _Metadata(msgspec.Struct, rename={"condition": CONDITION}):
    condition: KeptCondition | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Metadata).decode


@lru_cache(maxsize=RECENT_SCOPES)
def scope_items(scope: Scope) -> tuple[bytes, ...]:
    """The items of a scope as objects in JSON, each in one order; those of recent ones are kept.

    A scope is read, kept with the first event, and checked: to encode it each time would take a
    tenth of an append.
    """
    return tuple(_encode(_Item(sorted(item.types), sorted(item.tags))) for item in scope.items)


def scope_text(scope: Scope) -> str:
    """The items of a scope as a list in JSON."""
    return (b"[" + b",".join(scope_items(scope)) + b"]").decode()


def with_condition(
    metadata: bytes | None,
    scope: Scope | None,
    after: int,
    unchanged: Mapping[str, int] | None,
) -> bytes:
    """Metadata, a JSON object or nothing, that keeps a condition too.

    As its last member: what led to the command is looked for at the beginning.
    """
    kept: list[bytes] = []
    if scope is not None:
        kept.append(b'"after":%d,"scope":[%s]' % (after, b",".join(scope_items(scope))))
    if unchanged:
        kept.append(b'"unchanged":' + _encode(dict(unchanged)))
    rest = (metadata or b"{}").strip()[:-1].rstrip()
    return b"%s%s%s{%s}}" % (rest, b"" if rest == b"{" else b",", _MEMBER, b",".join(kept))


def kept_condition(metadata: bytes | None) -> KeptCondition | None:
    """The condition that metadata keeps, if it keeps one.

    Raises:
        ValueError: it may keep one, and cannot be read.
    """
    if metadata is None or b"$condition" not in metadata or not metadata.lstrip().startswith(b"{"):
        return None
    try:
        return _decode(metadata).condition
    except msgspec.DecodeError as error:
        raise ValueError(f"a kept condition: {error}") from error
