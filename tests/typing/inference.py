"""What checkers infer of a domain; pyright reads this file, nobody runs it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, assert_type
from uuid import UUID, uuid4

from chekov import (
    FORGOTTEN,
    Context,
    Delivered,
    Domain,
    Event,
    Forgotten,
    Identifier,
    Json,
    MessagePack,
    Origin,
    Personal,
    RecordedEvent,
    Runtime,
    Upcaster,
    definition_of,
    upcast,
)
from chekov.engine.subscriptions.status import SubscriptionStatus
from chekov.store.port import SubscriptionKey
from chekov.testing import Spec
from examples.bank.bank import (
    Account,
    AccountOpened,
    CloseAccount,
    Deposit,
    MoneyDeposited,
    OpenAccount,
    domain,
)
from tests.unit.domain.messages import Either, Left, Right


async def dispatching(runtime: Runtime) -> None:
    opened = await runtime.dispatch(OpenAccount(account_id=uuid4(), owner="Ada"))
    assert_type(opened.events, Sequence[AccountOpened])
    assert_type(opened.recorded, Sequence[RecordedEvent])
    assert_type((opened.stream, opened.version, opened.position), tuple[str, int, int])
    assert_type((opened.command_id, opened.correlation_id), tuple[UUID, UUID])
    assert_type(opened.repeated, bool)
    either = await runtime.dispatch(Either(key="a"), consistency=["balances"])
    assert_type(either.events, Sequence[Left | Right])


async def reading(runtime: Runtime) -> None:
    account = await runtime.load(Account, uuid4())
    assert_type(account.state, Account)
    assert_type((account.version, account.state.balance), tuple[int, int])
    assert_type(account.state.owner, str | None)
    assert_type((await runtime.load(Account, uuid4(), at=datetime.now(UTC))).state, Account)
    assert_type(await runtime.delete(Account, uuid4()), int)
    assert_type(runtime.subscriptions, Mapping[SubscriptionKey, SubscriptionStatus])
    async for recorded in runtime.store.read_all(after=0):
        assert_type(recorded, RecordedEvent)


async def sending(context: Context) -> None:
    assert_type(
        await context.dispatch(OpenAccount(account_id=uuid4(), owner="Ada")),
        Sequence[AccountOpened],
    )


async def following(runtime: Runtime) -> None:
    async for item in runtime.subscribe():
        assert_type(item, Delivered[Event])
    async for event, context in runtime.events(AccountOpened, backwards=True):
        assert_type((event, context), tuple[AccountOpened, Context])


def specifying() -> None:
    spec = Spec(Account).given(AccountOpened(owner="Ada"))
    assert_type(spec, Spec[Account])
    assert_type(spec.state, Account)
    events = spec.when(Deposit(account_id=uuid4(), amount=3))
    assert_type(events, Sequence[MoneyDeposited])


def messages(identifier: Identifier[UUID], context: Context) -> None:
    assert_type(identifier, UUID)
    assert_type(CloseAccount(account_id=identifier).account_id, UUID)
    assert_type(definition_of(Account).identity, str)
    assert_type(MoneyDeposited(amount=1).amount, int)
    assert_type((context.position, context.correlation_id), tuple[int, UUID | None])
    assert_type(domain.name, str)


class Renamed(Event, name="renamed", aliases=("retitled",), revision=2):
    name: str


@upcast("renamed", to=Renamed)
def with_name(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    assert_type(origin.metadata, Mapping[str, Any])
    return {"name": data["title"]}


@upcast("moved", to=(Renamed, "renamed"))
def split(data: dict[str, Any], origin: Origin) -> Iterable[tuple[type[Event] | str, Any]]:
    del origin
    yield Renamed, {"name": data["to"]}
    yield "renamed", {"title": data["to"]}


@upcast("noise", to=())
def dropped(data: dict[str, Any], origin: Origin) -> list[tuple[str, dict[str, Any]]]:
    del data, origin
    return []


def evolving(runtime: Runtime, origin: Origin, recorded: RecordedEvent) -> None:
    assert_type(with_name, Upcaster[dict[str, Any]])
    assert_type(with_name({}, origin), dict[str, Any])
    evolved = Domain("names", upcasters=[with_name, split, dropped], serializer=MessagePack())
    assert_type(evolved.stored_names(Renamed), tuple[str, ...])
    assert_type(Domain("names", serializer=Json()).events, dict[str, type[Event]])
    assert_type((definition_of(Renamed).name, Renamed(name="Ada").name), tuple[str, str])
    assert_type(runtime.decode(recorded), Event)
    assert_type(runtime.decode_all(recorded), list[Event])


class Greeted(Event, subject="guest"):
    guest: UUID
    name: Personal[str]


def whom(event: Greeted) -> str:
    """A personal field is what it holds, once it is known not to be forgotten."""
    assert_type(event.name, str | Forgotten)
    if event.name is FORGOTTEN:
        return "somebody"
    return assert_type(event.name, str)


assert_type(Greeted(guest=uuid4(), name="Ada").guest, UUID)
