"""How Binance spot writes orders, fills and symbols in JSON. Amounts are text with eight digits after the point."""

from decimal import Decimal
from typing import TypeAlias

from openoutcry.emulator.engine import Balance, DepthView, Market, Order, Trade

JsonObject: TypeAlias = dict[str, object]


def amount(value: Decimal) -> str:
    """A price or quantity as text: "0.01000000"."""
    return format(value, ".8f")


def placed_ack(order: Order) -> JsonObject:
    """The answer to a new order under newOrderRespType=ACK."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": order.updated_ms,
    }


def placed_result(order: Order) -> JsonObject:
    """The answer to a new order under newOrderRespType=RESULT."""
    answer: JsonObject = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": order.updated_ms,
        "price": amount(order.price),
        "origQty": amount(order.quantity),
        "executedQty": amount(order.executed_quantity),
        "origQuoteOrderQty": amount(order.quote_quantity),
        "cummulativeQuoteQty": amount(order.executed_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "workingTime": order.created_ms,
        "selfTradePreventionMode": order.self_trade_prevention_mode,
    }
    _add_conditional_fields(answer, order)
    return answer


def placed_full(order: Order, fills: tuple[Trade, ...]) -> JsonObject:
    """The answer to a new order under newOrderRespType=FULL."""
    answer = placed_result(order)
    answer["fills"] = [
        {
            "price": amount(fill.price),
            "qty": amount(fill.quantity),
            "commission": amount(fill.fee),
            "commissionAsset": fill.fee_asset,
            "tradeId": fill.trade_id,
        }
        for fill in fills
    ]
    return answer


def cancelled(order: Order, cancel_id: str) -> JsonObject:
    """The answer to a cancel: `clientOrderId` is the cancel's own id, the order's is `origClientOrderId`."""
    answer: JsonObject = {
        "symbol": order.symbol,
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
        "price": amount(order.price),
        "origQty": amount(order.quantity),
        "executedQty": amount(order.executed_quantity),
        "origQuoteOrderQty": amount(order.quote_quantity),
        "cummulativeQuoteQty": amount(order.executed_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "selfTradePreventionMode": order.self_trade_prevention_mode,
    }
    _add_conditional_fields(answer, order)
    return answer


def queried(order: Order) -> JsonObject:
    """An order as GET /order, /openOrders and /allOrders show it. It has no fees: those stand in myTrades."""
    answer: JsonObject = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "price": amount(order.price),
        "origQty": amount(order.quantity),
        "executedQty": amount(order.executed_quantity),
        "cummulativeQuoteQty": amount(order.executed_quote),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
        "origQuoteOrderQty": amount(order.quote_quantity),
        "selfTradePreventionMode": order.self_trade_prevention_mode,
    }
    _add_conditional_fields(answer, order)
    return answer


def _add_conditional_fields(answer: JsonObject, order: Order) -> None:
    if order.prevented_match_id is not None:
        answer["preventedMatchId"] = order.prevented_match_id
        answer["preventedQuantity"] = amount(order.prevented_quantity)
    if order.expiry_reason is not None:
        answer["expiryReason"] = order.expiry_reason


def my_trade(trade: Trade) -> JsonObject:
    """One side's view of a trade as GET /myTrades shows it."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": amount(trade.price),
        "qty": amount(trade.quantity),
        "quoteQty": amount(trade.quote_quantity),
        "commission": amount(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": trade.time_ms,
        "isBuyer": trade.is_buyer,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def balance(held: Balance) -> JsonObject:
    """A line of `balances` in GET /account."""
    return {"asset": held.asset, "free": amount(held.free), "locked": amount(held.locked)}


def depth(view: DepthView) -> JsonObject:
    """An order book snapshot; also the payload of a partial book stream."""
    return {
        "lastUpdateId": view.last_update_id,
        "bids": [[amount(price), amount(quantity)] for price, quantity in view.bids],
        "asks": [[amount(price), amount(quantity)] for price, quantity in view.asks],
    }


def symbol(market: Market) -> JsonObject:
    """A market as exchangeInfo lists it."""
    filters: list[JsonObject] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": amount(market.min_price),
            "maxPrice": amount(market.max_price),
            "tickSize": amount(market.tick_size),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": amount(market.min_quantity),
            "maxQty": amount(market.max_quantity),
            "stepSize": amount(market.step_size),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": amount(market.market_min_quantity),
            "maxQty": amount(market.market_max_quantity),
            "stepSize": amount(market.market_step_size),
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": amount(market.min_notional),
            "applyMinToMarket": market.apply_min_to_market,
            "maxNotional": amount(market.max_notional) if market.max_notional is not None else "9000000.00000000",
            "applyMaxToMarket": market.apply_max_to_market,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": market.max_num_orders},
    ]
    if market.bid_multiplier_up is not None:
        filters.insert(
            3,
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": _plain(market.bid_multiplier_up),
                "bidMultiplierDown": _plain(market.bid_multiplier_down),
                "askMultiplierUp": _plain(market.ask_multiplier_up),
                "askMultiplierDown": _plain(market.ask_multiplier_down),
                "avgPriceMins": 5,
            },
        )
    return {
        "symbol": market.symbol,
        "status": market.status,
        "baseAsset": market.base_asset,
        "baseAssetPrecision": market.base_precision,
        "quoteAsset": market.quote_asset,
        "quotePrecision": market.quote_precision,
        "quoteAssetPrecision": market.quote_precision,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [str(kind) for kind in market.order_types],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": market.quote_order_quantity_allowed,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _plain(value: Decimal | None) -> str:
    return "0" if value is None else format(value.normalize(), "f")
