"""What children are called: short enough for Kubernetes, and always the same for the same owner."""

import hashlib
from typing import Final

_LONGEST: Final = 63


def fitted(*parts: str) -> str:
    """The parts joined by `-`; the first is cut short, with a hash, where it would be too long."""
    name = "-".join(parts)
    if len(name) <= _LONGEST:
        return name
    mark = hashlib.blake2b(parts[0].encode(), digest_size=4).hexdigest()
    rest = "-".join((mark, *parts[1:]))
    return f"{parts[0][: _LONGEST - len(rest) - 1].rstrip('-.')}-{rest}"


def record(bundle: str, revision: str) -> str:
    """The ConfigMap that keeps a revision."""
    return fitted(bundle, revision)


def check(bundle: str, revision: str) -> str:
    """The Job that tries a revision's code."""
    return fitted(bundle, "check", revision)


def management(bundle: str) -> str:
    """The headless Service in front of the management ports."""
    return fitted(bundle, "management")


def migration(store: str, version: int) -> str:
    """The Job that brings a store's schema to a version."""
    return fitted(store, "migrate", str(version))
