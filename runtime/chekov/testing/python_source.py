"""Values as Python source, with the imports that this needs."""

import datetime as dt
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final, cast
from uuid import UUID

from chekov.domain.personal import FORGOTTEN
from chekov.errors import InvalidArgument

_PLAIN: Final = (str, int, float, bool, bytes, type(None))
_TIMES: Final = (dt.datetime, dt.date, dt.time, dt.timedelta)
_NOT_FINITE: Final = frozenset({"nan", "inf", "-inf"})


class PythonSource:
    """Writes values, and keeps the names that it used."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}
        self._modules: set[str] = set()

    def imports(self, *further: tuple[str, str]) -> list[str]:
        """The import statements for everything so far, and for further names of modules."""
        names = {module: set(used) for module, used in self._names.items()}
        for module, name in further:
            names.setdefault(module, set()).add(name)
        lines = {
            **{module: f"import {module}" for module in self._modules},
            **{
                f"{module} ": f"from {module} import {', '.join(sorted(used))}"
                for module, used in names.items()
            },
        }
        own = [key for key in lines if key.strip().partition(".")[0] in sys.stdlib_module_names]
        others = [key for key in lines if key not in own]
        gap = [""] if own and others else []
        return [*(lines[key] for key in sorted(own)), *gap, *(lines[key] for key in sorted(others))]

    def name(self, kind: type) -> str:
        """A class, which can be imported."""
        top = kind.__qualname__.partition(".")[0]
        homes = [module for module, used in self._names.items() if top in used]
        if homes and homes != [kind.__module__]:  # another class has the name
            self._modules.add(kind.__module__)
            return f"{kind.__module__}.{kind.__qualname__}"
        self._names.setdefault(kind.__module__, set()).add(top)
        return kind.__qualname__

    def value(self, value: object) -> str:
        """A value as an expression that equals it.

        Raises:
            InvalidArgument: its type is not one of those that fields have.
        """
        if value is FORGOTTEN:
            self._names.setdefault("chekov", set()).add("FORGOTTEN")
            return "FORGOTTEN"
        if isinstance(value, Enum):
            return f"{self.name(type(value))}.{value.name}"
        if type(value) is float and repr(value) in _NOT_FINITE:
            return f'float("{value!r}")'
        if type(value) in _PLAIN:
            return repr(value)
        if type(value) in (UUID, Decimal):
            return f"{self.name(type(value))}({str(value)!r})"
        if type(value) in _TIMES:
            self._modules.add("datetime")
            return repr(value)
        return self._composed(value)

    def _composed(self, value: object) -> str:
        if is_dataclass(value) and not isinstance(value, type):
            members = [
                f"{item.name}={self.value(getattr(value, item.name))}"
                for item in fields(value)
                if item.init
            ]
            return f"{self.name(type(value))}({', '.join(members)})"
        if isinstance(value, Mapping):
            pairs = cast("Mapping[object, object]", value).items()
            return f"{{{', '.join(f'{self.value(k)}: {self.value(v)}' for k, v in pairs)}}}"
        kind: Any = type(value)
        if kind in (list, tuple, set, frozenset):
            items = [self.value(item) for item in cast("list[object]", value)]
            if kind is list:
                return f"[{', '.join(items)}]"
            if kind is tuple:
                return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
            return f"{kind.__name__}([{', '.join(sorted(items))}])"
        raise InvalidArgument(
            f"a value of the type {kind.__qualname__} cannot be written in Python"
        )
