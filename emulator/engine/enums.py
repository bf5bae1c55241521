"""The words of the exchange: sides, types, states. Their values are those of Binance spot on the wire."""

from enum import StrEnum


class Side(StrEnum):
    """Which way an order trades, seen from the base asset."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """How an order executes."""

    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    """Refused if it would take liquidity."""
    MARKET = "MARKET"


class TimeInForce(StrEnum):
    """How long an order lives."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class SelfTradePrevention(StrEnum):
    """What happens when an order would trade with one of its own account. The taker's mode decides."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class OrderStatus(StrEnum):
    """Where an order stands."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    """Never given by the engine: a refused order raises `Rejected` and leaves no trace."""
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    """Ended by self-trade prevention."""


class ExecutionType(StrEnum):
    """What an order report tells of."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    """Never sent by the engine; see `OrderStatus.REJECTED`."""
    EXPIRED = "EXPIRED"
    TRADE_PREVENTION = "TRADE_PREVENTION"


class ExpiryReason(StrEnum):
    """Why an order expired."""

    UNFILLED_IOC_QUANTITY_EXPIRED = "UNFILLED_IOC_QUANTITY_EXPIRED"
    UNFILLED_FOK_ORDER_EXPIRED = "UNFILLED_FOK_ORDER_EXPIRED"
    INSUFFICIENT_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
    """A market order found the book too thin."""


class CancelRestriction(StrEnum):
    """A cancel that only applies to an order in the named state."""

    ONLY_NEW = "ONLY_NEW"
    ONLY_PARTIALLY_FILLED = "ONLY_PARTIALLY_FILLED"
