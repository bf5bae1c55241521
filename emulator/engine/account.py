"""Accounts: their balances, orders and trades."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from openoutcry.emulator.engine.enums import (
    ExpiryReason,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from openoutcry.emulator.engine.market import ZERO, Market
from openoutcry.emulator.engine.records import Balance, Order, Trade

if TYPE_CHECKING:
    from openoutcry.emulator.engine.book import Level


class LiveOrder:
    """An order inside the exchange. It changes; `view()` is what may leave."""

    __slots__ = (
        "_view",
        "account",
        "client_order_id",
        "created_ms",
        "executed_quantity",
        "executed_quote",
        "expiry_reason",
        "hold",
        "is_buy",
        "is_open",
        "level",
        "market",
        "order_id",
        "prevented_match_id",
        "prevented_quantity",
        "price",
        "quantity",
        "quote_quantity",
        "remaining",
        "self_trade_prevention_mode",
        "side",
        "status",
        "time_in_force",
        "trades",
        "type",
        "updated_ms",
    )

    def __init__(
        self,
        account: "Account",
        market: Market,
        order_id: int,
        client_order_id: str,
        side: Side,
        type: OrderType,  # noqa: A002 - the field's word
        time_in_force: TimeInForce,
        price: Decimal,
        quantity: Decimal,
        quote_quantity: Decimal,
        self_trade_prevention_mode: SelfTradePrevention,
        now_ms: int,
    ) -> None:
        self.account = account
        self.market = market
        self.order_id = order_id
        self.client_order_id = client_order_id
        self.side = side
        self.is_buy = side is Side.BUY
        self.type = type
        self.time_in_force = time_in_force
        self.price = price
        self.quantity = quantity
        self.quote_quantity = quote_quantity
        self.self_trade_prevention_mode = self_trade_prevention_mode
        self.created_ms = now_ms
        self.updated_ms = now_ms
        self.remaining = quantity
        self.executed_quantity = ZERO
        self.executed_quote = ZERO
        self.prevented_quantity = ZERO
        self.prevented_match_id: int | None = None
        self.status = OrderStatus.NEW
        self.is_open = True
        """Whether the order can still trade."""
        self.expiry_reason: ExpiryReason | None = None
        self.hold = ZERO
        """Locked for this order: quote asset for a buy, base asset for a sell."""
        self.level: Level | None = None
        """Where it rests, if it does."""
        self.trades: list[Trade] | None = None
        """None before the first: most orders never trade, and the garbage collector walks every list."""
        self._view: Order | None = None

    def touch(self, now_ms: int) -> None:
        """Something about the order has changed."""
        self.updated_ms = now_ms
        self._view = None

    def view(self) -> Order:
        """The order as it stands."""
        view = self._view
        if view is None:
            view = self._view = Order(
                self.account.account_id,
                self.order_id,
                self.client_order_id,
                self.market.symbol,
                self.side,
                self.type,
                self.time_in_force,
                self.price,
                self.quantity,
                self.quote_quantity,
                self.executed_quantity,
                self.executed_quote,
                self.prevented_quantity,
                self.status,
                self.self_trade_prevention_mode,
                self.created_ms,
                self.updated_ms,
                self.expiry_reason,
                self.prevented_match_id,
            )
        return view


class Account:
    """One account. Only the exchange changes it; `free` and `locked` hold amounts by asset."""

    __slots__ = (
        "account_id",
        "all_orders",
        "by_client_id",
        "free",
        "keeps_history",
        "locked",
        "maker_fee",
        "open_client_ids",
        "open_orders",
        "orders",
        "taker_fee",
        "trades",
    )

    def __init__(
        self, account_id: str, *, maker_fee: Decimal | None, taker_fee: Decimal | None, keeps_history: bool
    ) -> None:
        self.account_id = account_id
        self.maker_fee = maker_fee
        """None: the market's own rate."""
        self.taker_fee = taker_fee
        self.keeps_history = keeps_history
        self.free: dict[str, Decimal] = {}
        self.locked: dict[str, Decimal] = {}
        self.orders: dict[int, LiveOrder] = {}
        """By order id, the closed ones too."""
        self.all_orders: dict[str, list[LiveOrder]] = {}
        """By symbol, in the order of their ids."""
        self.open_orders: dict[str, dict[int, LiveOrder]] = {}
        self.open_client_ids: dict[str, LiveOrder] = {}
        self.by_client_id: dict[tuple[str, str], LiveOrder] = {}
        """The latest order of a symbol that had the client order id."""
        self.trades: dict[str, list[Trade]] = {}
        """By symbol, in the order of their ids."""

    def know(self, asset: str) -> None:
        """Make sure that `asset` has a balance."""
        self.free.setdefault(asset, ZERO)
        self.locked.setdefault(asset, ZERO)

    def balance(self, asset: str) -> Balance:
        """The balance of an asset that the account knows."""
        return Balance(asset, self.free[asset], self.locked[asset])

    def add_order(self, order: LiveOrder) -> None:
        """Take in a new order, as open."""
        symbol = order.market.symbol
        self.orders[order.order_id] = order
        try:
            self.open_orders[symbol][order.order_id] = order
        except KeyError:
            self.open_orders[symbol] = {order.order_id: order}
        self.open_client_ids[order.client_order_id] = order
        if self.keeps_history:
            self.by_client_id[symbol, order.client_order_id] = order
            try:
                self.all_orders[symbol].append(order)
            except KeyError:
                self.all_orders[symbol] = [order]

    def close_order(self, order: LiveOrder) -> None:
        """The order has ended."""
        del self.open_orders[order.market.symbol][order.order_id]
        del self.open_client_ids[order.client_order_id]
        if not self.keeps_history:
            del self.orders[order.order_id]

    def add_trade(self, order: LiveOrder, trade: Trade) -> None:
        """Record one side of a trade of this account."""
        if self.keeps_history:
            if order.trades is None:
                order.trades = []
            order.trades.append(trade)
            try:
                self.trades[trade.symbol].append(trade)
            except KeyError:
                self.trades[trade.symbol] = [trade]

    def find_open(self, symbol: str, order_id: int | None, client_order_id: str | None) -> LiveOrder | None:
        """The open order of that id, or of that client order id; both must fit if both are given."""
        if order_id is not None:
            order = self.open_orders.get(symbol, {}).get(order_id)
            if order is not None and client_order_id is not None and order.client_order_id != client_order_id:
                return None
            return order
        order = self.open_client_ids.get(client_order_id) if client_order_id is not None else None
        return order if order is not None and order.market.symbol == symbol else None

    def find(self, symbol: str, order_id: int | None, client_order_id: str | None) -> LiveOrder | None:
        """The order of that id, or the latest of that client order id; both must fit if both are given."""
        order: LiveOrder | None
        if order_id is not None:
            order = self.orders.get(order_id)
        elif client_order_id is None:
            return None
        else:
            order = self.by_client_id.get((symbol, client_order_id)) or self.open_client_ids.get(client_order_id)
        if order is None or order.market.symbol != symbol:
            return None
        if client_order_id is not None and order.client_order_id != client_order_id:
            return None
        return order


