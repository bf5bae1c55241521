"""Orders by REST: requests and what their answers say. Source: rest-api "Trading endpoints", "Account endpoints"."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from openoutcry.exchanges.binance.payload import Parser, finite, not_negative
from openoutcry.exchanges.binance.trading_rules import ORDERS_1D, ORDERS_10S, REQUEST_WEIGHT
from openoutcry.exchanges.dialect import MalformedPayload, NewOrder
from openoutcry.messages.orders import FillUpdate, OrderState, OrderType, OrderUpdate
from openoutcry.messages.rest import Purpose, RestRequest, Security
from openoutcry.messages.trading_rules import TradingRule

_PATH: Final = "/api/v3/order"
_PLACE_COSTS: Final = ((REQUEST_WEIGHT, 1), (ORDERS_10S, 1), (ORDERS_1D, 1))
_CANCEL_COSTS: Final = ((REQUEST_WEIGHT, 1),)

# EXPIRED and EXPIRED_IN_MATCH end an order before it is filled, as a cancel does.
ORDER_STATES: Final = {
    "NEW": OrderState.OPEN,
    "PENDING_NEW": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "PENDING_CANCEL": OrderState.OPEN,
    "EXPIRED": OrderState.CANCELED,
    "EXPIRED_IN_MATCH": OrderState.CANCELED,
    "REJECTED": OrderState.FAILED,
}


class _Fill(msgspec.Struct):
    price: Decimal
    qty: Decimal
    commission: Decimal
    commissionAsset: str  # noqa: N815 - Binance's names in the structs of this module
    tradeId: int  # noqa: N815


class _Order(msgspec.Struct):
    symbol: str
    orderId: int  # noqa: N815
    clientOrderId: str  # noqa: N815
    executedQty: Decimal  # noqa: N815
    cummulativeQuoteQty: Decimal  # noqa: N815 - misspelt by Binance
    status: str
    origClientOrderId: str = ""  # noqa: N815
    transactTime: int = 0  # noqa: N815
    updateTime: int = 0  # noqa: N815
    expiryReason: str = ""  # noqa: N815
    fills: list[_Fill] = []


class _Trade(msgspec.Struct):
    id: int
    orderId: int  # noqa: N815
    price: Decimal
    qty: Decimal
    quoteQty: Decimal  # noqa: N815
    commission: Decimal
    commissionAsset: str  # noqa: N815
    time: int
    isMaker: bool  # noqa: N815


class _ListEntry(msgspec.Struct):
    """An entry of the answer to a cancel of all: an order, or an order list with reports inside."""

    orderReports: list[_Order] | None = None  # noqa: N815
    symbol: str = ""
    orderId: int | None = None  # noqa: N815
    clientOrderId: str = ""  # noqa: N815
    origClientOrderId: str = ""  # noqa: N815
    executedQty: Decimal = Decimal(0)  # noqa: N815
    cummulativeQuoteQty: Decimal = Decimal(0)  # noqa: N815
    status: str = ""
    transactTime: int = 0  # noqa: N815


_ORDER: Final = Parser(_Order, "an order")
_ORDERS: Final = Parser(list[_Order], "a list of orders")
_CANCELLED: Final = Parser(list[_ListEntry], "a list of cancelled orders")
_TRADES: Final = Parser(list[_Trade], "a list of trades")


def plain(number: Decimal) -> str:
    """A number without an exponent and without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def build_place_order(order: NewOrder) -> RestRequest:
    """POST /api/v3/order with the FULL answer, so that fills come with it."""
    parameters = [("symbol", order.rule.symbol), ("side", order.side.value), ("type", order.order_type.value)]
    if order.order_type is OrderType.LIMIT:
        parameters.append(("timeInForce", order.time_in_force.value))
    parameters.append(("quantity", plain(order.amount)))
    if order.price is not None and order.order_type is not OrderType.MARKET:
        parameters.append(("price", plain(order.price)))
    parameters.append(("newClientOrderId", order.client_order_id))
    parameters.append(("newOrderRespType", "FULL"))
    if order.self_trade_prevention is not None:
        parameters.append(("selfTradePreventionMode", order.self_trade_prevention))
    return RestRequest(
        method="POST",
        path=_PATH,
        parameters=tuple(parameters),
        security=Security.SIGNED,
        purpose=Purpose.PLACE,
        is_idempotent=False,
        costs=_PLACE_COSTS,
    )


def parse_placed_order(order: NewOrder, body: bytes) -> tuple[OrderUpdate | FillUpdate, ...]:
    """Fills first, the state last. Whoever placed the order took what was filled at once."""
    answer = _ORDER.parse(body)
    pair = order.rule.trading_pair
    fills: list[OrderUpdate | FillUpdate] = [
        FillUpdate(
            trading_pair=pair,
            client_order_id=answer.clientOrderId,
            exchange_order_id=str(answer.orderId),
            trade_id=str(fill.tradeId),
            price=not_negative(fill.price, "price"),
            amount=not_negative(fill.qty, "quantity"),
            quote_amount=fill.price * fill.qty,
            fee_asset=fill.commissionAsset,
            fee_amount=finite(fill.commission, "commission"),
            is_maker=False,
            traded_ms=answer.transactTime,
        )
        for fill in answer.fills
    ]
    fills.append(_update(answer, pair))
    return tuple(fills)


def build_cancel_order(rule: TradingRule, client_order_id: str, exchange_order_id: str | None) -> RestRequest:
    """DELETE /api/v3/order; by orderId where it is known, which is faster for the exchange."""
    return _order_request("DELETE", rule, client_order_id, exchange_order_id)


