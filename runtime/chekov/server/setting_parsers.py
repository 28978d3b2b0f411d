"""What the variables of the settings may hold, and how they are declared."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from chekov.domain.handler_definition import HandlerSettings
from chekov.server.handler_settings import handler_settings

_ENTRYPOINT: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\Z")
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?\Z")
_HIGHEST_PORT: Final = 65535


class InvalidValue(ValueError):
    """Says what the value should have been."""


def setting(name: str, default: object, meaning: str, parse: Callable[[str], object]) -> Any:
    return field(default=default, metadata={"variable": name, "meaning": meaning, "parse": parse})


def text(value: str) -> str:
    return value


def dsn(value: str) -> str:
    if not value.startswith(("postgresql://", "postgres://")):
        raise InvalidValue("a DSN that starts with postgresql://")
    return value


def path(value: str) -> str:
    if not value.startswith("/"):
        raise InvalidValue("an absolute path")
    return value


def key_source(value: str) -> str:
    """An absolute path, or the URL of a key set, which nobody on the way can replace."""
    if value.startswith("/"):
        return value
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        pass
    else:
        if host and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
            return value
    raise InvalidValue("an https URL, or an absolute path")


def origins(value: str) -> Sequence[str]:
    """Origins as browsers send them, or `*`."""
    found = tuple(item.strip() for item in value.split(","))
    if not all(item == "*" or _ORIGIN.match(item) for item in found):
        raise InvalidValue("origins such as https://shop.example, separated by commas, or *")
    return found


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def entrypoint(value: str) -> str:
    if not _ENTRYPOINT.match(value):
        raise InvalidValue("module:object, for example bank:domain")
    return value


def schema(value: str) -> str:
    if not _SCHEMA.match(value):
        raise InvalidValue("a name of lower-case letters, digits and '_', 63 at most")
    return value


def port(value: str) -> int:
    if not value.isdecimal() or int(value) > _HIGHEST_PORT:
        raise InvalidValue("a port from 0 to 65535 (0 takes a free one)")
    return int(value)


def count(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise InvalidValue("a whole number from 1")
    return int(value)


def seconds(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise InvalidValue("a number of seconds, 0 or more")
    return number


def some_seconds(value: str) -> float:
    number = seconds(value)
    if number == 0:
        raise InvalidValue("a number of seconds above 0")
    return number


def switch(value: str) -> bool:
    if value.lower() not in {"true", "false", "1", "0"}:
        raise InvalidValue("true or false")
    return value.lower() in {"true", "1"}


def handlers(value: str) -> Mapping[str, HandlerSettings]:
    try:
        return handler_settings(value)
    except ValueError as error:
        raise InvalidValue(f"spec.subscriptions of a bundle as JSON ({error})") from None


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in choices:
            raise InvalidValue(f"one of {', '.join(choices)}")
        return value.lower()

    return parse
