"""What an exchange allows: trading rules, symbols, fees and rate limits."""

from dataclasses import dataclass
from decimal import Decimal

from openoutcry.messages.orders import OrderType, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingRule:
    """What may be ordered on one trading pair. A zero means that the exchange sets no such limit."""

    trading_pair: str
    symbol: str
    """The exchange's own name of the pair."""
    base_asset: str
    quote_asset: str
    min_price_increment: Decimal
    min_price: Decimal
    max_price: Decimal
    min_base_amount_increment: Decimal
    min_order_size: Decimal
    max_order_size: Decimal
    market_min_base_amount_increment: Decimal
    market_min_order_size: Decimal
    market_max_order_size: Decimal
    min_notional_size: Decimal
    min_notional_applies_to_market: bool
    max_notional_size: Decimal
    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    self_trade_prevention_modes: frozenset[str]
    is_trading: bool
    status: str
    """The exchange's own word (TRADING, HALT, BREAK, CANCEL_ONLY …)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingRules:
    """The rules of all pairs of the exchange, or of those that are followed. Published at each change."""

    rules: tuple[TradingRule, ...]

    def by_trading_pair(self) -> dict[str, TradingRule]:
        """The same, to look up by trading pair."""
        return {rule.trading_pair: rule for rule in self.rules}


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFee:
    """What the exchange takes of a trade on a pair, as a fraction of the received amount (0.001 is 0.1 %)."""

    trading_pair: str
    maker: Decimal
    taker: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFees:
    """The account's fees by pair, or the exchange's default where the account's are not known."""

    fees: tuple[TradeFee, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A budget that the exchange enforces."""

    name: str
    """The dialect's name, e.g. REQUEST_WEIGHT or ORDERS_10S."""
    limit: int
    interval_s: float