def parse_cancelled_order(rule: TradingRule, body: bytes) -> OrderUpdate:
    """`clientOrderId` is the cancel's own id here, `origClientOrderId` the order's."""
    return _update(_ORDER.parse(body), rule.trading_pair)


def build_cancel_all(rule: TradingRule) -> RestRequest:
    """DELETE /api/v3/openOrders."""
    return RestRequest(
        method="DELETE",
        path="/api/v3/openOrders",
        parameters=(("symbol", rule.symbol),),
        security=Security.SIGNED,
        purpose=Purpose.CANCEL,
        is_idempotent=True,
        costs=_CANCEL_COSTS,
    )


def parse_cancel_all(rule: TradingRule, body: bytes) -> tuple[OrderUpdate, ...]:
    """The orders that were cancelled, those of order lists included."""
    updates = []
    for entry in _CANCELLED.parse(body):
        if entry.orderReports is not None:
            updates += [_update(report, rule.trading_pair) for report in entry.orderReports]
        elif entry.orderId is not None:
            order = _Order(
                symbol=entry.symbol,
                orderId=entry.orderId,
                clientOrderId=entry.clientOrderId,
                origClientOrderId=entry.origClientOrderId,
                executedQty=entry.executedQty,
                cummulativeQuoteQty=entry.cummulativeQuoteQty,
                status=entry.status,
                transactTime=entry.transactTime,
            )
            updates.append(_update(order, rule.trading_pair))
        else:
            raise MalformedPayload("expected a cancelled order with an orderId")
    return tuple(updates)


def build_open_orders(rule: TradingRule | None) -> RestRequest:
    """GET /api/v3/openOrders; weight 6 for a symbol, 80 for all."""
    return RestRequest(
        method="GET",
        path="/api/v3/openOrders",
        parameters=() if rule is None else (("symbol", rule.symbol),),
        security=Security.SIGNED,
        costs=((REQUEST_WEIGHT, 80 if rule is None else 6),),
    )


def parse_open_orders(pairs: Mapping[str, str], body: bytes) -> tuple[OrderUpdate, ...]:
    """Open orders of the symbols that `pairs` names."""
    return tuple(_update(order, pairs[order.symbol]) for order in _ORDERS.parse(body) if order.symbol in pairs)


def build_order_status(rule: TradingRule, client_order_id: str, exchange_order_id: str | None) -> RestRequest:
    """GET /api/v3/order; weight 4."""
    return _order_request("GET", rule, client_order_id, exchange_order_id)


def parse_order_status(rule: TradingRule, body: bytes) -> OrderUpdate:
    """What the exchange says of the order."""
    return _update(_ORDER.parse(body), rule.trading_pair)


def build_fills(
    rule: TradingRule, exchange_order_id: str | None, from_trade_id: str | None, start_ms: int | None
) -> RestRequest:
    """GET /api/v3/myTrades; weight 5 for one order, else 20. A start time spans 24 h at most."""
    parameters = [("symbol", rule.symbol)]
    if exchange_order_id is not None:
        parameters.append(("orderId", exchange_order_id))
    if from_trade_id is not None:
        parameters.append(("fromId", from_trade_id))
    elif start_ms is not None:
        parameters.append(("startTime", str(start_ms)))
    parameters.append(("limit", "1000"))
    return RestRequest(
        method="GET",
        path="/api/v3/myTrades",
        parameters=tuple(parameters),
        security=Security.SIGNED,
        costs=((REQUEST_WEIGHT, 20 if exchange_order_id is None else 5),),
    )


def parse_fills(rule: TradingRule, body: bytes) -> tuple[FillUpdate, ...]:
    """Fills, oldest first. Binance does not tell the client order id here."""
    return tuple(
        FillUpdate(
            trading_pair=rule.trading_pair,
            client_order_id="",
            exchange_order_id=str(trade.orderId),
            trade_id=str(trade.id),
            price=not_negative(trade.price, "price"),
            amount=not_negative(trade.qty, "quantity"),
            quote_amount=not_negative(trade.quoteQty, "quote quantity"),
            fee_asset=trade.commissionAsset,
            fee_amount=finite(trade.commission, "commission"),
            is_maker=trade.isMaker,
            traded_ms=trade.time,
        )
        for trade in sorted(_TRADES.parse(body), key=lambda trade: trade.id)
    )


def _order_request(method: str, rule: TradingRule, client_order_id: str, exchange_order_id: str | None) -> RestRequest:
    by_id = ("origClientOrderId", client_order_id) if exchange_order_id is None else ("orderId", exchange_order_id)
    is_query = method == "GET"
    return RestRequest(
        method=method,
        path=_PATH,
        parameters=(("symbol", rule.symbol), by_id),
        security=Security.SIGNED,
        purpose=Purpose.QUERY if is_query else Purpose.CANCEL,
        is_idempotent=True,
        costs=((REQUEST_WEIGHT, 4),) if is_query else _CANCEL_COSTS,
    )


def _update(order: _Order, trading_pair: str) -> OrderUpdate:
    state = ORDER_STATES.get(order.status)
    if state is None:
        raise MalformedPayload(f"expected an order status of {', '.join(ORDER_STATES)}, received {order.status!r:.40}")
    expired = order.status.startswith("EXPIRED")
    return OrderUpdate(
        trading_pair=trading_pair,
        client_order_id=order.origClientOrderId or order.clientOrderId,
        exchange_order_id=str(order.orderId),
        state=state,
        executed_amount_base=not_negative(order.executedQty, "executed quantity"),
        executed_amount_quote=finite(order.cummulativeQuoteQty, "cumulative quote quantity"),
        updated_ms=order.transactTime or order.updateTime,
        reason=(order.expiryReason or order.status) if expired else "",
    )
