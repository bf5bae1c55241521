"""Requests about orders. Weights are those of a call that fails; one that succeeds costs none since April 2026."""

from typing import Final

from openoutcry.exchanges.binance.limits import costs, order_costs
from openoutcry.exchanges.binance.wire import plain
from openoutcry.exchanges.dialect import ClientOrderIdRule, NewOrder
from openoutcry.messages.orders import OrderType
from openoutcry.messages.rest import Purpose, RestRequest, Security
from openoutcry.messages.trading_rules import TradingRule

ORDER_PATH: Final = "/api/v3/order"
OPEN_ORDERS_PATH: Final = "/api/v3/openOrders"

CLIENT_ORDER_ID_RULE: Final = ClientOrderIdRule(
    prefix="oo-",
    max_length=36,
    alphabet="0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_",
)
"""`^[a-zA-Z0-9-_]{1,36}$`, unique among the account's open orders."""

MOST_FILLS: Final = 1_000


def build_place_order(order: NewOrder) -> RestRequest:
    """POST /api/v3/order. The answer is asked for in FULL, so that it brings the fills of a taker with their fees.

    Post-only is the order type LIMIT_MAKER, which takes no time in force; nor does MARKET.

    Raises:
        ValueError: a limit order without a price.
    """
    parameters = [("symbol", order.rule.symbol), ("side", order.side.value), ("type", order.order_type.value)]
    if order.order_type is OrderType.LIMIT:
        parameters.append(("timeInForce", order.time_in_force.value))
    parameters.append(("quantity", plain(order.amount)))
    if order.order_type is not OrderType.MARKET:
        if order.price is None:
            raise ValueError(f"a {order.order_type.value} order needs a price")
        parameters.append(("price", plain(order.price)))
    parameters.append(("newClientOrderId", order.client_order_id))
    if order.self_trade_prevention is not None:
        parameters.append(("selfTradePreventionMode", order.self_trade_prevention))
    parameters.append(("newOrderRespType", "FULL"))
    return RestRequest(
        method="POST",
        path=ORDER_PATH,
        parameters=tuple(parameters),
        security=Security.SIGNED,
        purpose=Purpose.PLACE,
        is_idempotent=False,
        costs=order_costs(1),
    )


def build_cancel_order(rule: TradingRule, client_order_id: str, exchange_order_id: str | None) -> RestRequest:
    """DELETE /api/v3/order, by the exchange's id where there is one, which is faster there.

    May be repeated: the second one is told "Unknown order sent." (-2011) if the first was executed.
    """
    return RestRequest(
        method="DELETE",
        path=ORDER_PATH,
        parameters=(("symbol", rule.symbol), _identity(client_order_id, exchange_order_id)),
        security=Security.SIGNED,
        purpose=Purpose.CANCEL,
        costs=costs(1),
    )


def build_cancel_all(rule: TradingRule) -> RestRequest:
    """DELETE /api/v3/openOrders. With no open order the exchange answers -2011, "Unknown order sent."."""
    return RestRequest(
        method="DELETE",
        path=OPEN_ORDERS_PATH,
        parameters=(("symbol", rule.symbol),),
        security=Security.SIGNED,
        purpose=Purpose.CANCEL,
        costs=costs(1),
    )


def build_open_orders(rule: TradingRule | None) -> RestRequest:
    """GET /api/v3/openOrders: weight 6 for one symbol, 80 for all."""
    return RestRequest(
        method="GET",
        path=OPEN_ORDERS_PATH,
        parameters=() if rule is None else (("symbol", rule.symbol),),
        security=Security.SIGNED,
        costs=costs(80 if rule is None else 6),
    )


def build_order_status(rule: TradingRule, client_order_id: str, exchange_order_id: str | None) -> RestRequest:
    """GET /api/v3/order, weight 4."""
    return RestRequest(
        method="GET",
        path=ORDER_PATH,
        parameters=(("symbol", rule.symbol), _identity(client_order_id, exchange_order_id)),
        security=Security.SIGNED,
        costs=costs(4),
    )


def build_fills(
    rule: TradingRule, exchange_order_id: str | None, from_trade_id: str | None, start_ms: int | None
) -> RestRequest:
    """GET /api/v3/myTrades: weight 5 for an order's, 20 otherwise; 1,000 fills at most.

    A trade id goes before a time, since the exchange does not take both. With a time alone it looks 24 hours ahead and
    no further.
    """
    parameters = [("symbol", rule.symbol)]
    if exchange_order_id is not None:
        parameters.append(("orderId", exchange_order_id))
    if from_trade_id is not None:
        parameters.append(("fromId", from_trade_id))
    elif start_ms is not None:
        parameters.append(("startTime", str(start_ms)))
    parameters.append(("limit", str(MOST_FILLS)))
    return RestRequest(
        method="GET",
        path="/api/v3/myTrades",
        parameters=tuple(parameters),
        security=Security.SIGNED,
        costs=costs(20 if exchange_order_id is None else 5),
    )


def _identity(client_order_id: str, exchange_order_id: str | None) -> tuple[str, str]:
    if exchange_order_id is not None:
        return ("orderId", exchange_order_id)
    return ("origClientOrderId", client_order_id)
