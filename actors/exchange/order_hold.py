"""What an open order keeps from being used by others. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from openoutcry.messages.orders import InFlightOrder, TradeSide
from openoutcry.messages.trading_rules import TradingRule


@dataclass(frozen=True, slots=True)
class Hold:
    """So much of an asset cannot be used while an order is open."""

    asset: str
    amount: Decimal


def assets_of(trading_pair: str, rules: Mapping[str, TradingRule]) -> tuple[str, str]:
    """Base and quote asset: by the trading rule, or by the pair's name where there is none yet."""
    rule = rules.get(trading_pair)
    if rule is not None:
        return rule.base_asset, rule.quote_asset
    base, _, quote = trading_pair.partition("-")
    return base, quote


def hold_of(order: InFlightOrder, rules: Mapping[str, TradingRule]) -> Hold | None:
    """What is held for the rest of an order: of a sale the base, of a purchase its price in the quote.

    A purchase at the market price has no price of its own: that of its fills so far stands for it, and without a fill
    nothing is known to be held (None).
    """
    remaining = order.remaining_amount
    if order.state.is_final or remaining <= 0:
        return None
    base, quote = assets_of(order.trading_pair, rules)
    if order.side is TradeSide.SELL:
        return Hold(base, remaining)
    price = order.price
    if price is None:
        if not order.executed_amount_base:
            return None
        price = order.executed_amount_quote / order.executed_amount_base
    return Hold(quote, remaining * price)
