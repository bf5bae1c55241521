"""What several tests of this folder use."""

from decimal import Decimal

from openoutcry.messages.orders import OrderType, TimeInForce
from openoutcry.messages.trading_rules import TradingRule

PAIR = "BTC-USDT"

RULE = TradingRule(
    trading_pair=PAIR,
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    min_price_increment=Decimal("0.01"),
    min_price=Decimal("0.01"),
    max_price=Decimal(1000000),
    min_base_amount_increment=Decimal("0.00001"),
    min_order_size=Decimal("0.0001"),
    max_order_size=Decimal(9000),
    market_min_base_amount_increment=Decimal(0),
    market_min_order_size=Decimal(0),
    market_max_order_size=Decimal(100),
    min_notional_size=Decimal(5),
    min_notional_applies_to_market=True,
    max_notional_size=Decimal(9000000),
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    self_trade_prevention_modes=frozenset({"EXPIRE_TAKER"}),
    is_trading=True,
    status="TRADING",
)
