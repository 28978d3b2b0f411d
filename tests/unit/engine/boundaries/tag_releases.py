"""Two releases of a domain: in the former one, the claimed names are no tags yet."""

from collections.abc import Iterable

from chekov import (
    Aggregate,
    Boundary,
    Command,
    Domain,
    Event,
    Identifier,
    Personal,
    Rejected,
    Scope,
    Tag,
    apply,
    execute,
    scope,
)


class NameTaken(Rejected):
    """Somebody else has this name."""


class _OldClaimed(Event, name="Claimed"):
    account: str
    name: str


class OldClaim(Command[_OldClaimed], name="Claim"):
    account: Identifier[str]
    name: str


class OldAccount(Aggregate, identity="names"):
    """It cannot know what other accounts claim."""

    @execute
    def claim(self, command: OldClaim) -> Iterable[_OldClaimed]:
        yield _OldClaimed(account=command.account, name=command.name)

    @apply
    def claimed(self, event: _OldClaimed) -> None:
        pass


class NewClaimed(Event, name="Claimed"):
    account: str
    name: Tag[str]


class Claim(Command[NewClaimed]):
    account: Identifier[str]
    name: str


class Names(Boundary, identity="names"):
    taken: bool = False

    @scope
    def needed(self, command: Claim) -> Scope:
        return Scope.of(NewClaimed, name=command.name)

    @execute
    def claim(self, command: Claim) -> Iterable[NewClaimed]:
        if self.taken:
            raise NameTaken
        yield NewClaimed(account=command.account, name=command.name)

    @apply
    def claimed(self, event: NewClaimed) -> None:
        self.taken = True


class _OldRegistered(Event, name="Registered", subject="account"):
    account: str
    email: Personal[str]


class Registered(Event, subject="account"):
    account: str
    email: Tag[Personal[str]]


class OldRegister(Command[_OldRegistered], name="Register"):
    account: Identifier[str]
    email: str


class Register(Command[Registered]):
    account: Identifier[str]
    email: str


class OldRegistration(Aggregate, identity="registration"):
    @execute
    def register(self, command: OldRegister) -> Iterable[_OldRegistered]:
        yield _OldRegistered(account=command.account, email=command.email)

    @apply
    def registered(self, event: _OldRegistered) -> None:
        pass


class Registration(Boundary, identity="registration"):
    taken: bool = False

    @scope
    def needed(self, command: Register) -> Scope:
        return Scope.of(Registered, email=command.email)

    @execute
    def register(self, command: Register) -> Iterable[Registered]:
        if self.taken:
            raise NameTaken
        yield Registered(account=command.account, email=command.email)

    @apply
    def registered(self, event: Registered) -> None:
        self.taken = True


class LenientClaimed(Event, name="Claimed"):
    account: str
    name: Tag[str | int]


class LenientClaim(Command[LenientClaimed], name="Claim"):
    account: Identifier[str]
    name: str | int


class LenientNames(Boundary, identity="names"):
    """It reads names that are numbers, too."""

    taken: bool = False

    @scope
    def needed(self, command: LenientClaim) -> Scope:
        return Scope.of(LenientClaimed, name=command.name)

    @execute
    def claim(self, command: LenientClaim) -> Iterable[LenientClaimed]:
        if self.taken:
            raise NameTaken(f"the name {command.name} is taken")
        yield LenientClaimed(account=command.account, name=command.name)

    @apply
    def claimed(self, event: LenientClaimed) -> None:
        self.taken = True


lenient = Domain("names", aggregates=[LenientNames])
old = Domain("names", aggregates=[OldAccount, OldRegistration])
new = Domain("names", aggregates=[Names, Registration])
