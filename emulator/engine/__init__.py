"""The embedded exchange, pure: matching engine, accounts, filters, fees, and a background order flow."""

from openoutcry.emulator.engine.account import Account
from openoutcry.emulator.engine.enums import (
    CancelRestriction,
    ExecutionType,
    ExpiryReason,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from openoutcry.emulator.engine.errors import CLIENT_ID_RANGE, Rejected
from openoutcry.emulator.engine.events import (
    BalanceDelta,
    BalanceReport,
    Cancellation,
    Event,
    OrderReport,
    Placement,
    PublicTrade,
)
from openoutcry.emulator.engine.exchange import Exchange
from openoutcry.emulator.engine.flow import OrderFlow
from openoutcry.emulator.engine.market import Market
from openoutcry.emulator.engine.records import (
    Balance,
    BestPrices,
    DepthChange,
    DepthView,
    NewOrder,
    Order,
    PreventedMatch,
    PriceLevel,
    Trade,
)

__all__ = [
    "CLIENT_ID_RANGE",
    "Account",
    "Balance",
    "BalanceDelta",
    "BalanceReport",
    "BestPrices",
    "CancelRestriction",
    "Cancellation",
    "DepthChange",
    "DepthView",
    "Event",
    "Exchange",
    "ExecutionType",
    "ExpiryReason",
    "Market",
    "NewOrder",
    "Order",
    "OrderFlow",
    "OrderReport",
    "OrderStatus",
    "OrderType",
    "Placement",
    "PreventedMatch",
    "PriceLevel",
    "PublicTrade",
    "Rejected",
    "SelfTradePrevention",
    "Side",
    "TimeInForce",
    "Trade",
]
