"""Answers about orders: placements, cancels, states, fills."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from openoutcry.exchanges.binance.order_states import end_reason, order_state
from openoutcry.exchanges.binance.wire import NOTHING, Identifier, Milliseconds, Wire, malformed, parser
from openoutcry.exchanges.dialect import MalformedPayload, NewOrder
from openoutcry.messages.orders import FillUpdate, OrderUpdate
from openoutcry.messages.trading_rules import TradingRule

ZERO: Final = Decimal(0)


class _PlacedFill(Wire, frozen=True):
    may_be_negative = frozenset({"commission"})

    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    trade_id: Identifier


class _Order(Wire, frozen=True):
    """An order as a placement, a cancel or a query tells it. A placement answered by ACK has ids and a time alone."""

    may_be_negative = frozenset({"executed_quote"})

    symbol: str
    order_id: Identifier
    client_order_id: str = ""
    orig_client_order_id: str = ""
    """In the answer to a cancel: the order's id; clientOrderId is then the cancel's own."""
    status: str = "NEW"
    executed_qty: Decimal = ZERO
    executed_quote: Decimal = msgspec.field(name="cummulativeQuoteQty", default=ZERO)
    """Spelt so there. Negative for old orders of which it is not known."""
    transact_time: Milliseconds = 0
    update_time: Milliseconds = 0
    time: Milliseconds = 0
    expiry_reason: str | None = None
    fills: tuple[_PlacedFill, ...] = ()


class _OrderList(msgspec.Struct, frozen=True, rename="camel"):
    """Among cancelled orders, an order list (OCO and the like) with its orders inside."""

    order_reports: list[_Order]


class _OrderOrList(msgspec.Struct, frozen=True, rename="camel"):
    order_reports: msgspec.Raw = NOTHING


class _Fill(Wire, frozen=True):
    may_be_negative = frozenset({"commission"})

    symbol: str
    id: Identifier
    order_id: Identifier
    price: Decimal
    qty: Decimal
    quote_qty: Decimal
    commission: Decimal
    commission_asset: str
    time: Milliseconds
    is_maker: bool


_parse_order = parser(_Order, "an order")
_parse_orders = parser(list[_Order], "a list of orders")
_parse_fills = parser(list[_Fill], "a list of fills")
_parse_entries = parser(list[msgspec.Raw], "a list of cancelled orders")
_parse_kind = parser(_OrderOrList, "a cancelled order")
_parse_order_list = parser(_OrderList, "a cancelled order list")


def parse_placed_order(order: NewOrder, body: bytes) -> tuple[OrderUpdate | FillUpdate, ...]:
    """Fills first, the state last. The fills of a placement's answer are a taker's: it was not on the book yet."""
    placed: _Order = _parse_order(body)
    if placed.client_order_id != order.client_order_id:
        raise malformed(f"the order {order.client_order_id}", body, f"it tells of {placed.client_order_id[:40]!r}")
    state = _update(order.rule, placed, body)
    if not placed.fills:
        return (state,)
    fills = tuple(
        FillUpdate(
            trading_pair=order.rule.trading_pair,
            client_order_id=order.client_order_id,
            exchange_order_id=state.exchange_order_id,
            trade_id=str(fill.trade_id),
            price=fill.price,
            amount=fill.qty,
            quote_amount=fill.price * fill.qty,
            fee_asset=fill.commission_asset,
            fee_amount=fill.commission,
            is_maker=False,
            traded_ms=placed.transact_time,
        )
        for fill in placed.fills
    )
    return (*fills, state)


def parse_order(rule: TradingRule, body: bytes) -> OrderUpdate:
    """One order: of a cancel, or of a query."""
    return _update(rule, _parse_order(body), body)


def parse_cancel_all(rule: TradingRule, body: bytes) -> tuple[OrderUpdate, ...]:
    """The cancelled orders, those of order lists among them."""
    orders: list[_Order] = []
    for raw in _parse_entries(body):
        entry = bytes(raw)
        if _parse_kind(entry).order_reports:
            orders.extend(_parse_order_list(entry).order_reports)
        else:
            orders.append(_parse_order(entry))
    return tuple(_update(rule, order, body) for order in orders)


def parse_open_orders(pairs: Mapping[str, str], body: bytes) -> tuple[OrderUpdate, ...]:
    """The open orders of the symbols that `pairs` names."""
    orders: list[_Order] = _parse_orders(body)
    return tuple(_told(pairs[order.symbol], order, body) for order in orders if order.symbol in pairs)


def parse_fills(rule: TradingRule, body: bytes) -> tuple[FillUpdate, ...]:
    """Oldest first. Binance does not tell client order ids here."""
    fills: list[_Fill] = _parse_fills(body)
    for fill in fills:
        _check_symbol(rule, fill.symbol, body)
    return tuple(
        FillUpdate(
            trading_pair=rule.trading_pair,
            client_order_id="",
            exchange_order_id=str(fill.order_id),
            trade_id=str(fill.id),
            price=fill.price,
            amount=fill.qty,
            quote_amount=fill.quote_qty,
            fee_asset=fill.commission_asset,
            fee_amount=fill.commission,
            is_maker=fill.is_maker,
            traded_ms=fill.time,
        )
        for fill in sorted(fills, key=lambda fill: fill.id)
    )


def _update(rule: TradingRule, order: _Order, body: bytes) -> OrderUpdate:
    _check_symbol(rule, order.symbol, body)
    return _told(rule.trading_pair, order, body)


def _told(trading_pair: str, order: _Order, body: bytes) -> OrderUpdate:
    try:
        state = order_state(order.status, order.executed_qty)
    except ValueError as error:
        raise malformed("an order", body, error) from None
    return OrderUpdate(
        trading_pair=trading_pair,
        client_order_id=order.orig_client_order_id or order.client_order_id,
        exchange_order_id=str(order.order_id),
        state=state,
        executed_amount_base=order.executed_qty,
        executed_amount_quote=order.executed_quote if order.executed_quote > ZERO else ZERO,
        updated_ms=order.transact_time or order.update_time or order.time,
        reason=end_reason(order.status, order.expiry_reason),
    )


def _check_symbol(rule: TradingRule, symbol: str, body: bytes) -> None:
    if symbol != rule.symbol:
        raise MalformedPayload(f"expected an answer about {rule.symbol}, received one about {symbol[:40]!r}")
