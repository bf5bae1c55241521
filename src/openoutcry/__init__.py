"""openoutcry: exchange connectors for trading bots, each a supervised tree of actors."""

from openoutcry.actors.system import AsyncioSystemBase
from openoutcry.config.errors import ConfigError
from openoutcry.config.schema import ConnectorSettings, SecretSource, Settings
from openoutcry.connector import Connector
from openoutcry.errors import (
    BookTooThin,
    ConnectorNotReady,
    ConnectorStopped,
    OpenoutcryError,
    OrderEventsGone,
    OrderRefusedError,
    StaleMarketData,
    UnknownTradingPair,
)
from openoutcry.market_view import BestPrices
from openoutcry.messages.account import Balance
from openoutcry.messages.lifecycle import ComponentStatus, ConnectorStatus, Readiness, TradingMode
from openoutcry.messages.market import BestBidAsk, OrderBookView, PublicTrade
from openoutcry.messages.orders import (
    CancelResult,
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
    TimeInForce,
    TradeSide,
)
from openoutcry.messages.trading_rules import TradingRule
from openoutcry.runtime import Runtime

__all__ = [
    "AsyncioSystemBase",
    "Balance",
    "BestBidAsk",
    "BestPrices",
    "BookTooThin",
    "CancelResult",
    "ComponentStatus",
    "ConfigError",
    "Connector",
    "ConnectorNotReady",
    "ConnectorSettings",
    "ConnectorStatus",
    "ConnectorStopped",
    "InFlightOrder",
    "OpenoutcryError",
    "OrderBookView",
    "OrderCancelled",
    "OrderCompleted",
    "OrderCreated",
    "OrderEvent",
    "OrderEventsGone",
    "OrderFailed",
    "OrderFilled",
    "OrderOutcomeUnknown",
    "OrderRefusedError",
    "OrderState",
    "OrderType",
    "PublicTrade",
    "Readiness",
    "Runtime",
    "SecretSource",
    "Settings",
    "StaleMarketData",
    "TimeInForce",
    "TradeSide",
    "TradingMode",
    "TradingRule",
    "UnknownTradingPair",
]
