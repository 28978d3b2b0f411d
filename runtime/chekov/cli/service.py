"""The service that a command's options, or else the environment, name by its URL."""

import os
import ssl
from argparse import Namespace
from pathlib import Path
from typing import NamedTuple

from chekov.client import Client, ManagementClient
from chekov.server.settings import SettingsError


class Service(NamedTuple):
    """Where a service is, and how it is asked."""

    url: str
    token: str | None
    tls: ssl.SSLContext | None

    def client(self, timeout: float = 30.0) -> Client:
        """A client of the API."""
        return Client(self.url, token=self.token, tls=self.tls, timeout=timeout)

    def management(self) -> ManagementClient:
        """A client of the management port."""
        return ManagementClient(self.url, token=self.token, tls=self.tls)


def api_of(arguments: Namespace) -> Service | None:
    """The API that `--url` or CHEKOV_URL names; `None` if a store is named instead, or nothing.

    Raises:
        SettingsError: a file cannot be read.
    """
    return _service(arguments, "CHEKOV_URL", "CHEKOV_TOKEN")


def management_of(arguments: Namespace) -> Service | None:
    """The management port that `--url` or CHEKOV_MANAGEMENT_URL names, in the same way.

    Raises:
        SettingsError: a file cannot be read.
    """
    return _service(arguments, "CHEKOV_MANAGEMENT_URL", "CHEKOV_MANAGEMENT_TOKEN")


def required_api(arguments: Namespace) -> Service:
    """The API that `--url` or CHEKOV_URL names.

    Raises:
        SettingsError: neither does, or a file cannot be read.
    """
    service = api_of(arguments)
    if service is None:
        raise SettingsError(["CHEKOV_URL is not set, and --url is missing: name the service"])
    return service


def _service(arguments: Namespace, url: str, token: str) -> Service | None:
    if getattr(arguments, "dsn", None) is not None and arguments.url is None:
        return None
    address = arguments.url or os.environ.get(url)
    if not address:
        return None
    return Service(address, _token(arguments, token), _tls(arguments))


def _token(arguments: Namespace, variable: str) -> str | None:
    if arguments.token is not None:
        return str(arguments.token)
    file = arguments.token_file
    if file is None:
        given = os.environ.get(variable)
        file = os.environ.get("CHEKOV_TOKEN_FILE") if variable == "CHEKOV_TOKEN" else None
        if given or not file:
            return given or None
    try:
        return Path(file).read_text().strip().partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"the file with the token cannot be read: {error}"]) from None


def _tls(arguments: Namespace) -> ssl.SSLContext | None:
    file = arguments.ca_file or os.environ.get("CHEKOV_CA_FILE")
    if not file:
        return None
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:
        raise SettingsError([f"{file} has no certificates that can be used: {error}"]) from None
