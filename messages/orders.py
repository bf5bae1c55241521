"""The conversation about orders: commands to the order tracker, what the exchange says, and the events published.

What every order makes one of is a msgspec struct, not a dataclass: making it takes a tenth of the time.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import msgspec


class TradeSide(StrEnum):
    """Which way an order trades, seen from the base asset."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """How an order executes."""

    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    """A limit order that the exchange refuses if it would take liquidity (post-only)."""
    MARKET = "MARKET"


class TimeInForce(StrEnum):
    """How long a limit order lives."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderState(StrEnum):
    """Where an in-flight order stands. Only the exchange's own word ends an order."""

    PENDING_CREATE = "PENDING_CREATE"
    OPEN = "OPEN"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    UNKNOWN = "UNKNOWN"
    """A request left and its outcome is not known. The order counts as possibly open until the exchange says."""
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen to the order, late fills apart."""
        return self in _FINAL


_FINAL = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.FAILED})


# Commands and queries


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Place a new order. Answered with `OrderAccepted` once it is journaled, or with `OrderRefused`."""

    trading_pair: str
    side: TradeSide
    order_type: OrderType
    amount: Decimal
    """In the base asset; rounded down to the trading rule's step."""
    price: Decimal | None
    """In the quote asset; rounded to the tick. None for a market order."""
    time_in_force: TimeInForce = TimeInForce.GTC
    self_trade_prevention: str | None = None
    """The exchange's own word for the mode (Binance: EXPIRE_TAKER …); None leaves it to the exchange."""


class OrderAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The order is journaled and on its way. What the exchange says follows as events."""

    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefused:
    """The order was not sent, and why: the rule by its name and both numbers."""

    rule: str
    """trading_mode, unknown_pair, order_type, min_order_size, min_notional, balance …"""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """Cancel one order. Answered with `CancelResult` when the exchange has spoken, or with the reason it has not."""

    trading_pair: str
    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResult:
    """What became of a cancel."""

    client_order_id: str
    cancelled: bool
    """Whether the order is now canceled. False with state FILLED: it was filled first."""
    state: OrderState | None
    """The order's state now; None when the order is not known here."""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAllOrders:
    """Cancel every open order that this connector placed. Answered with `CancelAllResult`."""

    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAllResult:
    """One result for each order that was in flight."""

    results: tuple[CancelResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetInFlightOrders:
    """Ask for all orders that have not ended. Answered with `InFlightOrders`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightOrder:
    """One order as the tracker knows it now."""

    client_order_id: str
    exchange_order_id: str | None
    trading_pair: str
    side: TradeSide
    order_type: OrderType
    time_in_force: TimeInForce
    price: Decimal | None
    amount: Decimal
    state: OrderState
    executed_amount_base: Decimal
    executed_amount_quote: Decimal
    fees: tuple[tuple[str, Decimal], ...]
    """Fees paid so far: (asset, amount), by asset."""
    created_ms: int
    """When this side made the order: milliseconds of the exchange's clock."""
    updated_ms: int
    reason: str = ""
    """Why it failed, or why it is UNKNOWN."""

    @property
    def remaining_amount(self) -> Decimal:
        """What may still be executed, in the base asset."""
        return self.amount - self.executed_amount_base


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightOrders:
    """All orders that have not ended."""

    orders: tuple[InFlightOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetOrderEvents:
    """Ask for the journaled order events with a number greater than `after`. Answered with `OrderEvents`."""

    after: int | None
    """None: those since this run of the program began."""
    limit: int = 1000


# What the exchange says


class OrderUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's word on an order's state, from the user stream, an answer or a poll. May come late or twice."""

    trading_pair: str
    client_order_id: str
    """Empty when the exchange named only its own id."""
    exchange_order_id: str
    state: OrderState
    """OPEN, PARTIALLY_FILLED, FILLED, CANCELED or FAILED."""
    executed_amount_base: Decimal
    executed_amount_quote: Decimal
    updated_ms: int
    """The exchange's time of the change, in ms since the epoch."""
    reason: str = ""


class FillUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of an order. The trade id is its identity: however often it is told, it counts once."""

    trading_pair: str
    client_order_id: str
    """Empty when the exchange named only its own id."""
    exchange_order_id: str
    trade_id: str
    price: Decimal
    amount: Decimal
    """In the base asset."""
    quote_amount: Decimal
    fee_asset: str
    fee_amount: Decimal
    is_maker: bool
    traded_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNotFound:
    """The exchange was asked for an order and says that there is none."""

    trading_pair: str
    client_order_id: str
    asked_ms: int
    """Exchange time at which the question was sent, in ms since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrdersSeen:
    """All open orders of the account that the exchange named, some of which may be foreign."""

    updates: tuple[OrderUpdate, ...]
    asked_ms: int


# Events


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an order. Journaled first, published after."""

    number: int
    """Never repeats and never skips; one sequence for all orders of a connector."""
    time_ms: int
    trading_pair: str
    client_order_id: str
    exchange_order_id: str | None


class OrderCreated(OrderEvent, frozen=True, kw_only=True):
    """The exchange has the order."""

    side: TradeSide
    order_type: OrderType
    price: Decimal | None
    amount: Decimal


class OrderFilled(OrderEvent, frozen=True, kw_only=True):
    """A fill, counted once."""

    side: TradeSide
    trade_id: str
    price: Decimal
    amount: Decimal
    fee_asset: str
    fee_amount: Decimal
    is_maker: bool


class OrderCompleted(OrderEvent, frozen=True, kw_only=True):
    """The order is filled to its end and every fill of it is known."""

    side: TradeSide
    executed_amount_base: Decimal
    executed_amount_quote: Decimal


class OrderCancelled(OrderEvent, frozen=True, kw_only=True):
    """The order left the book before its end: by a cancel, or expired."""

    executed_amount_base: Decimal
    reason: str


class OrderFailed(OrderEvent, frozen=True, kw_only=True):
    """The exchange refused the order, or says that it never had it."""

    reason: str


class OrderOutcomeUnknown(OrderEvent, frozen=True, kw_only=True):
    """A request's outcome is not known; the exchange is being asked. Another event follows."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvents:
    """A stretch of the event sequence, in order and without holes.

    Where its first number is not the one that was asked for, the events between are no longer kept.
    """

    events: tuple[OrderEvent, ...]
    last_number: int
    """The newest number that exists, whether or not it is in `events`."""


# Between the order tracker, the status poller and the balance poller


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuestion:
    """One order that the exchange is to be asked about."""

    trading_pair: str
    client_order_id: str
    exchange_order_id: str | None
    wants_state: bool
    wants_fills: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AskExchange:
    """To the status poller: ask the exchange about these orders, and tell the tracker what it says."""

    questions: tuple[OrderQuestion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionFailed:
    """From the status poller: the exchange could not be asked just now; the tracker decides when to ask again."""

    question: OrderQuestion
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderActivity:
    """To the balance poller: an order changed, or a fill of it was counted. For balances that are estimated."""

    order: InFlightOrder
    fill: FillUpdate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileOrders:
    """To the order tracker: ask the exchange about everything in flight, something may have been missed."""

    reason: str
