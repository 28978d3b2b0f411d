from collections.abc import Iterable

from chekov import Aggregate, Command, Event, Identifier, Runtime, apply, execute
from chekov.testing import Spec


class Opened(Event):
    owner: str


class Closed(Event):
    pass


class Open(Command[Opened]):
    account: Identifier[str]
    owner: str


class Account(Aggregate, identity="account"):
    owner: str | None = None

    @execute
    def open(self, command: Open) -> Iterable[Opened]:
        yield Opened(owner=command.owner)

    @apply
    def opened(self, event: Opened) -> None:
        self.owner = event.owner


async def run(runtime: Runtime) -> int:
    done = await runtime.dispatch(Open(account="a", owner="Ada"))
    assert done.events[0].amount  # mistake: an Opened has no amount
    await runtime.dispatch(Opened(owner="Ada"))  # mistake: no command
    await runtime.dispatch(Open(account="a", owner="Ada"), consistency=3)  # mistake: no names
    loaded = await runtime.load(Account, "a")
    runtime.dispatch(Open(account="a", owner="Ada"))  # mistake: never awaited
    return loaded.state.balance  # mistake: an Account has no balance


def specify() -> Iterable[Closed]:
    Spec(Opened)  # mistake: no aggregate
    Spec(Account).given(Open(account="a", owner="Ada"))  # mistake: events were, commands come
    return Spec(Account).when(Open(account="a", owner="Ada"))  # mistake: it yields Opened
