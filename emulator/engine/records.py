"""What the exchange hands out: orders, trades, balances, views of a book.

All of it is frozen: NamedTuples, since a frozen dataclass of twenty fields takes six times as long to make, and each
request makes several. Amounts are exact.
"""

from decimal import Decimal
from typing import NamedTuple, TypeAlias

from openoutcry.emulator.engine.enums import (
    ExpiryReason,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

PriceLevel: TypeAlias = tuple[Decimal, Decimal]
"""Price in the quote asset, quantity in the base asset."""


class NewOrder(NamedTuple):
    """A request for an order. What is None was not sent."""

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce | None = None
    """Needed for LIMIT, refused for the other types."""
    quantity: Decimal | None = None
    """In the base asset."""
    quote_quantity: Decimal | None = None
    """In the quote asset, for MARKET only and in place of `quantity`: how much to spend, or to receive."""
    price: Decimal | None = None
    client_order_id: str | None = None
    """Made up by the exchange if None."""
    self_trade_prevention_mode: SelfTradePrevention = SelfTradePrevention.NONE


class Order(NamedTuple):
    """An order as it stood when it was asked for, or when something happened to it."""

    account_id: str
    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    price: Decimal
    """0 for a market order."""
    quantity: Decimal
    """In the base asset. Of a market order by quote quantity: what it came to."""
    quote_quantity: Decimal
    """What a market order asked for in the quote asset; else 0."""
    executed_quantity: Decimal
    executed_quote: Decimal
    prevented_quantity: Decimal
    """Expired by self-trade prevention, in the base asset."""
    status: OrderStatus
    self_trade_prevention_mode: SelfTradePrevention
    created_ms: int
    updated_ms: int
    expiry_reason: ExpiryReason | None
    prevented_match_id: int | None

    @property
    def is_open(self) -> bool:
        """Whether the order is on the book."""
        return self.status is OrderStatus.NEW or self.status is OrderStatus.PARTIALLY_FILLED

    @property
    def remaining_quantity(self) -> Decimal:
        """What was not executed, in the base asset."""
        return self.quantity - self.executed_quantity


class Trade(NamedTuple):
    """One side's view of a trade, as `myTrades` and the `fills` of an answer show it."""

    symbol: str
    trade_id: int
    """Rises per symbol."""
    order_id: int
    client_order_id: str
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    fee: Decimal
    fee_asset: str
    time_ms: int
    is_buyer: bool
    is_maker: bool


class PreventedMatch(NamedTuple):
    """Two orders of one account that did not trade."""

    symbol: str
    prevented_match_id: int
    taker_order_id: int
    maker_order_id: int
    self_trade_prevention_mode: SelfTradePrevention
    price: Decimal
    taker_prevented_quantity: Decimal | None
    """None unless the taker expired."""
    maker_prevented_quantity: Decimal | None
    time_ms: int


class Balance(NamedTuple):
    """How much of an asset an account has."""

    asset: str
    free: Decimal
    locked: Decimal
    """Held for open orders."""


class DepthView(NamedTuple):
    """An order book at one moment: best levels first."""

    symbol: str
    last_update_id: int
    bids: tuple[PriceLevel, ...]
    asks: tuple[PriceLevel, ...]


class DepthChange(NamedTuple):
    """What changed in a book: absolute quantities, 0 for a level that is gone; each price once, in no order."""

    symbol: str
    first_update_id: int
    last_update_id: int
    bids: tuple[PriceLevel, ...]
    asks: tuple[PriceLevel, ...]


class BestPrices(NamedTuple):
    """The top of a book; None for a side that is empty."""

    symbol: str
    update_id: int
    bid: PriceLevel | None
    ask: PriceLevel | None
