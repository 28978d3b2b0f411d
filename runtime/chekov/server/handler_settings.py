"""Settings of handlers as a bundle writes them: `spec.subscriptions`, a list in JSON."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast, get_args

from chekov.domain.failure import ON_FAILURE, Retry
from chekov.domain.handler_definition import HandlerConsistency, HandlerSettings, StartFrom
from chekov.store.start_points import parse_start


def handler_settings(text: str) -> Mapping[str, HandlerSettings]:
    """The settings of each handler by its name.

    Raises:
        ValueError: says what is wrong, and where.
    """
    try:
        items: Any = json.loads(text)
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply: expected a list of objects") from None
    if not isinstance(items, list):
        raise ValueError('it is not a list of objects, such as [{"name": "mailer"}]')  # noqa: TRY004
    found: dict[str, HandlerSettings] = {}
    for number, item in enumerate(cast("list[Any]", items)):
        given = _object(f"[{number}]", item, {"name", *_FIELDS})
        name = given.get("name")
        if not isinstance(name, str):
            raise ValueError(f"[{number}].name must be the name of a handler")  # noqa: TRY004
        if name in found:
            raise ValueError(f"[{number}]: the settings of {name} are given twice")
        values = {
            attribute: parse(f"{name}.{field}", given[field])
            for field, (attribute, parse) in _FIELDS.items()
            if given.get(field) is not None
        }
        found[name] = HandlerSettings(**values)
    return found


def _object(path: str, value: object, known: "set[str]") -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path} must be an object")  # noqa: TRY004
    given = cast("dict[str, Any]", value)
    for name in given:
        if name not in known:
            raise ValueError(f"{path}.{name}: there is {', '.join(sorted(known))}")
    return given


def _retry(path: str, value: object) -> Retry:
    given = _object(path, value, set(_OF_RETRY))
    values = {name: _OF_RETRY[name](f"{path}.{name}", item) for name, item in given.items()}
    return Retry(**values)


def _whole(path: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{path} must be a whole number")  # noqa: TRY004
    return value


def _seconds(path: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{path} must be a number of seconds")  # noqa: TRY004
    return value


def _start(path: str, value: object) -> StartFrom:
    try:
        return parse_start(str(value))
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


def _one_of(*choices: str) -> Callable[[str, object], str]:
    def parse(path: str, value: object) -> str:
        if value not in choices:
            raise ValueError(f"{path} must be {' or '.join(choices)}")
        return str(value)

    return parse


_FIELDS: Final[Mapping[str, tuple[str, Callable[[str, Any], Any]]]] = {
    "retry": ("retry", _retry),
    "onFailure": ("on_failure", _one_of(*ON_FAILURE)),
    "partitions": ("partitions", _whole),
    "startFrom": ("start_from", _start),
    "consistency": ("consistency", _one_of(*get_args(HandlerConsistency))),
}
"""Each field of an entry → the attribute that it sets, and how its value is read."""

_OF_RETRY: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "attempts": _whole,
    "first": _seconds,
    "longest": _seconds,
}
