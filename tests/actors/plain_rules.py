"""A trading rule without limits, for tests that need a pair and its symbol and nothing else."""

from decimal import Decimal

from openoutcry.messages.orders import OrderType, TimeInForce
from openoutcry.messages.trading_rules import TradingRule

_NONE = Decimal(0)


def rule(trading_pair: str) -> TradingRule:
    """Of BASE-QUOTE; its symbol is BASEQUOTE."""
    base, quote = trading_pair.split("-")
    return TradingRule(
        trading_pair=trading_pair,
        symbol=base + quote,
        base_asset=base,
        quote_asset=quote,
        min_price_increment=_NONE,
        min_price=_NONE,
        max_price=_NONE,
        min_base_amount_increment=_NONE,
        min_order_size=_NONE,
        max_order_size=_NONE,
        market_min_base_amount_increment=_NONE,
        market_min_order_size=_NONE,
        market_max_order_size=_NONE,
        min_notional_size=_NONE,
        min_notional_applies_to_market=False,
        max_notional_size=_NONE,
        order_types=frozenset(OrderType),
        times_in_force=frozenset(TimeInForce),
        self_trade_prevention_modes=frozenset(),
        is_trading=True,
        status="TRADING",
    )
