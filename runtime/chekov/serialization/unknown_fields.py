"""Fields in a JSON document that its type does not have, at any depth.

Decoders ignore them, which is right for stored events and wrong for what a client sends: a misspelt
optional field would be dropped.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, cast

from msgspec import inspect

Find: TypeAlias = Callable[[Any], str | None]
"""The path to the first unknown field in a plain value, such as `.lines[0].prize`, or `None`."""


def unknown_field_finder(kind: type) -> Find:
    """Return a function that looks for unknown fields in plain values that fit a message type."""
    found = _Finders().of(inspect.type_info(kind))
    return found or _nowhere


def has_nested_objects(kind: type) -> bool:
    """Whether a field of a message type may hold an object with named fields, at any depth."""
    fields: Any = getattr(inspect.type_info(kind), "fields", ())
    return any(_Finders().of(item.type) is not None for item in fields)


class _Finders:
    """Makes finders, one for each class, as a class may contain itself."""

    def __init__(self) -> None:
        self._known: dict[Any, Find] = {}

    def of(self, kind: Any) -> Find | None:
        """The finder of a type; `None` if it has no objects with named fields."""
        if isinstance(kind, inspect.Metadata):
            return self.of(kind.type)
        if isinstance(kind, inspect.UnionType):
            return self._of_union(kind.types)
        if isinstance(kind, inspect.DictType):
            return _in_values(self.of(kind.value_type))
        if isinstance(kind, inspect.TupleType):
            return _in_items([self.of(item) for item in kind.item_types])
        if hasattr(kind, "item_type"):
            return _in_each(self.of(kind.item_type))
        if isinstance(kind, inspect.NamedTupleType) or getattr(kind, "array_like", False):
            skipped = [None] if getattr(kind, "tag_field", None) else []
            return _in_items([*skipped, *(self.of(item.type) for item in kind.fields)])
        return self._of_object(kind) if hasattr(kind, "fields") else None

    def _of_object(self, kind: Any) -> Find:
        if kind.cls in self._known:
            return self._known[kind.cls]
        tag = getattr(kind, "tag_field", None)
        fields: dict[str, Find | None] = {} if tag is None else {tag: None}

        def find(value: Any) -> str | None:
            for name, item in _members(value):
                if name not in fields:
                    return f".{name}"
                inner = fields[name]
                found = None if inner is None else inner(item)
                if found is not None:
                    return f".{name}{found}"
            return None

        self._known[kind.cls] = find
        fields.update({item.encode_name: self.of(item.type) for item in kind.fields})
        return find

    def _of_union(self, types: Iterable[Any]) -> Find | None:
        """Several classes have tags; of all others, a union has one of each kind."""
        tagged = [item for item in types if getattr(item, "tag_field", None) is not None]
        by_tag = {item.tag: self.of(item) for item in tagged}
        finders = [self.of(item) for item in types if item not in tagged]
        others: list[Find] = [find for find in finders if find is not None]
        if not by_tag and not others:
            return None

        def find(value: Any) -> str | None:
            chosen = others
            if tagged and isinstance(value, dict):
                own = by_tag.get(dict(_members(value)).get(tagged[0].tag_field))
                chosen = [own] if own else others
            elif tagged and isinstance(value, list) and value:
                own = by_tag.get(value[0]) if isinstance(value[0], str | int) else None
                chosen = [own] if own else others
            return next((found for one in chosen if (found := one(value)) is not None), None)

        return find


def _in_each(find: Find | None) -> Find | None:
    if find is None:
        return None
    return lambda value: _first((f"[{index}]", find, item) for index, item in _items(value))


def _in_items(finders: Sequence[Find | None]) -> Find | None:
    if not any(finders):
        return None

    def find(value: Any) -> str | None:
        pairs = zip(_items(value), finders, strict=False)
        return _first((f"[{at}]", one, item) for (at, item), one in pairs if one is not None)

    return find


def _in_values(find: Find | None) -> Find | None:
    if find is None:
        return None

    return lambda value: _first((f".{key}", find, item) for key, item in _members(value))


def _members(value: Any) -> Iterable[tuple[str, Any]]:
    return cast("dict[str, Any]", value).items() if isinstance(value, dict) else ()


def _items(value: Any) -> Iterable[tuple[int, Any]]:
    return enumerate(cast("list[Any]", value) if isinstance(value, list) else ())


def _first(looked: Iterable[tuple[str, Find, Any]]) -> str | None:
    for place, find, item in looked:
        found = find(item)
        if found is not None:
            return place + found
    return None


def _nowhere(_: Any) -> None:
    return None
