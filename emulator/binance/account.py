"""Private calls that read: balances, fees, past orders and trades, order counts. REST and WebSocket API share them."""

from decimal import Decimal
from typing import Final

from openoutcry.emulator.binance import render
from openoutcry.emulator.binance.call import Call
from openoutcry.emulator.binance.errors import WireError
from openoutcry.emulator.binance.exchange import BinanceExchange
from openoutcry.emulator.binance.parameters import Parameters

ACCOUNT: Final = frozenset({"omitZeroBalances"})
MY_TRADES: Final = frozenset({"symbol", "orderId", "startTime", "endTime", "fromId", "limit"})
ALL_ORDERS: Final = frozenset({"symbol", "orderId", "startTime", "endTime", "limit"})
_DAY_MS: Final = 86_400_000


def status(exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """GET /account, account.status."""
    balances = list(exchange.engine.balances(call.account_id).values())
    if call.parameters.boolean("omitZeroBalances", default=False):
        balances = [held for held in balances if held.free or held.locked]
    maker, taker = _standard_rates(exchange)
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": render.amount(maker),
            "taker": render.amount(taker),
            "buyer": "0.00000000",
            "seller": "0.00000000",
        },
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.now_ms,
        "accountType": "SPOT",
        "balances": [render.balance(held) for held in balances],
        "permissions": ["SPOT"],
        "uid": 354937868,
    }


def commission(exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """GET /account/commission."""
    market = exchange.market(call.parameters.symbol())
    nothing = {"maker": "0.00000000", "taker": "0.00000000", "buyer": "0.00000000", "seller": "0.00000000"}
    return {
        "symbol": market.symbol,
        "standardCommission": {
            "maker": render.amount(market.maker_fee),
            "taker": render.amount(market.taker_fee),
            "buyer": "0.00000000",
            "seller": "0.00000000",
        },
        "specialCommission": nothing,
        "taxCommission": nothing,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": "0.00000000",
        },
    }


def my_trades_weight(parameters: Parameters) -> int:
    """5 with an order id, else 20."""
    return 5 if parameters.has("orderId") else 20


def my_trades(exchange: BinanceExchange, call: Call) -> list[render.JsonObject]:
    """GET /myTrades, myTrades."""
    parameters = call.parameters
    market = exchange.market(parameters.symbol())
    start, end = _time_span(parameters)
    from_id = parameters.optional_integer("fromId")
    if from_id is not None and (start is not None or end is not None):
        raise WireError(-1128, "Combination of optional parameters invalid.")
    found = exchange.engine.my_trades(
        call.account_id,
        market.symbol,
        order_id=parameters.optional_integer("orderId"),
        from_id=from_id,
        start_ms=start,
        end_ms=end,
        limit=parameters.limit(500, 1_000),
    )
    return [render.my_trade(trade) for trade in found]


def all_orders(exchange: BinanceExchange, call: Call) -> list[render.JsonObject]:
    """GET /allOrders, allOrders."""
    parameters = call.parameters
    market = exchange.market(parameters.symbol())
    start, end = _time_span(parameters)
    found = exchange.engine.all_orders(
        call.account_id,
        market.symbol,
        order_id=parameters.optional_integer("orderId"),
        start_ms=start,
        end_ms=end,
        limit=parameters.limit(500, 1_000),
    )
    return [render.queried(order) for order in found]


def order_counts(exchange: BinanceExchange, call: Call) -> list[render.JsonObject]:
    """GET /rateLimit/order: unfilled orders counted against the limits."""
    return exchange.order_usage(call.account_id).view(call.now_ms, with_count=True)


def api_restrictions(_exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """GET /sapi/v1/account/apiRestrictions: what the key may do."""
    return {
        "ipRestrict": False,
        "createTime": call.now_ms,
        "enableReading": True,
        "enableSpotAndMarginTrading": True,
        "enableWithdrawals": False,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enablePortfolioMarginTrading": False,
    }


def coins(exchange: BinanceExchange, call: Call) -> list[render.JsonObject]:
    """GET /sapi/v1/capital/config/getall: every asset of the account, without deposit networks."""
    held = exchange.engine.balances(call.account_id)
    assets = sorted(
        {asset for market in exchange.engine.markets.values() for asset in (market.base_asset, market.quote_asset)}
    )
    return [
        {
            "coin": asset,
            "name": asset,
            "free": render.amount(held[asset].free) if asset in held else "0",
            "locked": render.amount(held[asset].locked) if asset in held else "0",
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "isLegalMoney": False,
            "trading": True,
            "networkList": [],
        }
        for asset in assets
    ]


def trade_fees(exchange: BinanceExchange, call: Call) -> list[render.JsonObject]:
    """GET /sapi/v1/asset/tradeFee: the fee rates of one market, or of all."""
    symbol = call.parameters.optional_symbol()
    markets = list(exchange.engine.markets.values()) if symbol is None else [exchange.market(symbol)]
    return [
        {
            "symbol": market.symbol,
            "makerCommission": render.amount(market.maker_fee),
            "takerCommission": render.amount(market.taker_fee),
        }
        for market in markets
    ]


def no_margin_pairs(_exchange: BinanceExchange, _call: Call) -> list[render.JsonObject]:
    """GET /sapi/v1/margin/allPairs and …/isolated/allPairs, which some clients read at start: nothing is lent."""
    return []


def no_derivatives(_exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """GET /fapi/v1/exchangeInfo and /dapi/v1/exchangeInfo, which some clients read at start: nothing is listed."""
    return {"timezone": "UTC", "serverTime": call.now_ms, "rateLimits": [], "exchangeFilters": [], "symbols": []}


def open_orders_weight(parameters: Parameters) -> int:
    """6 for one symbol, 80 for all."""
    return 6 if parameters.has("symbol") else 80


def _standard_rates(exchange: BinanceExchange) -> tuple[Decimal, Decimal]:
    market = next(iter(exchange.engine.markets.values()), None)
    return (market.maker_fee, market.taker_fee) if market else (Decimal(0), Decimal(0))


def _time_span(parameters: Parameters) -> tuple[int | None, int | None]:
    start, end = parameters.optional_integer("startTime"), parameters.optional_integer("endTime")
    if start is not None and end is not None:
        if end < start:
            raise WireError(-1128, "Combination of optional parameters invalid.")
        if end - start > _DAY_MS:
            raise WireError(-1127, "More than 24 hours between startTime and endTime.")
    elif start is not None:
        end = start + _DAY_MS
    return start, end
