"""Shorter limits of what waits for a silent database: the rules are the same, the waits shorter."""

from collections.abc import Callable
from typing import Any

from chekov.store.postgres import (
    connection_options,
    lent_connection,
    listener,
    nodes,
    pool,
    schema,
)
from chekov.store.postgres.append import append_connection, committer


def make_impatient(set_limit: Callable[[Any, str, float], object], *, seconds: float) -> None:
    """Set every limit to so many seconds, or to a part of it.

    Args:
        set_limit: sets an attribute, perhaps until the end of a test.
    """
    limits = {
        "CONNECT_SECONDS": ((connection_options, pool, lent_connection, committer), seconds),
        "LENT_SECONDS": ((connection_options, pool, schema), seconds),
        "GRACE_SECONDS": ((append_connection, pool, schema), seconds / 2),
        "ANSWER_SECONDS": ((listener, nodes), seconds),
        "_SILENT_SECONDS": ((listener, committer), seconds),
        "_WATCH_SECONDS": ((committer,), seconds / 10),
    }
    for name, (modules, value) in limits.items():
        for module in modules:
            assert hasattr(module, name)
            set_limit(module, name, value)
