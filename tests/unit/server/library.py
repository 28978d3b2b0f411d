"""A domain whose commands need more than plain types."""

import enum
from typing import NewType
from uuid import UUID

from chekov import Aggregate, Command, Domain, Event, Identifier, apply, execute

CopyId = NewType("CopyId", UUID)
Isbn = NewType("Isbn", str)
Pages = NewType("Pages", int)


class Colour(enum.Enum):
    RED = "red"


class Lent(Event):
    to: str


class Lend(Command[Lent]):
    copy: Identifier[CopyId]
    to: Isbn
    pages: Pages
    condition: Colour


class Copy(Aggregate, identity="copy"):
    @execute
    def lend(self, command: Lend) -> list[Lent]:
        return [Lent(to=command.to)]

    @apply
    def lent(self, _: Lent) -> None:
        pass


LIBRARY = Domain("library", aggregates=[Copy])
