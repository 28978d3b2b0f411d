"""The environment variables that the plugin reads, besides those of the kubeconfig."""

import os
from collections.abc import Mapping
from pathlib import Path

from chekov_operator.plugin.failure import PluginError


def colours_wanted() -> bool:
    """Whether a terminal may be coloured: see https://no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def with_variables(given: Mapping[str, str]) -> Mapping[str, str]:
    """The environment of a program that is started, with these variables besides."""
    return {**os.environ, **given}


def token(file: str | None, variable: str) -> str | None:
    """A bearer token: the first line of a file, or else of a variable.

    Raises:
        PluginError: the file cannot be read, or is empty.
    """
    if file is None:
        return os.environ.get(variable) or None
    try:
        lines = Path(file).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(f"the token cannot be read from {file}: {error}") from error
    if not lines or not lines[0].strip():
        raise PluginError(f"the first line of {file} holds no token")
    return lines[0].strip()


def dsn(given: str | None) -> str | None:
    """The DSN of an event store, for the gate."""
    return given or os.environ.get("CHEKOV_STORE") or None
