"""What a DSN says that asyncpg does not check, and what of it no message may show."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlsplit

from chekov.errors import StoreError

_SCHEMES: Final = ("postgresql://", "postgres://")
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_PASSWORDS: Final = ("password", "sslpassword")
_HIGHEST_PORT: Final = 65535
_ENCODE: Final = "write them in percent-encoding: / as %2F, ? as %3F, # as %23, @ as %40, [ as %5B"


def check_dsn(dsn: str) -> None:
    """Check a DSN before it is used: what asyncpg says of one may quote parts of a password.

    Raises:
        StoreError: it is invalid, or names files that cannot be read. Nothing of it is quoted but
            the path of a file.
    """
    parts = _split(dsn)
    settings = _settings(parts)
    if len(hosts := _hosts(parts)) > 1 and "" in hosts:
        raise _invalid("one of its hosts is empty")
    for port in _ports(parts, settings):
        if not (port.isascii() and port.isdecimal() and 0 < int(port) <= _HIGHEST_PORT):
            raise _invalid(f"a port is not a number from 1 to {_HIGHEST_PORT}")
    for name in _FILES:
        path = settings.get(name)
        if path and not os.access(path, os.R_OK):
            reason = "cannot be read by this user" if Path(path).exists() else "does not exist"
            raise StoreError(f"{name} in the DSN of the store names {path}, which {reason}")


def secrets_of(dsn: str) -> tuple[str, ...]:
    """What is to be replaced in messages, longest first, also of a DSN that is invalid."""
    login = dsn.partition("://")[2].rpartition("@")[0]
    found = {dsn, login.partition(":")[2]}
    pairs = (pair.partition("=") for pair in dsn.partition("?")[2].split("&"))
    found |= {value for name, _, value in pairs if name in _PASSWORDS}
    found |= {value for name, value in parse_qsl(dsn.partition("?")[2]) if name in _PASSWORDS}
    found |= {unquote(secret) for secret in found}
    return tuple(sorted(found - {""}, key=len, reverse=True))


def _split(dsn: str) -> SplitResult:
    if not dsn.startswith(_SCHEMES):
        raise _invalid("it does not begin with postgresql://")
    try:
        parts = urlsplit(dsn)
    except ValueError:
        raise _invalid(
            f"it is not a URL; if its password has special characters, {_ENCODE}"
        ) from None
    # An unquoted character ends that part of the URL: the rest of a password would be taken for a
    # host, a database or a setting.
    if "#" in dsn or dsn.count("@") != ("@" in parts.netloc):
        raise _invalid(f"it has special characters before or after the host; {_ENCODE}")
    return parts


def _settings(parts: SplitResult) -> dict[str, str]:
    if not parts.query:
        return {}
    try:
        found = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise _invalid("a setting after '?' is not written name=value") from None
    return {name: values[-1] for name, values in found.items()}


def _hosts(parts: SplitResult) -> list[str]:
    return parts.netloc.rpartition("@")[2].split(",")


def _ports(parts: SplitResult, settings: dict[str, str]) -> Iterator[str]:
    for host in _hosts(parts):
        port = host.rpartition("]")[2] if host.startswith("[") else host
        if ":" in port:
            yield unquote(port.partition(":")[2])
    if settings.get("port"):
        yield from settings["port"].split(",")


def _invalid(reason: str) -> StoreError:
    return StoreError(f"the DSN of the store is invalid: {reason}")