def select_orders(
    orders: Sequence[LiveOrder], order_id: int | None, start_ms: int | None, end_ms: int | None, limit: int
) -> Sequence[LiveOrder]:
    """The orders of a stretch of ids or creation times, as `select_trades` does it."""
    first = 0
    last = len(orders)
    if order_id is not None:
        first = bisect_left(orders, order_id, key=lambda order: order.order_id)
    if start_ms is not None:
        first = max(first, bisect_left(orders, start_ms, key=lambda order: order.created_ms))
    if end_ms is not None:
        last = bisect_right(orders, end_ms, key=lambda order: order.created_ms)
    if order_id is None and start_ms is None:
        first = max(first, last - limit)
    return orders[first : min(last, first + limit)]


def select_trades(
    trades: Sequence[Trade], from_id: int | None, start_ms: int | None, end_ms: int | None, limit: int
) -> tuple[Trade, ...]:
    """The trades of a stretch of ids or times: from its start if that is given, else the latest `limit`.

    Both ends of the times belong to it. `trades` are sorted by id and time.
    """
    first = 0
    last = len(trades)
    if from_id is not None:
        first = bisect_left(trades, from_id, key=lambda trade: trade.trade_id)
    if start_ms is not None:
        first = max(first, bisect_left(trades, start_ms, key=lambda trade: trade.time_ms))
    if end_ms is not None:
        last = bisect_right(trades, end_ms, key=lambda trade: trade.time_ms)
    if from_id is None and start_ms is None:
        first = max(first, last - limit)
    return tuple(trades[first : min(last, first + limit)])
