"""Clubs: personal data of members goes by their ids, that of founders by the stream."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from chekov import (
    Aggregate,
    Command,
    Context,
    Domain,
    Event,
    EventHandler,
    Forgotten,
    Identifier,
    Personal,
    Serializer,
    apply,
    execute,
    handle,
)


@dataclass(frozen=True)
class Address:
    street: str = "nowhere"
    floors: int = 1


class Founded(Event):
    founder: Personal[str]


class Joined(Event, subject="member"):
    member: UUID
    name: Personal[str]
    email: Personal[str | None] = None
    address: Personal[Address] = Address()
    fee: int = 0


class Closed(Event):
    loudly: bool


class Found(Command[Founded]):
    club: Identifier[str]
    founder: str


class Join(Command[Joined]):
    club: Identifier[str]
    member: UUID
    name: str
    email: str | None = None
    street: str = "nowhere"


class Close(Command[Closed]):
    club: Identifier[str]
    loudly: bool = False


class Club(Aggregate, identity="club", snapshot_every=2):
    founder: Personal[str] = ""
    names: dict[UUID, str | None] = field(default_factory=dict[UUID, str | None])

    @execute
    def found(self, command: Found) -> Iterable[Founded]:
        yield Founded(founder=command.founder)

    @execute
    def join(self, command: Join) -> Iterable[Joined]:
        yield Joined(
            member=command.member,
            name=command.name,
            email=command.email,
            address=Address(street=command.street),
        )

    @execute
    def close(self, command: Close) -> Iterable[Closed]:
        yield Closed(loudly=command.loudly)

    @apply
    def founded(self, event: Founded) -> None:
        self.founder = event.founder

    @apply
    def joined(self, event: Joined) -> None:
        self.names[event.member] = None if isinstance(event.name, Forgotten) else event.name

    @apply
    def closed(self, event: Closed) -> None:
        del event


class Letters(EventHandler, name="letters", consistency="strong"):
    """Remembers whom it wrote to."""

    def __init__(self) -> None:
        self.joined: list[Joined] = []

    @handle
    async def write(self, event: Joined, context: Context) -> None:
        del context
        self.joined.append(event)


def clubs(*handlers: EventHandler, serializer: Serializer | None = None) -> Domain:
    return Domain("clubs", aggregates=[Club], handlers=handlers, serializer=serializer)
