"""What is checked of a new order before the matching engine sees it: parameters first, then the symbol's filters."""

import re
from decimal import Decimal

from openoutcry.emulator.engine import errors
from openoutcry.emulator.engine.enums import OrderType
from openoutcry.emulator.engine.market import Market
from openoutcry.emulator.engine.records import NewOrder

_CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
_TOO_LARGE = Decimal(10) ** 15
_TOO_LARGE_NOTIONAL = Decimal(10) ** 19
"""Keeps amounts with 8 digits after the point within the 28 digits to which Decimal is exact."""


def check_client_id(parameter: str, client_order_id: str) -> None:
    """Raises `Rejected` (-1100) unless the id has 1 to 36 letters, digits, hyphens and underscores."""
    if _CLIENT_ID.fullmatch(client_order_id) is None:
        raise errors.illegal_client_id(parameter)


def check_parameters(order: NewOrder) -> None:
    """Raises `Rejected` if the order lacks a parameter that its type needs, or has one that it doesn't take."""
    if order.client_order_id is not None:
        check_client_id("newClientOrderId", order.client_order_id)
    if order.type is OrderType.MARKET:
        if order.time_in_force is not None:
            raise errors.not_required("timeInForce")
        if order.price is not None:
            raise errors.not_required("price")
        if order.quantity is None and order.quote_quantity is None:
            raise errors.one_of("quantity", "quoteOrderQty")
        if order.quantity is not None and order.quote_quantity is not None:
            raise errors.not_required("quoteOrderQty")
        return
    if order.type is OrderType.LIMIT:
        if order.time_in_force is None:
            raise errors.missing("timeInForce")
    elif order.time_in_force is not None:
        raise errors.not_required("timeInForce")
    if order.quantity is None:
        raise errors.missing("quantity")
    if order.price is None:
        raise errors.missing("price")
    if order.quote_quantity is not None:
        raise errors.not_required("quoteOrderQty")


def check_order_type(market: Market, order: NewOrder) -> None:
    """Raises `Rejected` if the symbol doesn't take orders of this type."""
    if order.type not in market.order_types:
        if order.type is OrderType.MARKET:
            raise errors.Rejected(-1013, "Market orders are not supported for this symbol.")
        raise errors.Rejected(-1014, "Unsupported order combination.")
    if order.quote_quantity is not None and not market.quote_order_quantity_allowed:
        raise errors.Rejected(-1013, "Quote order qty market orders are not support for this symbol.")


def check_price(market: Market, price: Decimal) -> None:
    """PRICE_FILTER, and the digits of the quote asset."""
    _check_number("price", price, "price", market.quote_unit)
    if (
        price < market.min_price
        or (market.max_price and price > market.max_price)
        or (market.tick_size and price % market.tick_size)
    ):
        raise errors.filter_failure("PRICE_FILTER")


def check_price_band(market: Market, price: Decimal, *, is_buy: bool, last_price: Decimal | None) -> None:
    """PERCENT_PRICE_BY_SIDE, around the last price; before the first trade there is no band."""
    if last_price is None:
        return
    up = market.bid_multiplier_up if is_buy else market.ask_multiplier_up
    down = market.bid_multiplier_down if is_buy else market.ask_multiplier_down
    if (up is not None and price > last_price * up) or (down is not None and price < last_price * down):
        raise errors.filter_failure("PERCENT_PRICE_BY_SIDE")


def check_quantity(market: Market, quantity: Decimal, *, is_market: bool) -> None:
    """LOT_SIZE, for market orders also MARKET_LOT_SIZE, and the digits of the base asset."""
    _check_number("quantity", quantity, "quantity", market.base_unit)
    if (
        quantity < market.min_quantity
        or (market.max_quantity and quantity > market.max_quantity)
        or (market.step_size and quantity % market.step_size)
    ):
        raise errors.filter_failure("LOT_SIZE")
    if is_market and (
        quantity < market.market_min_quantity
        or (market.market_max_quantity and quantity > market.market_max_quantity)
        or (market.market_step_size and quantity % market.market_step_size)
    ):
        raise errors.filter_failure("MARKET_LOT_SIZE")


def check_quote_quantity(market: Market, quote_quantity: Decimal) -> None:
    """The digits of the quote asset."""
    _check_number("quoteOrderQty", quote_quantity, "quote order qty", market.quote_unit)


def check_notional(market: Market, notional: Decimal, *, is_market: bool) -> None:
    """NOTIONAL."""
    if notional >= _TOO_LARGE_NOTIONAL:
        raise errors.Rejected(-1108, "Parameter 'quantity' overflowed.")
    if notional < market.min_notional and (not is_market or market.apply_min_to_market):
        raise errors.filter_failure("NOTIONAL")
    if (
        market.max_notional is not None
        and notional > market.max_notional
        and (not is_market or market.apply_max_to_market)
    ):
        raise errors.filter_failure("NOTIONAL")


def _check_number(parameter: str, value: Decimal, name: str, unit: Decimal) -> None:
    if not value.is_finite() or value <= 0:
        raise errors.invalid_value(name)
    if value >= _TOO_LARGE:  # also keeps the remainders below within the precision of Decimal
        raise errors.Rejected(-1108, f"Parameter '{parameter}' overflowed.")
    if value % unit:
        raise errors.too_precise(parameter)
