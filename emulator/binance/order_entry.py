"""New orders and cancels: from parameters to the engine, and the engine's word back to JSON.

REST and the WebSocket API share all of it: their parameters and results are the same by Binance's documents.
"""

from enum import StrEnum
from typing import Final

from openoutcry.emulator.binance import render
from openoutcry.emulator.binance.call import Call
from openoutcry.emulator.binance.errors import WireError, missing_either
from openoutcry.emulator.binance.exchange import BinanceExchange
from openoutcry.emulator.binance.parameters import Parameters
from openoutcry.emulator.engine import (
    CancelRestriction,
    NewOrder,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

PLACE: Final = frozenset(
    {
        "symbol",
        "side",
        "type",
        "timeInForce",
        "quantity",
        "quoteOrderQty",
        "price",
        "newClientOrderId",
        "strategyId",
        "strategyType",
        "stopPrice",
        "trailingDelta",
        "icebergQty",
        "newOrderRespType",
        "selfTradePreventionMode",
    }
)
CANCEL: Final = frozenset({"symbol", "orderId", "origClientOrderId", "newClientOrderId", "cancelRestrictions"})
WHICH_ORDER: Final = frozenset({"symbol", "orderId", "origClientOrderId"})

_NO_CONDITIONAL_ORDERS: Final = ("stopPrice", "trailingDelta")
_LATER_TYPES: Final = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")


class ResponseType(StrEnum):
    """How much the answer to a new order tells."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


def place(exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """POST /order, order.place. Default answer: FULL for LIMIT and MARKET, else ACK."""
    order = _read_new_order(call.parameters)
    response_type = _response_type(call.parameters, order)
    usage = exchange.order_usage(call.account_id)
    usage.check(call.now_ms)
    placement = exchange.engine.place(call.account_id, order, call.now_ms)
    usage.placed()
    if placement.fills:
        usage.filled()
    exchange.record(placement.events)
    if response_type is ResponseType.FULL:
        return render.placed_full(placement.order, placement.fills)
    if response_type is ResponseType.RESULT:
        return render.placed_result(placement.order)
    return render.placed_ack(placement.order)


def test(exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """POST /order/test, order.test: the parameters are checked, nothing goes to the matching engine."""
    order = _read_new_order(call.parameters)
    _response_type(call.parameters, order)
    exchange.engine.check(call.account_id, order)
    if not call.parameters.boolean("computeCommissionRates", default=False):
        return {}
    market = exchange.market(order.symbol)
    return {
        "standardCommissionForOrder": {
            "maker": render.amount(market.maker_fee),
            "taker": render.amount(market.taker_fee),
        },
        "specialCommissionForOrder": {"maker": "0.00000000", "taker": "0.00000000"},
        "taxCommissionForOrder": {"maker": "0.00000000", "taker": "0.00000000"},
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": "0.00000000",
        },
    }


def cancel(exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """DELETE /order, order.cancel."""
    parameters = call.parameters
    symbol = parameters.symbol()
    order_id, client_order_id = _which_order(parameters)
    restrictions = parameters.optional_choice(
        "cancelRestrictions", CancelRestriction, -1145, "Invalid cancelRestrictions"
    )
    done = exchange.engine.cancel(
        call.account_id,
        symbol,
        order_id=order_id,
        client_order_id=client_order_id,
        cancel_id=parameters.optional_client_order_id("newClientOrderId"),
        restrictions=restrictions,
        now_ms=call.now_ms,
    )
    exchange.record(done.events)
    return render.cancelled(done.order, done.cancel_id)


def cancel_all(exchange: BinanceExchange, call: Call) -> list[render.JsonObject]:
    """DELETE /openOrders, openOrders.cancelAll: every open order of one symbol."""
    done = exchange.engine.cancel_all(call.account_id, call.parameters.symbol(), call.now_ms)
    for one in done:
        exchange.record(one.events)
    return [render.cancelled(one.order, one.cancel_id) for one in done]


def query(exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """GET /order, order.status."""
    symbol = call.parameters.symbol()
    order_id, client_order_id = _which_order(call.parameters)
    return render.queried(
        exchange.engine.order(call.account_id, symbol, order_id=order_id, client_order_id=client_order_id)
    )


def open_orders(exchange: BinanceExchange, call: Call) -> list[render.JsonObject]:
    """GET /openOrders, openOrders.status: of one symbol, or of all."""
    symbol = call.parameters.optional_symbol()
    if symbol is not None:
        exchange.market(symbol)
    return [render.queried(order) for order in exchange.engine.open_orders(call.account_id, symbol)]


def _read_new_order(parameters: Parameters) -> NewOrder:
    symbol = parameters.symbol()
    side = parameters.choice("side", Side, -1117, "Invalid side.")
    if parameters.values.get("type") in _LATER_TYPES:
        raise WireError(-2010, "Order type is not supported for this symbol.")
    order_type = parameters.choice("type", OrderType, -1116, "Invalid orderType.")
    time_in_force = parameters.optional_choice("timeInForce", TimeInForce, -1115, "Invalid timeInForce.")
    for name in _NO_CONDITIONAL_ORDERS:
        if parameters.has(name):
            raise WireError(-1106, f"Parameter '{name}' sent when not required.")
    iceberg = parameters.optional_decimal("icebergQty")
    if iceberg:
        raise WireError(-2010, "Iceberg orders are not supported for this symbol.")
    return NewOrder(
        symbol=symbol,
        side=side,
        type=order_type,
        time_in_force=time_in_force,
        quantity=parameters.optional_decimal("quantity"),
        quote_quantity=parameters.optional_decimal("quoteOrderQty"),
        price=parameters.optional_decimal("price"),
        client_order_id=parameters.optional_client_order_id("newClientOrderId"),
        self_trade_prevention_mode=parameters.optional_choice(
            "selfTradePreventionMode", SelfTradePrevention, -1144, "Invalid selfTradePreventionMode."
        )
        or SelfTradePrevention.NONE,
    )


def _response_type(parameters: Parameters, order: NewOrder) -> ResponseType:
    chosen = parameters.optional_choice("newOrderRespType", ResponseType, -1136, "Invalid newOrderRespType")
    if chosen is not None:
        return chosen
    return ResponseType.ACK if order.type is OrderType.LIMIT_MAKER else ResponseType.FULL


def _which_order(parameters: Parameters) -> tuple[int | None, str | None]:
    order_id = parameters.optional_integer("orderId")
    client_order_id = parameters.optional_text("origClientOrderId")
    if order_id is None and client_order_id is None:
        raise missing_either("origClientOrderId", "orderId")
    return order_id, client_order_id
