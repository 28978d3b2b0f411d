from collections.abc import Iterable

from chekov import Aggregate, Command, Domain, Event, Identifier, apply, execute


class Opened(Event):
    owner: str


class Open(Command[Opened]):
    account: Identifier[str]
    owner: str


class Account(Aggregate, identity="account"):
    owner: str | None = None

    @execute  # mistake: an executor yields, it does not answer one event
    def answer(self, command: Open) -> Opened:
        return Opened(owner=command.owner)

    @execute  # mistake: an executor takes a command
    def take_event(self, command: Opened) -> Iterable[Opened]:
        yield command

    @execute
    def misspell(self, command: Open) -> Iterable[Opened]:
        yield Opened(owner=command.ownr)  # mistake: no such field

    @execute
    def promise_otherwise(self, command: Open) -> Iterable[Opened]:
        yield command.owner  # mistake: not the promised event

    @apply  # mistake: an applier takes an event
    def take_command(self, event: Open) -> None:
        self.owner = event.owner

    @apply  # mistake: an applier answers nothing
    def answer_state(self, event: Opened) -> str:
        return event.owner


class NoAggregate:
    pass


Open("a", "Ada")  # mistake: messages are built by field name
Open(account=1, owner="Ada")  # mistake: the identifier is a string
Open(account="a")  # mistake: a field is missing
Opened(owner="Ada").owner = "Bea"  # mistake: events are facts
Domain("bank", aggregates=[NoAggregate])  # mistake: no aggregate
Command[int]  # mistake: a command yields events


class Often(Aggregate, snapshot_every="100"):  # mistake: a number, or a function
    owner: str | None = None


def policy(version: int) -> bool:
    return version == 1


class Chosen(Aggregate, snapshot_every=policy):  # mistake: it is given three numbers
    owner: str | None = None
