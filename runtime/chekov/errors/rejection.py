"""Refusals by a rule of the domain, with what they say about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, NamedTuple, TypeVar, cast, dataclass_transform

from chekov.errors.base import ChekovError
from chekov.errors.definition import DefinitionError

R = TypeVar("R", bound="Rejected")

MEMBERS: Final = frozenset(
    {
        "correlation_id", "detail", "instance", "rejection", "request_id", "status", "title",
        "trace_id", "type",
    }
)  # fmt: skip
"""Members of the problem document of every rejection, beside its fields."""

_RESERVED: Final = MEMBERS | {"args", "message"}
"""These, and attributes of every exception."""


class RejectionDefinition(NamedTuple):
    """What the class statement of a rejection says.

    Attributes:
        code: its name in problem documents and in the store.
        fields: the names of its fields.
        initialized: whether these make its `__init__`, and not its author.
        message: the default.
    """

    code: str
    fields: tuple[str, ...]
    initialized: bool
    message: str


def _check(name: str, definition: RejectionDefinition) -> None:
    faults = [
        f"its field {taken!r} has the name of a member of every problem document, or of an "
        "attribute of every exception: rename it"
        for taken in definition.fields
        if taken in _RESERVED
    ]
    if not definition.code or not definition.code.isprintable():
        faults.append(f"code {definition.code!r} must be printable and not empty")
    if faults:
        raise DefinitionError(name, faults)


@dataclass_transform(eq_default=False, kw_only_default=True, field_specifiers=(field,))
class _Rejection(ChekovError):
    """Makes dataclasses of its subclasses: checkers would not see `Rejected` itself as one."""

    __chekov__: ClassVar[RejectionDefinition] = RejectionDefinition(
        code="", fields=(), initialized=True, message=""
    )

    def __init_subclass__(cls, *, code: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            unknown = ", ".join(map(repr, kwargs))
            raise DefinitionError(
                cls.__qualname__, [f"it has no class keyword {unknown}: it takes code"]
            )
        super().__init_subclass__()
        text = cls.__doc__
        initialized = cls.__chekov__.initialized and "__init__" not in vars(cls)
        dataclass(kw_only=True, eq=False, repr=False, init=initialized)(cls)
        cls.__doc__ = text  # a dataclass without one is given its signature
        names = tuple(item.name for item in fields(cast("Any", cls)) if item.name != "message")
        cls.__chekov__ = RejectionDefinition(
            code=cls.__name__ if code is None else code,
            fields=names,
            initialized=initialized,
            message=(text or cls.__name__).strip().splitlines()[0],
        )
        _check(cls.__qualname__, cls.__chekov__)


class Rejected(_Rejection):
    """A business rule refuses the command; nothing was stored. Domains subclass it.

    A subclass may have fields, as a dataclass with keywords. They are members of the problem
    document over HTTP, and come back with the refusal of a process manager's command:

        class Overdrawn(Rejected, code="overdrawn"):
            \"\"\"The balance does not cover the amount.\"\"\"

            balance: int

        raise Overdrawn(balance=3)

    Attributes:
        message: what is said about it; the first line of the docstring by default.

    Class keywords:
        code: its name in problem documents and in the store; the class name when left out.
    """

    message: str | None = field(default=None, kw_only=False)

    def __post_init__(self) -> None:
        if self.message is None:
            self.message = self.__chekov__.message
        self.args = (self.message,)

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is copied by calling its class with `args`, without the keywords.
        return rebuilt, (type(self), str(self), vars(self))


def fields_of(error: Rejected) -> dict[str, Any]:
    """The fields of a rejection that have a value, by name, without the message."""
    return {name: getattr(error, name) for name in error.__chekov__.fields if hasattr(error, name)}


def rebuilt(kind: type[R], message: str, attributes: Mapping[str, Any]) -> R:
    """A rejection with this message and these attributes, without calling its `__init__`."""
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    vars(error).update(attributes, message=message)
    return error
