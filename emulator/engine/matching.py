"""What a new order would trade with, worked out before anything changes, so that it can still be refused whole."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal

from openoutcry.emulator.engine.account import Account, LiveOrder
from openoutcry.emulator.engine.book import Book
from openoutcry.emulator.engine.enums import SelfTradePrevention
from openoutcry.emulator.engine.market import ZERO, Market


def quote_amount(market: Market, price: Decimal, quantity: Decimal) -> Decimal:
    """What a trade costs in the quote asset, rounded down to its smallest unit."""
    amount = price * quantity
    return amount if market.exact else amount.quantize(market.quote_unit, ROUND_DOWN)


def quote_hold(market: Market, price: Decimal, quantity: Decimal) -> Decimal:
    """What an open buy holds of the quote asset: rounded up, so that it covers any way of filling it."""
    amount = price * quantity
    return amount if market.exact else amount.quantize(market.quote_unit, ROUND_CEILING)


@dataclass(slots=True)
class Plan:
    """Steps of a new order through the book, and what they come to."""

    steps: list[tuple[LiveOrder, Decimal]]
    """Resting order and quantity to trade with it; 0 where self-trade prevention acts instead."""
    filled: Decimal
    """In the base asset."""
    cost: Decimal
    """In the quote asset."""
    quantity: Decimal
    """Of the order, in the base asset. For an order by quote quantity: what it comes to at these prices."""
    is_prevented: bool
    """Whether self-trade prevention ends the order where the steps end."""


def plan_by_quantity(
    market: Market,
    book: Book,
    account: Account,
    *,
    is_buy: bool,
    quantity: Decimal,
    limit_price: Decimal | None,
    mode: SelfTradePrevention,
) -> Plan:
    """Walk the other side of the book, best price and oldest order first, until `quantity` is filled.

    `limit_price` None takes any price.
    """
    plan = Plan([], ZERO, ZERO, quantity, False)
    side = book.asks if is_buy else book.bids
    best = side.best
    if best is None or (limit_price is not None and not _crosses(is_buy, limit_price, best.price)):
        return plan
    left = quantity
    for level in side.from_best():
        if limit_price is not None and not _crosses(is_buy, limit_price, level.price):
            break
        for maker in level.orders.values():
            if maker.account is account and mode is not SelfTradePrevention.NONE:
                plan.steps.append((maker, ZERO))
                if mode is SelfTradePrevention.EXPIRE_MAKER:
                    continue
                plan.is_prevented = True
                return plan
            traded = min(left, maker.remaining)
            _step(plan, market, maker, traded)
            left -= traded
            if not left:
                return plan
    return plan


def plan_by_quote(
    market: Market,
    book: Book,
    account: Account,
    *,
    is_buy: bool,
    quote_quantity: Decimal,
    mode: SelfTradePrevention,
) -> Plan:
    """Walk the other side of the book until `quote_quantity` buys, or pays for, no further step of the base asset."""
    plan = Plan([], ZERO, ZERO, ZERO, False)
    step = market.step_size or market.base_unit
    left = quote_quantity
    affordable = ZERO
    for level in (book.asks if is_buy else book.bids).from_best():
        price = level.price
        for maker in level.orders.values():
            affordable = left // (price * step) * step
            if not affordable:
                plan.quantity = plan.filled
                return plan
            if maker.account is account and mode is not SelfTradePrevention.NONE:
                plan.steps.append((maker, ZERO))
                if mode is SelfTradePrevention.EXPIRE_MAKER:
                    continue
                plan.is_prevented = True
                plan.quantity = plan.filled + affordable
                return plan
            traded = min(affordable, maker.remaining)
            left -= _step(plan, market, maker, traded)
            affordable = left // (price * step) * step
    # The book has run out: what is left is counted at the last price.
    plan.quantity = plan.filled + affordable
    return plan


def _step(plan: Plan, market: Market, maker: LiveOrder, quantity: Decimal) -> Decimal:
    cost = quote_amount(market, maker.price, quantity)
    plan.steps.append((maker, quantity))
    plan.filled += quantity
    plan.cost += cost
    return cost


def _crosses(is_buy: bool, limit_price: Decimal, price: Decimal) -> bool:
    return price <= limit_price if is_buy else price >= limit_price
