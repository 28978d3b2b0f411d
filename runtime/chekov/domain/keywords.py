"""Class keywords, such as `class Account(Aggregate, identity="account")`."""

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Generic

from chekov.errors import DefinitionError

_PASS_ON = (object, Generic)


def refuse_unknown_keywords(cls: type, unknown: Mapping[str, object]) -> None:
    """Refuse class keywords that no base class takes.

    Args:
        cls: the class that is being made.
        unknown: the keywords that are left over.

    Raises:
        DefinitionError: names the class, the keyword and the known ones.
    """
    if not unknown:
        return
    known: list[str] = []
    for base in cls.__mro__[1:]:
        init = vars(base).get("__init_subclass__")
        if init is None or base in _PASS_ON:
            continue
        parameters = inspect.signature(init.__func__).parameters.values()
        known += [item.name for item in parameters if item.kind is item.KEYWORD_ONLY]
    faults = [_sentence(name, known) for name in unknown if name not in known]
    if faults:
        raise DefinitionError(cls.__qualname__, faults)


def _sentence(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f": did you mean {close[0]!r}?" if close else "."
    return f"it has no class keyword {name!r}{hint} It takes {', '.join(known)}"
