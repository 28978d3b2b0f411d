"""The example orders: whatever happens, stock is shipped for what was paid, or is there again."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from chekov import Domain, MemoryStore, Rejected, Runtime
from chekov.testing import ProcessSpec, Spec
from examples.orders.orders import (
    PAYMENT_TIME,
    CancelOrder,
    CancelPayment,
    CompleteOrder,
    Fulfillment,
    Order,
    OrderCancelled,
    OrderCompleted,
    OrderPlaced,
    OutOfStock,
    Pay,
    Payment,
    PaymentCancelled,
    PaymentOverdue,
    PaymentReceived,
    PaymentRequested,
    PlaceOrder,
    ReceiveStock,
    ReleaseStock,
    RequestPayment,
    ReserveStock,
    ShipStock,
    Stock,
    StockReceived,
    StockReleased,
    StockReserved,
    StockShipped,
)
from tests.unit.engine.processes.test_process_managers import Clock
from tests.waiting import until

ORDER = uuid4()
LINES = {"tea": 2, "cup": 1}

placed = OrderPlaced(order_id=ORDER, lines=LINES, total=19)
tea_reserved = StockReserved(sku="tea", order_id=ORDER, quantity=2)
cup_reserved = StockReserved(sku="cup", order_id=ORDER, quantity=1)
reserve_cup = ReserveStock(sku="cup", order_id=ORDER, quantity=1)
overdue = PaymentOverdue(order_id=ORDER)
received = PaymentReceived(order_id=ORDER)
release = [ReleaseStock(sku=sku, order_id=ORDER) for sku in LINES]

spec = ProcessSpec(Fulfillment).given(placed)
waiting = spec.given(tea_reserved, cup_reserved)


def cancel(reason: str) -> CancelOrder:
    return CancelOrder(order_id=ORDER, reason=reason)


def test_a_payment_is_asked_for_once_everything_is_reserved() -> None:
    assert ProcessSpec(Fulfillment).when(placed) == [
        ReserveStock(sku="tea", order_id=ORDER, quantity=2),
        reserve_cup,
    ]
    assert spec.when(tea_reserved) == []
    assert spec.given(tea_reserved).when(cup_reserved) == [
        RequestPayment(order_id=ORDER, amount=19),
        overdue.after(PAYMENT_TIME),
    ]


def test_a_paid_order_is_shipped() -> None:
    assert waiting.when(received) == [
        PaymentOverdue.cancel(),
        ShipStock(sku="tea", order_id=ORDER),
        ShipStock(sku="cup", order_id=ORDER),
        CompleteOrder(order_id=ORDER),
    ]
    assert not waiting.given(received, OrderCompleted(order_id=ORDER)).instances


def test_an_article_that_is_missing_cancels_the_order() -> None:
    refused = spec.given(tea_reserved)
    assert refused.when_rejected(reserve_cup, OutOfStock("none left", available=0)) == [
        *release,
        cancel("none left"),
    ]
    again = refused.given_rejected(reserve_cup, OutOfStock("none left", available=0))
    assert again.when_rejected(reserve_cup, OutOfStock("none left", available=0)) == []
    assert not again.given(OrderCancelled(order_id=ORDER, reason="none left")).instances


def test_the_payment_decides_whether_the_deadline_has_passed() -> None:
    cancel_payment = CancelPayment(order_id=ORDER)
    assert waiting.when(overdue) == [cancel_payment]
    late = waiting.given(overdue)
    undone = [*release, cancel("it was not paid in time")]
    assert late.when(PaymentCancelled(order_id=ORDER)) == undone
    assert late.when_rejected(cancel_payment, Rejected("the payment is received")) == []
    requested = Spec(Payment).given(PaymentRequested(order_id=ORDER, amount=19))
    assert requested.when(cancel_payment) == [PaymentCancelled(order_id=ORDER)]
    with pytest.raises(Rejected, match="is received"):
        requested.given(received).when(cancel_payment)
    with pytest.raises(Rejected, match="is cancelled"):
        requested.given(PaymentCancelled(order_id=ORDER)).when(Pay(order_id=ORDER, amount=19))
    with pytest.raises(Rejected, match="19 are to be paid, not 18"):
        requested.when(Pay(order_id=ORDER, amount=18))


def test_stock_is_reserved_then_shipped_or_released() -> None:
    stock = Spec(Stock).given(StockReceived(quantity=2))
    with pytest.raises(OutOfStock, match="2 of tea are left"):
        stock.when(ReserveStock(sku="tea", order_id=ORDER, quantity=3))
    reserved = stock.given(tea_reserved)
    assert reserved.state.available == 0
    assert reserved.when(release[0]) == [StockReleased(order_id=ORDER, quantity=2)]
    assert reserved.when(ShipStock(sku="tea", order_id=ORDER)) == [
        StockShipped(order_id=ORDER, quantity=2)
    ]
    assert stock.when(release[0]) == []
    with pytest.raises(Rejected, match="nothing is reserved"):
        stock.when(ShipStock(sku="tea", order_id=ORDER))
    with pytest.raises(Rejected, match="at least 1"):
        stock.when(ReceiveStock(sku="tea", quantity=0))


@pytest.mark.parametrize(("lines", "total"), [({}, 1), ({"tea": 0}, 1), ({"tea": 1}, 0)])
def test_an_order_without_content_is_refused(lines: dict[str, int], total: int) -> None:
    with pytest.raises(Rejected, match="an order has"):
        Spec(Order).when(PlaceOrder(order_id=ORDER, lines=lines, total=total))


def test_an_order_ends_once() -> None:
    order = Spec(Order).given(placed)
    with pytest.raises(Rejected, match="already"):
        order.when(PlaceOrder(order_id=ORDER, lines=LINES, total=1))
    for end in (OrderCompleted(order_id=ORDER), OrderCancelled(order_id=ORDER, reason="")):
        with pytest.raises(Rejected, match="this order is"):
            order.given(end).when(cancel(""))


@asynccontextmanager
async def shop(clock: Clock, stock: Mapping[str, int]) -> AsyncGenerator[Runtime]:
    """The orders without their read model, in memory."""
    domain = Domain("orders", aggregates=[Order, Stock, Payment], handlers=[Fulfillment()])
    async with Runtime(domain, store=MemoryStore(clock=clock)) as runtime:
        for sku, quantity in stock.items():
            await runtime.dispatch(ReceiveStock(sku=sku, quantity=quantity))
        yield runtime


async def place(runtime: Runtime, lines: dict[str, int] = LINES) -> UUID:
    order = uuid4()
    await runtime.dispatch(PlaceOrder(order_id=order, lines=lines, total=19))
    return order


async def is_waiting(runtime: Runtime, order: UUID) -> bool:
    """Whether an order waits for its payment, and its deadline is stored."""
    found = {item.instance: item for item in await runtime.processes.list()}
    timers = found[str(order)].timers if str(order) in found else ()
    stream = await runtime.store.streams.list(prefix=f"payment-{order}")
    return bool(timers) and bool(stream)


async def ended(runtime: Runtime, order: UUID) -> tuple[str, str | None]:
    """How an order ended, once it has."""

    async def found() -> tuple[str, str | None]:
        state = (await runtime.load(Order, order)).state
        return state.status, state.reason

    async def is_over() -> bool:
        return (await found())[0] != "placed"

    await until(is_over)
    return await found()


async def stock_of(runtime: Runtime, sku: str) -> tuple[int, int]:
    """How much is available, and how much reserved."""
    state = (await runtime.load(Stock, sku)).state
    return state.available, sum(state.reserved.values())


async def test_orders_are_shipped_or_leave_no_trace_in_the_stock() -> None:
    clock = Clock()
    async with shop(clock, {"tea": 10, "cup": 2}) as runtime:
        paid, unpaid = await place(runtime), await place(runtime)
        for order in (paid, unpaid):
            await until(lambda order=order: is_waiting(runtime, order))
        missing = await place(runtime)
        assert await ended(runtime, missing) == ("cancelled", "0 of cup are left")
        assert await stock_of(runtime, "tea") == (6, 4)
        await runtime.dispatch(Pay(order_id=paid, amount=19))
        assert await ended(runtime, paid) == ("completed", None)
        assert await stock_of(runtime, "tea") == (6, 2)
        clock.now += PAYMENT_TIME + timedelta(seconds=1)
        assert await ended(runtime, unpaid) == ("cancelled", "it was not paid in time")
        assert await stock_of(runtime, "tea") == (8, 0)
        assert await stock_of(runtime, "cup") == (1, 0)
        with pytest.raises(Rejected, match="is cancelled"):
            await runtime.dispatch(Pay(order_id=unpaid, amount=19))
