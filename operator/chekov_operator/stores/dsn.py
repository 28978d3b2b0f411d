"""The servers that a DSN names, parsed as asyncpg does, which connects to them.

Neither an address nor an error ever contains a part of the user or the password.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from chekov.errors import ChekovError

POSTGRES_PORT: Final = 5432
_HIGHEST_PORT: Final = 65535
_IPV6: Final = re.compile(r"\[([^\]]+)\](?::([0-9]+))?")


class UnreadableDsn(ChekovError):
    """A DSN that cannot be parsed. The message quotes nothing of it."""


class Address(NamedTuple):
    """One server that a DSN names: a host name, an IP address or the folder of a Unix socket."""

    host: str
    port: int

    def __str__(self) -> str:
        if self.host.startswith("/"):
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def addresses_of(dsn: str) -> tuple[Address, ...]:
    """Every server that a DSN names, in the order in which they are tried.

    Raises:
        UnreadableDsn: the DSN cannot be parsed.
    """
    parts = _split(dsn)
    hosts = parts.netloc.rpartition("@")[2]
    if hosts:
        return _host_list(hosts, (), is_quoted=True)
    query = _query(parts)
    ports = tuple(_port(text) for text in query["port"].split(",")) if query.get("port") else ()
    if query.get("host"):
        return _host_list(query["host"], ports, is_quoted=False)
    return (Address("localhost", ports[0] if ports else POSTGRES_PORT),)


def addresses_in(text: str) -> tuple[Address, ...]:
    """Parse addresses as `shown` formats them; the result is empty if they are not valid."""
    try:
        return _host_list(text, (), is_quoted=False)
    except UnreadableDsn:
        return ()


def servers(host: str, pod_ports: Iterable[int]) -> list[Address]:
    """What a network policy has to allow: the shown addresses, and ports of pods anywhere."""
    return [*addresses_in(host), *(Address("", port) for port in pod_ports)]


def shown(addresses: Sequence[Address]) -> str:
    """Addresses in the form `one:5432,two:5433`, for a status."""
    return ",".join(map(str, addresses))


def qualified(dsn: str, namespace: str) -> str:
    """The DSN with host names that resolve in every namespace: `db` becomes `db.<namespace>.svc`.

    A pod may use the short name of a Service in its own namespace. The operator runs in another.

    Raises:
        UnreadableDsn: the DSN cannot be parsed.
    """
    addresses_of(dsn)
    parts = _split(dsn)
    login, at, hosts = parts.netloc.rpartition("@")
    if hosts:
        return urlunsplit(parts._replace(netloc=f"{login}{at}{_all_qualified(hosts, namespace)}"))
    if not _query(parts).get("host"):
        return dsn
    pairs = [
        (name, _all_qualified(value, namespace) if name == "host" else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    # Not `urlunsplit`, which drops the "//" before an empty host.
    return f"{dsn.partition('?')[0]}?{urlencode(pairs)}"


def _split(dsn: str) -> SplitResult:
    if not dsn.startswith(("postgresql://", "postgres://")):
        raise UnreadableDsn("it does not begin with postgresql://")
    try:
        parts = urlsplit(dsn)
    except ValueError:
        # The error would quote the DSN.
        raise UnreadableDsn("it is not a URL") from None
    # An unquoted "/", "?", "#" or "@" in a password ends that part of the URL; the rest of the
    # password would be taken for a host, a database or a setting.
    if "#" in dsn or dsn.count("@") > 1 or dsn.count("@") != parts.netloc.count("@"):
        raise UnreadableDsn("'@' may appear once, before the host, and '#' not at all")
    return parts


def _query(parts: SplitResult) -> dict[str, str]:
    if not parts.query:
        return {}
    try:
        found = parse_qs(parts.query, strict_parsing=True)
    except ValueError:
        raise UnreadableDsn("a setting after '?' is not written name=value") from None
    return {name: values[-1] for name, values in found.items()}


def _host_list(text: str, ports: Sequence[int], *, is_quoted: bool) -> tuple[Address, ...]:
    hosts = text.split(",")
    if ports and len(ports) != len(hosts):
        raise UnreadableDsn("it names as many ports as hosts, or none")
    found = [_address(host, is_quoted=is_quoted) for host in hosts]
    if ports:
        found = [Address(one.host, port) for one, port in zip(found, ports, strict=True)]
    return tuple(found)


def _address(text: str, *, is_quoted: bool) -> Address:
    if not text:
        raise UnreadableDsn("a host is empty")
    if text.startswith("/"):
        return Address(text, POSTGRES_PORT)
    if text.startswith("["):
        match = _IPV6.match(text)
        if match is None:
            raise UnreadableDsn("an IPv6 address is not written [address]:port")
        host, port = match.group(1), match.group(2)
    else:
        host, _, port = text.partition(":")
    if is_quoted:
        host, port = unquote(host), unquote(port or "")
    return Address(host, _port(port) if port else POSTGRES_PORT)


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= _HIGHEST_PORT:
        return int(text)
    raise UnreadableDsn(f"a port is not a number from 1 to {_HIGHEST_PORT}")


def _all_qualified(hosts: str, namespace: str) -> str:
    return ",".join(_qualified(host, namespace) for host in hosts.split(","))


def _qualified(text: str, namespace: str) -> str:
    if text.startswith(("[", "/", "%2F", "%2f")):
        return text
    host, colon, port = text.partition(":")
    if not host or "." in host or host == "localhost" or _is_address(host):
        return text
    return f"{host}.{namespace}.svc{colon}{port}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
