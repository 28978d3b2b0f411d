"""Storages for kopf that keep nothing.

kopf compares each object with the one that it handled last, for handlers that the operator does not
have. Building what is compared takes CPU for nothing.
"""

from collections.abc import Iterable
from typing import Any, cast

from chekov_operator.kube.lean_kopf import kopf


class NoDiffBase(kopf.DiffBaseStorage):
    """Finds no difference in any object."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> Any:
        del body, extra_fields
        return cast("Any", {})

    def fetch(self, *, body: kopf.Body) -> None:
        del body

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:
        """Keep nothing."""


class NoProgress(kopf.ProgressStorage):
    """Knows of no handler that is under way."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:
        del key, body

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Keep nothing."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Keep nothing."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Keep nothing."""

    def clear(self, *, essence: Any) -> Any:
        return essence
