"""Conditions of appends, as they are kept in the metadata of the events that met them."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from chekov.domain.scope import Scope, ScopeItem

CONDITION: Final = "$condition"
"""The member of the metadata."""

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


def scope_items(scope: Scope) -> list[dict[str, Any]]:
    """The items of a scope as JSON has them, each in one order."""
    return [
        msgspec.to_builtins(_Item(sorted(item.types), sorted(item.tags))) for item in scope.items
    ]


def with_condition(
    metadata: bytes | None,
    scope: Scope | None,
    after: int | None,
    unchanged: Mapping[str, int] | None,
) -> bytes:
    """Metadata, a JSON object or nothing, that keeps a condition too.

    As its last member: what led to the command is looked for at the beginning.
    """
    items = (
        []
        if scope is None
        else [_Item(sorted(item.types), sorted(item.tags)) for item in scope.items]
    )
    kept = _MEMBER + _encode(KeptCondition(after, items, dict(unchanged or {})))
    rest = (metadata or b"{}").strip()[:-1].rstrip()
    return rest + (b"" if rest == b"{" else b",") + kept + b"}"


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
