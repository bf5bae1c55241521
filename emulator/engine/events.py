"""What the exchange tells its accounts and the public when something happens, in the order it sends it."""

from decimal import Decimal
from typing import NamedTuple, TypeAlias

from openoutcry.emulator.engine.enums import ExecutionType
from openoutcry.emulator.engine.records import Balance, Order, PreventedMatch, Trade


class OrderReport(NamedTuple):
    """Something happened to an order (`executionReport`)."""

    account_id: str
    order: Order
    """The state after it."""
    execution_type: ExecutionType
    execution_id: int
    """Rises per exchange."""
    time_ms: int
    is_on_book: bool
    trade: Trade | None = None
    """Of TRADE only: price, quantity, fee and whether this side was the maker."""
    cancel_id: str | None = None
    """Of CANCELED only: the cancel's own client id; the order's stands in `order`."""
    last_prevented_quantity: Decimal | None = None
    """Of TRADE_PREVENTION only."""


class BalanceReport(NamedTuple):
    """Balances that possibly changed, absolute (`outboundAccountPosition`)."""

    account_id: str
    time_ms: int
    balances: tuple[Balance, ...]


class BalanceDelta(NamedTuple):
    """A deposit, or with a negative amount a withdrawal (`balanceUpdate`)."""

    account_id: str
    time_ms: int
    asset: str
    delta: Decimal


class PublicTrade(NamedTuple):
    """A trade, as everybody sees it."""

    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    buyer_order_id: int
    seller_order_id: int
    buyer_is_maker: bool
    time_ms: int


Event: TypeAlias = OrderReport | BalanceReport | BalanceDelta | PublicTrade


class Placement(NamedTuple):
    """A new order was taken; it may have ended already."""

    order: Order
    """Its state after matching."""
    fills: tuple[Trade, ...]
    """The taker's side of its trades."""
    prevented_matches: tuple[PreventedMatch, ...]
    events: tuple[Event, ...]
    """Everything that it caused, for all accounts and the public."""


class Cancellation(NamedTuple):
    """An order was canceled."""

    order: Order
    cancel_id: str
    """The cancel's own client id, given or made up."""
    events: tuple[Event, ...]
