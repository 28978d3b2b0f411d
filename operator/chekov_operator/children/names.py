"""The names of children: deterministic, and short enough for Kubernetes."""

import hashlib
import re
from typing import Final

_LONGEST: Final = 63
_FOREIGN: Final = re.compile("[^a-z0-9-]")
_DIGITS: Final = 6
_WORD: Final = re.compile("[a-z0-9]+")
_DIGEST: Final = re.compile(f"[0-9a-f]{{{_DIGITS}}}")


def fitted(*parts: str) -> str:
    """The parts joined by `-`. If that is too long, a hash replaces the end of the first part."""
    name = "-".join(parts)
    if len(name) <= _LONGEST:
        return name
    mark = hashlib.blake2b(parts[0].encode(), digest_size=4).hexdigest()
    rest = "-".join((mark, *parts[1:]))
    return f"{parts[0][: _LONGEST - len(rest) - 1].rstrip('-.')}-{rest}"


def revision(bundle: str, revision: str) -> str:
    """A revision, and its Deployment, its PodDisruptionBudget and the ConfigMap of its code."""
    return fitted(bundle, revision)


def subscription(bundle: str, handler: str) -> str:
    """The Subscription of a handler, whose name may have letters that those of objects have not.

    After the last `-` there is either a handler of one plain word or a digest, which such a word
    must not look like. So no two handlers share a name, also of two bundles such as `a` and `a-b`.
    """
    whole = f"{bundle}-{handler}"
    if _WORD.fullmatch(handler) and not _DIGEST.fullmatch(handler) and len(whole) <= _LONGEST:
        return whole
    # A bundle's name has no slash.
    mark = hashlib.sha256(f"{bundle}/{handler}".encode()).hexdigest()[:_DIGITS]
    name = _FOREIGN.sub("-", whole.lower())
    return f"{name[: _LONGEST - _DIGITS - 1].rstrip('-')}-{mark}"


def check(bundle: str, revision: str) -> str:
    """The Job that checks a revision."""
    return fitted(bundle, "check", revision)


def check_policy(bundle: str) -> str:
    """The NetworkPolicy of the pods that check a bundle's revisions."""
    return fitted(bundle, "check")


def gate(bundle: str, revision: str) -> str:
    """The Job that finds out whether a revision can work with what is stored."""
    return fitted(bundle, "gate", revision)


def gate_policy(bundle: str) -> str:
    """The NetworkPolicy of the pods of a bundle's gates."""
    return fitted(bundle, "gate")


def management(bundle: str) -> str:
    """The headless Service for the management ports."""
    return fitted(bundle, "management")


def migration_policy(store: str) -> str:
    """The NetworkPolicy of the pods that migrate a store's schema."""
    return fitted(store, "migrate")


def migration(store: str, version: int) -> str:
    """The Job that migrates a store's schema to a version."""
    return fitted(store, "migrate", str(version))
