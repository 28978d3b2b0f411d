"""Results of queries, as the types that their methods declare."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec

from chekov.errors import ChekovError


class UnexpectedResult(ChekovError):
    """A query returned something else than the type that its method is annotated with.

    Attributes:
        query: its projection and name.
    """

    def __init__(self, query: str, reason: str) -> None:
        self.query = query
        super().__init__(
            f"the query {query} does not return what its annotation says: {reason}; change the "
            "annotation, or what is selected"
        )


def as_declared(query: str, value: object, declared: Any) -> object:
    """The result of a query as an instance of the type in its annotation.

    Rows become the dataclass that is declared, or dicts; columns that it does not have are left
    out. Whole numbers of the type `numeric`, as sums are, become integers.

    Args:
        query: its projection and name, for errors.
        value: what the method returned.
        declared: its annotation, `None` without one; a type that cannot be converted to, such as a
            protocol, is not checked.

    Raises:
        UnexpectedResult: it does not fit.
    """
    if declared is None:
        return value
    plain = _plain(value)
    try:
        return msgspec.convert(plain, declared, strict=False)
    except (msgspec.ValidationError, RecursionError) as error:
        if isinstance(plain, Decimal) and plain.is_finite() and plain == int(plain):
            return as_declared(query, int(plain), declared)
        raise UnexpectedResult(query, str(error)) from error
    except (TypeError, NameError):
        return value


def _plain(value: object) -> object:
    """Return rows as dicts, wherever they are."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    if type(value) is tuple:  # not a named one, whose type says more
        return tuple(_plain(item) for item in cast("tuple[object, ...]", value))
    if isinstance(value, Mapping) or (hasattr(value, "keys") and hasattr(value, "items")):
        row = cast("Mapping[object, object]", value)
        return {key: _plain(item) for key, item in row.items()}
    return value
