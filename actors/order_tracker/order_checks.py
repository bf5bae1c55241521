"""What is checked before an order is sent. What can't be sent is refused with the rule's name and both numbers.

Amounts are rounded down to the step. Prices are rounded to the tick on the passive side: buys down, sells up, so that
rounding never makes an order trade at a worse price than was asked for.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal, InvalidOperation, localcontext
from functools import lru_cache

from openoutcry.messages.orders import OrderRefused, OrderType, PlaceOrder, TimeInForce, TradeSide
from openoutcry.messages.trading_rules import TradingRule

_ZERO = Decimal(0)
_WIDE = 60
"""Digits for a rounding that does not fit into the usual 28."""


def quantize_order_price(rule: TradingRule, price: Decimal, side: TradeSide | None = None) -> Decimal:
    """The price on the pair's tick: up for a sell, else down.

    Raises:
        ValueError: the price is not a finite number.
    """
    return _to_step(price, rule.min_price_increment, ROUND_CEILING if side is TradeSide.SELL else ROUND_DOWN)


def quantize_order_amount(rule: TradingRule, amount: Decimal, order_type: OrderType = OrderType.LIMIT) -> Decimal:
    """The amount rounded down to the pair's step, which may be another one for market orders.

    Raises:
        ValueError: the amount is not a finite number.
    """
    amount = _to_step(amount, rule.min_base_amount_increment, ROUND_DOWN)
    if order_type is OrderType.MARKET:
        amount = _to_step(amount, rule.market_min_base_amount_increment, ROUND_DOWN)
    return amount


def check_order(
    rule: TradingRule,
    order: PlaceOrder,
    available: Mapping[str, Decimal] | None = None,
    held: Mapping[str, Decimal] | None = None,
    best_price: Decimal | None = None,
) -> tuple[Decimal, Decimal | None] | OrderRefused:
    """The order's amount and price as they are sent, or why it can't be.

    `available` are the balances by asset, None if they are not known (then the exchange decides); `held` is what
    orders on their way will take of them. `best_price` is what a market order would get; without it its notional is
    not checked.
    """
    if not rule.is_trading:
        return _refused("trading_status", f"{rule.trading_pair} is {rule.status}, not open for trading")
    kind = order.order_type
    refused = _check_kind(rule, order)
    if refused is not None:
        return refused
    if not order.amount.is_finite() or (order.price is not None and not order.price.is_finite()):
        return _refused("finite", f"amount {order.amount} and price {order.price} have to be finite numbers")
    amount = quantize_order_amount(rule, order.amount, kind)
    refused = _check_size(rule, order, amount)
    if refused is not None:
        return refused
    price: Decimal | None = None
    if kind is not OrderType.MARKET:
        assert order.price is not None  # noqa: S101 - checked with the order's kind
        price = quantize_order_price(rule, order.price, order.side)
        refused = _check_price(rule, order, price)
        if refused is not None:
            return refused
    refused = _check_notional(rule, price, best_price, amount)
    if refused is None and available is not None:
        refused = _check_balance(rule, order.side, amount, price, available, held or {})
    return (amount, price) if refused is None else refused


def held_by(rule: TradingRule, side: TradeSide, amount: Decimal, price: Decimal | None) -> tuple[str, Decimal]:
    """The asset and how much of it an order takes out of what is available; 0 where it is not known beforehand."""
    if side is TradeSide.SELL:
        return rule.base_asset, amount
    return rule.quote_asset, _ZERO if price is None else amount * price


def _check_kind(rule: TradingRule, order: PlaceOrder) -> OrderRefused | None:
    kind = order.order_type
    if kind not in rule.order_types:
        allowed = ", ".join(sorted(rule.order_types))
        return _refused("order_type", f"{rule.trading_pair} takes {allowed}, not {kind.value}")
    if kind is OrderType.MARKET:
        if order.price is not None:
            return _refused("price", f"a market order has no price, and {order.price} was given")
    elif order.price is None:
        return _refused("price", f"a {kind.value} order needs a price")
    if kind is OrderType.LIMIT:
        if order.time_in_force not in rule.times_in_force:
            allowed = ", ".join(sorted(rule.times_in_force))
            return _refused("time_in_force", f"{rule.trading_pair} takes {allowed}, not {order.time_in_force.value}")
    elif kind is OrderType.LIMIT_MAKER and order.time_in_force is not TimeInForce.GTC:
        return _refused("time_in_force", f"a LIMIT_MAKER order is GTC, not {order.time_in_force.value}")
    mode = order.self_trade_prevention
    if mode is not None and mode not in rule.self_trade_prevention_modes:
        allowed = ", ".join(sorted(rule.self_trade_prevention_modes)) or "none"
        return _refused("self_trade_prevention", f"{rule.trading_pair} takes {allowed}, not {mode}")
    return None


def _check_size(rule: TradingRule, order: PlaceOrder, amount: Decimal) -> OrderRefused | None:
    smallest, largest = rule.min_order_size, rule.max_order_size
    if order.order_type is OrderType.MARKET:
        smallest = max(smallest, rule.market_min_order_size)
        largest = _tighter(largest, rule.market_max_order_size)
    if amount < smallest or amount <= _ZERO:
        return _refused(
            "min_order_size",
            f"amount {_told(order.amount, amount)} is below the least of {rule.trading_pair}, "
            f"{smallest or rule.min_base_amount_increment} {rule.base_asset}",
        )
    if largest and amount > largest:
        return _refused(
            "max_order_size",
            f"amount {_told(order.amount, amount)} is above the most of {rule.trading_pair}, "
            f"{largest} {rule.base_asset}",
        )
    return None


def _check_price(rule: TradingRule, order: PlaceOrder, price: Decimal) -> OrderRefused | None:
    if price < rule.min_price or price <= _ZERO:
        least = rule.min_price or rule.min_price_increment
        return _refused(
            "min_price",
            f"price {_told(order.price, price)} is below the least of {rule.trading_pair}, {least} {rule.quote_asset}",
        )
    if rule.max_price and price > rule.max_price:
        return _refused(
            "max_price",
            f"price {_told(order.price, price)} is above the most of {rule.trading_pair}, "
            f"{rule.max_price} {rule.quote_asset}",
        )
    return None


def _check_notional(
    rule: TradingRule, price: Decimal | None, best_price: Decimal | None, amount: Decimal
) -> OrderRefused | None:
    is_market = price is None
    at = best_price if price is None else price
    if at is None:
        return None
    notional = amount * at
    if notional < rule.min_notional_size and (not is_market or rule.min_notional_applies_to_market):
        return _refused(
            "min_notional",
            f"{amount} at {at} is worth {notional} {rule.quote_asset}, below the least of {rule.trading_pair}, "
            f"{rule.min_notional_size}",
        )
    if rule.max_notional_size and notional > rule.max_notional_size and not is_market:
        return _refused(
            "max_notional",
            f"{amount} at {at} is worth {notional} {rule.quote_asset}, above the most of {rule.trading_pair}, "
            f"{rule.max_notional_size}",
        )
    return None


def _check_balance(
    rule: TradingRule,
    side: TradeSide,
    amount: Decimal,
    price: Decimal | None,
    available: Mapping[str, Decimal],
    held: Mapping[str, Decimal],
) -> OrderRefused | None:
    asset, needed = held_by(rule, side, amount, price)
    there = available.get(asset, _ZERO)
    on_the_way = held.get(asset, _ZERO)
    if needed + on_the_way <= there:
        return None
    words = f"the order needs {needed} {asset} and {there} are available"
    if on_the_way:
        words += f", of which orders on their way hold {on_the_way}"
    return _refused("balance", words)


def _to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if not value.is_finite():
        raise ValueError(f"{value} is not a finite number")
    if not step:
        return value
    try:
        # Nearly every step is a power of ten, for which `quantize` is twice as fast as a division.
        if _is_power_of_ten(str(step)):
            return value.quantize(step, rounding)
        return _by_division(value, step, rounding)
    except InvalidOperation:
        pass  # More than the usual 28 digits.
    with localcontext() as context:
        context.prec = _WIDE
        try:
            return _by_division(value, step, rounding)
        except InvalidOperation:
            # More digits than any exchange has limits for: leave it as it is, the limits refuse it.
            return value


@lru_cache(maxsize=1024)
def _is_power_of_ten(step: str) -> bool:
    # By its text: 0.01 and 0.0100 are equal, and one of them is a step to which `quantize` does not round.
    return Decimal(step).as_tuple().digits == (1,)


def _by_division(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    count, rest = divmod(value, step)
    if rest and rounding == ROUND_CEILING:
        count += 1
    return count * step


def _tighter(one: Decimal, other: Decimal) -> Decimal:
    if not one or not other:
        return one or other
    return min(one, other)


def _told(asked: Decimal | None, rounded: Decimal) -> str:
    return f"{rounded}" if asked == rounded else f"{asked} (rounded to {rounded})"


def _refused(rule: str, message: str) -> OrderRefused:
    return OrderRefused(rule=rule, message=message)
