"""Identifiers of instances: the types that they may have, and the values that may name a stream.

The text of an identifier ends the name of its stream, so each instance must have one text only.
Types of which equal values have several texts are refused when the domain is built; texts that look
alike, and values of another type than the declared one, when they are used.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Final, Literal, NewType, get_args, get_origin
from unicodedata import is_normalized, normalize
from uuid import UUID

from chekov.domain.messages import identifier_hint
from chekov.domain.names import NAME_BYTES

_KINDS: Final = (str, int, UUID, date, Enum)
_ALIASING: Final = (bool, datetime)
"""Subclasses of these whose values have several texts, or texts of another type's values."""


def identifier_kind(annotation: Any) -> type | None:
    """The class of the values of `Identifier[annotation]`; `None` if it cannot name instances."""
    annotation = getattr(annotation, "__value__", annotation)  # `type CopyId = UUID`
    if isinstance(annotation, NewType):
        return identifier_kind(annotation.__supertype__)
    if hasattr(annotation, "__metadata__"):  # Annotated[…]
        return identifier_kind(annotation.__origin__)
    if get_origin(annotation) is Literal:
        kinds: set[type] = set(map(type, get_args(annotation)))
        return identifier_kind(kinds.pop()) if len(kinds) == 1 else None
    if not isinstance(annotation, type) or issubclass(annotation, _ALIASING):
        return None
    return annotation if issubclass(annotation, _KINDS) else None


def is_nameable(value: object) -> bool:
    """Whether a value is of a type whose equal values have one text."""
    return isinstance(value, _KINDS) and not isinstance(value, _ALIASING)


def _kind_fault(annotation: Any) -> str:
    """One sentence: why `Identifier[annotation]` cannot name instances."""
    name = getattr(annotation, "__qualname__", None) or str(annotation)
    return (
        f"an identifier of type {name} may be written in several ways, or be None: expected str, "
        "int, UUID, date, an Enum, or a NewType of one of them"
    )


def identifier_fault(identifier: object, kind: type) -> str | None:
    """Why a value cannot name an instance whose identifiers are of the class `kind`, if it cannot.

    Its length depends on the name of the stream; see `length_fault`.
    """
    if type(identifier) is not kind and (
        not isinstance(identifier, kind) or isinstance(identifier, (*_ALIASING, Enum))
    ):
        came = "None" if identifier is None else f"{identifier!r:.60}"
        return f"expected {kind.__qualname__}, got {came} of type {type(identifier).__qualname__}"
    text = str(identifier)
    if text != text.strip():
        return f"{text!r:.60} begins or ends with white space, and looks like another: strip it"
    if not text.isascii() and not is_normalized("NFC", text):
        return (
            f"{text!r:.60} is not in the Unicode normal form NFC, and looks like "
            f"{normalize('NFC', text)!r:.60}: normalize it"
        )
    return None


def identifier_from(text: str, kind: type) -> Any:
    """The identifier of the class `kind` that has this text; `None` if there is none."""
    try:
        if issubclass(kind, Enum):
            return next((member for member in kind if str(member) == text), None)
        identifier = kind.fromisoformat(text) if issubclass(kind, date) else kind(text)
    except (ValueError, TypeError, ArithmeticError):
        return None
    return identifier if str(identifier) == text else None


class StreamIdentifiers:
    """Finds the identifier of an instance in the name of its stream.

    Args:
        kinds: the identity of each aggregate → the class of its identifiers.
    """

    def __init__(self, kinds: Mapping[str, type]) -> None:
        self._kinds = dict(kinds)

    def find(self, stream: str) -> Any:
        """The identifier, or `None` if the stream is of no aggregate.

        Of two identities that fit, such as `bank` and `bank-account`, the longer one counts.
        """
        end = stream.rfind("-")
        while end > 0:
            kind = self._kinds.get(stream[:end])
            if kind is not None:
                identifier = identifier_from(stream[end + 1 :], kind)
                if identifier is not None:
                    return identifier
            end = stream.rfind("-", 0, end)
        return None


def length_fault(identifier: object, prefix: str) -> str:
    """One sentence: why `prefix` and this identifier do not make the name of a stream."""
    return (
        f"{str(identifier)[:60]!r} cannot name a stream: it must have 1 to "
        f"{NAME_BYTES - len(prefix.encode())} bytes of UTF-8, without NUL"
    )


def identifier_kinds(
    identifier_of: Mapping[type, str], aggregate_of: Mapping[type, type], faults: list[str]
) -> dict[type, type]:
    """The class of the identifiers of each aggregate.

    Args:
        identifier_of: command → the field that names its instance.
        aggregate_of: command → the aggregate that executes it.
        faults: is given a sentence for each identifier that cannot name instances, and for each
            aggregate whose commands name them by values of several types.
    """
    kinds: dict[type, dict[str, type]] = {}
    for command, field in identifier_of.items():
        annotation = identifier_hint(command, field)
        kind = identifier_kind(annotation)
        if kind is None:
            faults.append(f"{command.__qualname__}.{field}: {_kind_fault(annotation)}")
        else:
            kinds.setdefault(aggregate_of[command], {})[command.__qualname__] = kind
    for aggregate, found in kinds.items():
        if len(set(found.values())) > 1:
            listed = ", ".join(f"{kind.__qualname__} in {name}" for name, kind in found.items())
            faults.append(
                f"{aggregate.__qualname__}: its instances are named by identifiers of several "
                f"types ({listed}): one instance could have two names, so use one type"
            )
    return {aggregate: next(iter(found.values())) for aggregate, found in kinds.items()}
