"""What the connector believes, compared with what the exchange knows."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from openoutcry.connector import Connector
from openoutcry.emulator.engine import Order, OrderStatus
from openoutcry.emulator.venue import TEST_ACCOUNT, EmulatedVenue
from openoutcry.errors import StaleMarketData
from openoutcry.messages.orders import (
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderEvent,
    OrderFailed,
    OrderFilled,
    OrderState,
)

_FINAL_STATE = {OrderCompleted: "FILLED", OrderCancelled: "CANCELED", OrderFailed: "FAILED"}
_EXCHANGE_STATE = {
    OrderStatus.NEW: "OPEN",
    OrderStatus.PARTIALLY_FILLED: "OPEN",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "CANCELED",
    OrderStatus.EXPIRED_IN_MATCH: "CANCELED",
    OrderStatus.REJECTED: "FAILED",
}


@dataclass(slots=True)
class OrderLog:
    """What the events said, order by order."""

    states: dict[str, str] = field(default_factory=dict)
    fills: dict[str, dict[str, tuple[Decimal, Decimal, Decimal]]] = field(default_factory=dict)
    """Client order id → trade id → (price, amount, fee)."""
    fill_count: int = 0
    numbers: list[int] = field(default_factory=list)

    def add(self, event: OrderEvent) -> None:
        """Note an event."""
        self.numbers.append(event.number)
        order_id = event.client_order_id
        if isinstance(event, OrderFilled):
            self.fill_count += 1
            fills = self.fills.setdefault(order_id, {})
            fills[event.trade_id] = (event.price, event.amount, event.fee_amount)
        elif isinstance(event, OrderCreated):
            self.states.setdefault(order_id, "OPEN")
        elif (state := _FINAL_STATE.get(type(event))) is not None:
            self.states[order_id] = state


@dataclass(slots=True)
class Summary:
    """The result of a demonstration."""

    ready_after_s: float
    frames: int
    orders: dict[str, int]
    fills: int
    restarts: int
    lost_orders: int
    duplicate_orders: int
    balances_match: bool
    books_match: bool
    problems: list[str]
    """One sentence for each thing that does not match; empty when all is well."""

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost and all matches."""
        return not self.problems and not self.lost_orders and not self.duplicate_orders

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return asdict(self)


async def compare(
    connector: Connector, server: EmulatedVenue, log: OrderLog, *, ready_after_s: float, frames: int, restarts: int
) -> Summary:
    """Compare orders, fills, balances and books with the exchange's own. The exchange must be at rest."""
    problems: list[str] = []
    true_orders = _true_orders(server)
    known = set(log.states) | set(connector.in_flight_orders)
    lost = [order_id for order_id in true_orders if order_id not in known]
    accepted_twice = [order_id for order_id, orders in true_orders.items() if len(orders) > 1]
    problems += [f"order {order_id}: the exchange has it, the connector does not know it" for order_id in lost]
    problems += [f"order {order_id}: the exchange accepted it twice" for order_id in accepted_twice]
    problems += [
        f"order {order.client_order_id}: its outcome is still unknown ({order.reason})"
        for order in connector.in_flight_orders.values()
        if order.state is OrderState.UNKNOWN
    ]
    for order_id, state in log.states.items():
        problems += _order_problems(order_id, state, true_orders.get(order_id), log, server)
    if log.numbers != list(range(log.numbers[0], log.numbers[0] + len(log.numbers)) if log.numbers else []):
        problems.append("event numbers: one repeats or is missing")
    balance_problems = _balance_problems(connector, server)
    book_problems = await _book_problems(connector, server)
    return Summary(
        ready_after_s=round(ready_after_s, 3),
        frames=frames,
        orders=dict(Counter(log.states.values())),
        fills=log.fill_count,
        restarts=restarts,
        lost_orders=len(lost),
        duplicate_orders=len(accepted_twice),
        balances_match=not balance_problems,
        books_match=not book_problems,
        problems=problems + balance_problems + book_problems,
    )


def _true_orders(server: EmulatedVenue) -> dict[str, list[Order]]:
    orders: dict[str, list[Order]] = {}
    for symbol in server.exchange.markets:
        for order in server.exchange.all_orders(TEST_ACCOUNT, symbol, limit=1_000_000):
            orders.setdefault(order.client_order_id, []).append(order)
    return orders


def _order_problems(
    order_id: str, state: str, orders: list[Order] | None, log: OrderLog, server: EmulatedVenue
) -> list[str]:
    if not orders:
        return [] if state == "FAILED" else [f"order {order_id}: {state} here, unknown to the exchange"]
    order = orders[-1]
    problems = []
    if _EXCHANGE_STATE[order.status] != state:
        problems.append(f"order {order_id}: {state} here, {order.status.value} at the exchange")
    truth = {
        str(trade.trade_id): (trade.price, trade.quantity, trade.fee)
        for trade in server.exchange.my_trades(TEST_ACCOUNT, order.symbol, order_id=order.order_id, limit=1_000_000)
    }
    if log.fills.get(order_id, {}) != truth:
        problems.append(
            f"order {order_id}: {len(log.fills.get(order_id, {}))} fills here, {len(truth)} at the exchange"
        )
    return problems


def _balance_problems(connector: Connector, server: EmulatedVenue) -> list[str]:
    problems = []
    for asset, truth in server.exchange.balances(TEST_ACCOUNT).items():
        total, available = connector.get_balance(asset), connector.get_available_balance(asset)
        if total != truth.free + truth.locked or available != truth.free:
            problems.append(
                f"balance {asset}: {total} ({available} available) here, "
                f"{truth.free + truth.locked} ({truth.free}) at the exchange"
            )
    return problems


async def _book_problems(connector: Connector, server: EmulatedVenue) -> list[str]:
    problems = []
    for trading_pair in connector.trading_pairs:
        symbol = trading_pair.replace("-", "")
        try:
            book = await connector.order_book(trading_pair)
        except StaleMarketData as error:
            problems.append(f"book {trading_pair}: {error}")
            continue
        truth = server.exchange.depth(symbol, 5000)
        bids = tuple((float(price), float(amount)) for price, amount in truth.bids)
        asks = tuple((float(price), float(amount)) for price, amount in truth.asks)
        if book.sequence != truth.last_update_id or book.bids != bids or book.asks != asks:
            problems.append(
                f"book {trading_pair}: sequence {book.sequence} here, {truth.last_update_id} at the exchange, "
                f"{len(book.bids)}/{len(book.asks)} levels here, {len(bids)}/{len(asks)} there"
            )
    return problems
