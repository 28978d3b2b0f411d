"""Orders, stock and payments: a process manager leads each order through all three."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from chekov import (
    Aggregate,
    Command,
    Connection,
    Domain,
    Event,
    Identifier,
    ProcessManager,
    Projection,
    Rejected,
    Schedule,
    Timer,
    Transaction,
    apply,
    execute,
    expired,
    finish,
    handle,
    proceed,
    query,
    rejected,
    start,
)

PAYMENT_TIME = timedelta(minutes=30)


class OrderPlaced(Event):
    order_id: UUID
    lines: dict[str, int]
    total: int


class OrderCompleted(Event):
    order_id: UUID


class OrderCancelled(Event):
    order_id: UUID
    reason: str


class PlaceOrder(Command[OrderPlaced]):
    """Order a quantity of each article, for a total price."""

    order_id: Identifier[UUID]
    lines: dict[str, int]
    total: int


class CompleteOrder(Command[OrderCompleted]):
    order_id: Identifier[UUID]


class CancelOrder(Command[OrderCancelled]):
    order_id: Identifier[UUID]
    reason: str


class Order(Aggregate, identity="order"):
    status: str = "unknown"
    reason: str | None = None

    @execute
    def place(self, command: PlaceOrder) -> Iterable[OrderPlaced]:
        if self.status != "unknown":
            raise Rejected("this order is placed already")
        if not command.lines or min(command.lines.values()) <= 0:
            raise Rejected("an order has at least one line, and each a quantity of at least 1")
        if command.total <= 0:
            raise Rejected("an order has a price")
        yield OrderPlaced(order_id=command.order_id, lines=command.lines, total=command.total)

    @execute
    def complete(self, command: CompleteOrder) -> Iterable[OrderCompleted]:
        self._require_placed()
        yield OrderCompleted(order_id=command.order_id)

    @execute
    def cancel(self, command: CancelOrder) -> Iterable[OrderCancelled]:
        self._require_placed()
        yield OrderCancelled(order_id=command.order_id, reason=command.reason)

    @apply
    def was_placed(self, event: OrderPlaced) -> None:
        self.status = "placed"

    @apply
    def was_completed(self, event: OrderCompleted) -> None:
        self.status = "completed"

    @apply
    def was_cancelled(self, event: OrderCancelled) -> None:
        self.status, self.reason = "cancelled", event.reason

    def _require_placed(self) -> None:
        if self.status != "placed":
            raise Rejected(f"this order is {self.status}")


class StockReceived(Event):
    quantity: int


class StockReserved(Event):
    sku: str
    order_id: UUID
    quantity: int


class StockReleased(Event):
    order_id: UUID
    quantity: int


class StockShipped(Event):
    order_id: UUID
    quantity: int


class ReceiveStock(Command[StockReceived]):
    sku: Identifier[str]
    quantity: int


class ReserveStock(Command[StockReserved]):
    sku: Identifier[str]
    order_id: UUID
    quantity: int


class ReleaseStock(Command[StockReleased]):
    """Give back what an order has reserved, if it has."""

    sku: Identifier[str]
    order_id: UUID


class ShipStock(Command[StockShipped]):
    """Send away what an order has reserved."""

    sku: Identifier[str]
    order_id: UUID


class OutOfStock(Rejected):
    """There is not enough of an article."""

    available: int


class Stock(Aggregate, identity="stock"):
    available: int = 0
    reserved: dict[UUID, int] = field(default_factory=dict[UUID, int])

    @execute
    def receive(self, command: ReceiveStock) -> Iterable[StockReceived]:
        if command.quantity <= 0:
            raise Rejected("a quantity is at least 1")
        yield StockReceived(quantity=command.quantity)

    @execute
    def reserve(self, command: ReserveStock) -> Iterable[StockReserved]:
        if command.quantity > self.available:
            raise OutOfStock(
                f"{self.available} of {command.sku} are left", available=self.available
            )
        yield StockReserved(sku=command.sku, order_id=command.order_id, quantity=command.quantity)

    @execute
    def release(self, command: ReleaseStock) -> Iterable[StockReleased]:
        quantity = self.reserved.get(command.order_id)
        if quantity is not None:
            yield StockReleased(order_id=command.order_id, quantity=quantity)

    @execute
    def ship(self, command: ShipStock) -> Iterable[StockShipped]:
        quantity = self.reserved.get(command.order_id)
        if quantity is None:
            raise Rejected("nothing is reserved for this order")
        yield StockShipped(order_id=command.order_id, quantity=quantity)

    @apply
    def was_received(self, event: StockReceived) -> None:
        self.available += event.quantity

    @apply
    def was_reserved(self, event: StockReserved) -> None:
        self.available -= event.quantity
        self.reserved[event.order_id] = event.quantity

    @apply
    def was_released(self, event: StockReleased) -> None:
        self.available += self.reserved.pop(event.order_id)

    @apply
    def was_shipped(self, event: StockShipped) -> None:
        del self.reserved[event.order_id]


class PaymentRequested(Event):
    order_id: UUID
    amount: int


class PaymentReceived(Event):
    order_id: UUID


class PaymentCancelled(Event):
    order_id: UUID


class RequestPayment(Command[PaymentRequested]):
    order_id: Identifier[UUID]
    amount: int


class Pay(Command[PaymentReceived]):
    order_id: Identifier[UUID]
    amount: int


class CancelPayment(Command[PaymentCancelled]):
    """Take no payment any more, unless it was made."""

    order_id: Identifier[UUID]


class Payment(Aggregate, identity="payment"):
    status: str = "not requested"
    amount: int = 0

    @execute
    def request(self, command: RequestPayment) -> Iterable[PaymentRequested]:
        yield PaymentRequested(order_id=command.order_id, amount=command.amount)

    @execute
    def pay(self, command: Pay) -> Iterable[PaymentReceived]:
        self._require_requested()
        if command.amount != self.amount:
            raise Rejected(f"{self.amount} are to be paid, not {command.amount}")
        yield PaymentReceived(order_id=command.order_id)

    @execute
    def cancel(self, command: CancelPayment) -> Iterable[PaymentCancelled]:
        self._require_requested()
        yield PaymentCancelled(order_id=command.order_id)

    @apply
    def was_requested(self, event: PaymentRequested) -> None:
        self.status, self.amount = "requested", event.amount

    @apply
    def was_received(self, event: PaymentReceived) -> None:
        self.status = "received"

    @apply
    def was_cancelled(self, event: PaymentCancelled) -> None:
        self.status = "cancelled"

    def _require_requested(self) -> None:
        if self.status != "requested":
            raise Rejected(f"the payment is {self.status}")


class PaymentOverdue(Timer):
    order_id: UUID


class Fulfillment(ProcessManager, name="fulfillment"):
    """Reserves the stock, waits for the payment, ships; or gives everything back."""

    lines: dict[str, int] = field(default_factory=dict[str, int])
    total: int = 0
    reserved: int = 0
    cancelled: bool = False

    @start(by="order_id")
    def placed(self, event: OrderPlaced) -> Iterable[Command[Any]]:
        self.lines, self.total = event.lines, event.total
        for sku, quantity in event.lines.items():
            yield ReserveStock(sku=sku, order_id=event.order_id, quantity=quantity)

    @proceed(by="order_id")
    def stock_reserved(self, event: StockReserved) -> Iterable[Command[Any] | Schedule]:
        self.reserved += 1
        if self.reserved == len(self.lines):
            yield RequestPayment(order_id=event.order_id, amount=self.total)
            yield PaymentOverdue(order_id=event.order_id).after(PAYMENT_TIME)

    @rejected
    def out_of_stock(self, command: ReserveStock, reason: Rejected) -> Iterable[Command[Any]]:
        if not self.cancelled:
            yield from self._undo(command.order_id, str(reason))

    @proceed(by="order_id")
    def paid(self, event: PaymentReceived) -> Iterable[Command[Any] | Schedule]:
        yield PaymentOverdue.cancel()
        for sku in self.lines:
            yield ShipStock(sku=sku, order_id=event.order_id)
        yield CompleteOrder(order_id=event.order_id)

    @expired
    def overdue(self, timer: PaymentOverdue) -> Iterable[Command[Any]]:
        yield CancelPayment(order_id=timer.order_id)

    @rejected
    def paid_just_now(self, command: CancelPayment, reason: Rejected) -> None:
        """The payment decides what came first; the order goes on when `PaymentReceived` comes."""

    @proceed(by="order_id")
    def payment_cancelled(self, event: PaymentCancelled) -> Iterable[Command[Any]]:
        yield from self._undo(event.order_id, "it was not paid in time")

    @finish(by="order_id")
    def completed(self, event: OrderCompleted) -> None: ...

    @finish(by="order_id")
    def was_cancelled(self, event: OrderCancelled) -> None: ...

    def _undo(self, order_id: UUID, reason: str) -> Iterable[Command[Any]]:
        # Commands leave in order, so what is reserved after the refusal is released, too.
        self.cancelled = True
        for sku in self.lines:
            yield ReleaseStock(sku=sku, order_id=order_id)
        yield CancelOrder(order_id=order_id, reason=reason)


@dataclass(frozen=True)
class OrderSummary:
    order_id: UUID
    total: int
    status: str
    reason: str | None


class Orders(Projection, name="orders", version=1):
    tables = """
        create table orders (
            order_id uuid primary key, total bigint not null, status text not null, reason text
        );
        create index orders_by_status on orders (status, order_id);
    """

    @handle
    async def placed(self, event: OrderPlaced, transaction: Transaction) -> None:
        transaction.write(
            "insert into orders values ($1, $2, 'placed')", event.order_id, event.total
        )

    @handle
    async def went_on(
        self,
        event: PaymentRequested | PaymentReceived | OrderCompleted,
        transaction: Transaction,
    ) -> None:
        match event:
            case PaymentRequested():
                status = "waiting for payment"
            case PaymentReceived():
                status = "paid"
            case OrderCompleted():
                status = "completed"
        transaction.write(
            "update orders set status = $2 where order_id = $1", event.order_id, status
        )

    @handle
    async def cancelled(self, event: OrderCancelled, transaction: Transaction) -> None:
        transaction.write(
            "update orders set status = 'cancelled', reason = $2 where order_id = $1",
            event.order_id,
            event.reason,
        )

    @query
    async def order(self, connection: Connection, order_id: UUID) -> OrderSummary | None:
        row = await connection.fetchrow("select * from orders where order_id = $1", order_id)
        return OrderSummary(**row) if row else None

    @query
    async def with_status(self, connection: Connection, status: str) -> list[OrderSummary]:
        rows = await connection.fetch(
            "select * from orders where status = $1 order by order_id limit 100", status
        )
        return [OrderSummary(**row) for row in rows]


domain = Domain("orders", aggregates=[Order, Stock, Payment], handlers=[Fulfillment(), Orders()])
