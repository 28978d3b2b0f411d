"""What an operator asked of the API server, by the audit log."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple

from chekov_operator.kube.objects import Object, nested

_CREATES: Final = ("create", "patch")
_NO_CHILDREN: Final = ("events", "leases")
_WATCH: Final = "watch"


class Request(NamedTuple):
    """One request that was answered.

    Attributes:
        verb: as in roles, such as `patch`.
        resource: the plural; empty where the request is about no resource.
        subresource: such as `status`; empty for the object itself.
        code: the status of the response.
    """

    verb: str
    resource: str
    subresource: str
    code: int

    @property
    def is_about_children(self) -> bool:
        """Whether it is part of the work for a bundle, rather than of being an operator."""
        return self.verb != _WATCH and self.resource not in ("", "leases")


class AuditLog:
    """Reads the log while the API server writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.requests: list[Request] = []

    def read(self) -> Sequence[Request]:
        """All requests until now."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            # The last line may be written only in part.
            complete, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(complete) + len(newline)
        self.requests.extend(parse(complete.decode().splitlines()))
        return self.requests


def parse(lines: Iterable[str]) -> list[Request]:
    """The requests in lines of an audit log."""
    found: list[Request] = []
    for line in lines:
        event: Object = json.loads(line)
        reference = nested(event, "objectRef")
        found.append(
            Request(
                event["verb"],
                nested(reference, "resource") or "",
                nested(reference, "subresource") or "",
                nested(event, "responseStatus", "code") or 0,
            )
        )
    return found


def created(requests: Iterable[Request]) -> Counter[str]:
    """How many objects of each resource the requests created, apart from Events and Leases."""
    return Counter(
        item.resource
        for item in requests
        if item.verb in _CREATES
        and item.code == HTTPStatus.CREATED
        and item.resource not in _NO_CHILDREN
        and not item.subresource
    )


def by_verb(requests: Iterable[Request]) -> Counter[str]:
    """How many requests there were of each kind, such as `patch status`."""
    return Counter(f"{item.verb} {item.subresource}".strip() for item in requests)
