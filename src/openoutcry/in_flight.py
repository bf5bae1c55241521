"""What the bot's side knows of its in-flight orders: a replica, kept by the order events alone."""

from decimal import Decimal
from typing import Any

from openoutcry.messages.orders import (
    InFlightOrder,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderEvent,
    OrderFailed,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderState,
    OrderType,
    PlaceOrder,
    TimeInForce,
    TradeSide,
)

_ZERO = Decimal(0)


class _Record:
    """One order, mutable: an immutable view is made when somebody looks, not at every event."""

    __slots__ = (
        "amount",
        "base",
        "created_ms",
        "exchange_order_id",
        "fees",
        "order_type",
        "price",
        "quote",
        "reason",
        "side",
        "state",
        "time_in_force",
        "trading_pair",
        "updated_ms",
    )

    def __init__(self, order: PlaceOrder | OrderCreated | InFlightOrder) -> None:
        self.trading_pair = order.trading_pair
        self.side = order.side
        self.order_type = order.order_type
        self.time_in_force = getattr(order, "time_in_force", TimeInForce.GTC)
        self.price = order.price
        self.amount = order.amount
        self.exchange_order_id: str | None = getattr(order, "exchange_order_id", None)
        self.state: OrderState = getattr(order, "state", OrderState.PENDING_CREATE)
        if self.state is OrderState.PENDING_CANCEL:
            # No event would tell that the cancel was refused: what the order is without it holds.
            self.state = _without_cancel(order)
        self.base: Decimal = getattr(order, "executed_amount_base", _ZERO)
        self.quote: Decimal = getattr(order, "executed_amount_quote", _ZERO)
        self.fees: dict[str, Decimal] = dict(getattr(order, "fees", ()))
        self.created_ms: int = getattr(order, "created_ms", 0)
        self.updated_ms: int = getattr(order, "updated_ms", 0)
        self.reason: str = getattr(order, "reason", "")

    def view(self, client_order_id: str) -> InFlightOrder:
        return InFlightOrder(
            client_order_id=client_order_id,
            exchange_order_id=self.exchange_order_id,
            trading_pair=self.trading_pair,
            side=self.side,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            price=self.price,
            amount=self.amount,
            state=self.state,
            executed_amount_base=self.base,
            executed_amount_quote=self.quote,
            fees=tuple(self.fees.items()),
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
            reason=self.reason,
        )


def _without_cancel(order: PlaceOrder | OrderCreated | InFlightOrder) -> OrderState:
    if getattr(order, "exchange_order_id", None) is None:
        return OrderState.PENDING_CREATE
    return OrderState.PARTIALLY_FILLED if getattr(order, "executed_amount_base", _ZERO) else OrderState.OPEN


class InFlightReplica:
    """Orders that have not ended, by client order id."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    @property
    def orders(self) -> dict[str, InFlightOrder]:
        """A view of each order as it is now."""
        return {client_order_id: record.view(client_order_id) for client_order_id, record in self._records.items()}

    def restore(self, orders: tuple[InFlightOrder, ...]) -> None:
        """Begin from what the order tracker knows."""
        self._records = {order.client_order_id: _Record(order) for order in orders}

    def accepted(self, client_order_id: str, command: PlaceOrder) -> None:
        """The tracker has journaled an order of ours; the event of its creation brings the rounded numbers."""
        self._records[client_order_id] = _Record(command)

    def apply(self, event: OrderEvent) -> None:
        """Follow an event."""
        kind = type(event)
        if kind is OrderCompleted or kind is OrderCancelled or kind is OrderFailed:
            self._records.pop(event.client_order_id, None)
            return
        record = self._records.get(event.client_order_id)
        if isinstance(event, OrderCreated):
            if record is None:
                record = self._records[event.client_order_id] = _Record(event)
                record.created_ms = event.time_ms
            record.price, record.amount = event.price, event.amount
            record.state, record.reason = OrderState.OPEN, ""
        if record is None:
            return
        record.exchange_order_id = event.exchange_order_id or record.exchange_order_id
        record.updated_ms = event.time_ms
        if isinstance(event, OrderFilled):
            record.state = OrderState.PARTIALLY_FILLED
            record.base += event.amount
            record.quote += event.amount * event.price
            record.fees[event.fee_asset] = record.fees.get(event.fee_asset, _ZERO) + event.fee_amount
        elif isinstance(event, OrderOutcomeUnknown):
            record.state, record.reason = OrderState.UNKNOWN, event.reason


def as_json(order: InFlightOrder) -> dict[str, Any]:
    """An order as plain JSON values; numbers of money are strings."""
    return {
        "client_order_id": order.client_order_id,
        "exchange_order_id": order.exchange_order_id,
        "trading_pair": order.trading_pair,
        "side": TradeSide(order.side).value,
        "order_type": OrderType(order.order_type).value,
        "time_in_force": TimeInForce(order.time_in_force).value,
        "price": None if order.price is None else str(order.price),
        "amount": str(order.amount),
        "state": order.state.value,
        "executed_amount_base": str(order.executed_amount_base),
        "executed_amount_quote": str(order.executed_amount_quote),
        "fees": {asset: str(amount) for asset, amount in order.fees},
        "created_ms": order.created_ms,
        "updated_ms": order.updated_ms,
        "reason": order.reason,
    }
