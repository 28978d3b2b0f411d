"""Refusals by a rule of the domain, made from what was written about them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, get_type_hints

import msgspec

from chekov.errors import Rejected
from chekov.errors.rejection import rebuilt


def rejection_of(code: str, message: str, fields: Mapping[str, Any], *, path: str = "") -> Rejected:
    """A refusal as the class that this process knows by its code, or as a `Rejected`.

    Its fields have the types of their annotations; other attributes, and values that do not fit
    these, are as JSON gives them back.

    Args:
        code: of its class.
        message: what is said about it.
        fields: the attributes.
        path: of its class, which is preferred to others with the same code; see `path_of`.
    """
    known = [kind for kind in _subclasses(Rejected) if kind.__chekov__.code == code]
    known.sort(key=lambda kind: path_of(kind) != path)
    kind = known[0] if known else Rejected
    attributes = dict(fields)
    for name, annotation in _annotations(kind).items():
        if name in attributes:
            with suppress(msgspec.ValidationError, TypeError):
                attributes[name] = msgspec.convert(attributes[name], annotation)
    return rebuilt(kind, message, attributes)


def path_of(kind: type) -> str:
    """Module and name of a class, which distinguish it from others with the same code."""
    return f"{kind.__module__}.{kind.__qualname__}"


@lru_cache
def _annotations(kind: type[Rejected]) -> Mapping[str, Any]:
    """The annotations of its fields; none if one of them cannot be evaluated."""
    try:
        hints = get_type_hints(kind)
    except (NameError, TypeError, AttributeError):
        return {}
    return {name: hints[name] for name in kind.__chekov__.fields}


def _subclasses(kind: type[Rejected]) -> Iterator[type[Rejected]]:
    for item in kind.__subclasses__():
        yield item
        yield from _subclasses(item)
