"""Errors as sentences: what failed, and what the user can do about it."""

import re
from http import HTTPStatus
from typing import Final

from chekov.errors import ChekovError
from chekov_operator.kube.api_error import ApiError, ApiUnavailable

_MISSING_RIGHT: Final = re.compile(
    r'cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)


class PluginError(ChekovError):
    """A command cannot do what it was asked for; the text is for people."""


def sentence(error: ChekovError) -> str:
    """What to show for an error."""
    if isinstance(error, ApiUnavailable):
        return f"the cluster does not answer: {error}"
    if isinstance(error, ApiError):
        if error.status == HTTPStatus.UNAUTHORIZED:
            return "the cluster does not accept the credentials of this context (401)"
        if error.status == HTTPStatus.FORBIDDEN:
            return missing_right(error)
        return error.reply
    return str(error)


def missing_right(error: ApiError) -> str:
    """Which verb on which resource the user lacks, as a Role would have it."""
    found = _MISSING_RIGHT.search(error.reply)
    if found is None:
        return f"the cluster forbids it: {error.reply}"
    group = f" of the API group {found['group']}" if found["group"] else ""
    where = f" in the namespace {found['namespace']}" if found["namespace"] else ""
    return (
        f"you lack a right: the verb {found['verb']} on the resource {found['resource']}"
        f"{group}{where}"
    )
