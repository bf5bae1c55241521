"""Public calls: server time, trading rules, books, trades, prices. Shared by REST and the WebSocket API."""

from collections.abc import Callable
from typing import Final, TypeAlias

import orjson

from openoutcry.emulator.binance import render
from openoutcry.emulator.binance.call import Call
from openoutcry.emulator.binance.errors import WireError, illegal_characters
from openoutcry.emulator.binance.exchange import BinanceExchange
from openoutcry.emulator.binance.limits import exchange_info_view
from openoutcry.emulator.binance.parameters import Parameters
from openoutcry.emulator.binance.statistics import INTERVALS_MS, ZERO, candle_row
from openoutcry.emulator.engine import PublicTrade

SYMBOL: Final = frozenset({"symbol"})
SYMBOLS: Final = frozenset({"symbol", "symbols", "symbolStatus"})
DEPTH: Final = frozenset({"symbol", "limit", "symbolStatus"})
TRADES: Final = frozenset({"symbol", "limit", "fromId"})
AGGREGATE_TRADES: Final = frozenset({"symbol", "fromId", "startTime", "endTime", "limit"})
TICKER: Final = SYMBOLS | {"type"}
EXCHANGE_INFO: Final = frozenset({"symbol", "symbols", "permissions", "symbolStatus", "showPermissionSets"})
CANDLES: Final = frozenset({"symbol", "interval", "startTime", "endTime", "timeZone", "limit"})

_ALL_TRADES: Final = 1_000
_STATUSES: Final = ("TRADING", "HALT", "BREAK", "CANCEL_ONLY", "END_OF_DAY")
Weight: TypeAlias = Callable[[Parameters], int]


def ping(_exchange: BinanceExchange, _call: Call) -> render.JsonObject:
    """GET /ping."""
    return {}


def time(_exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """GET /time."""
    return {"serverTime": call.now_ms}


def exchange_info(exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """GET /exchangeInfo, selected by `symbol`, `symbols`, `permissions` or `symbolStatus`."""
    parameters = call.parameters
    one, many = parameters.optional_symbol(), parameters.symbols()
    permissions = _permissions(parameters)
    status = parameters.optional_text("symbolStatus")
    if status is not None and status not in _STATUSES:
        raise WireError(-1122, "Invalid symbolStatus.")
    if sum(chosen is not None for chosen in (one, many, permissions)) > 1 or (status and (one or many)):
        raise WireError(-1128, "Combination of optional parameters invalid.")
    names = [one] if one is not None else many
    markets = list(exchange.engine.markets.values()) if names is None else [exchange.market(name) for name in names]
    if permissions is not None and "SPOT" not in permissions:
        markets = []
    return {
        "timezone": "UTC",
        "serverTime": call.now_ms,
        "rateLimits": exchange_info_view(exchange.limits),
        "exchangeFilters": [],
        "symbols": [render.symbol(market) for market in markets if status is None or market.status == status],
    }


def _permissions(parameters: Parameters) -> list[str] | None:
    text = parameters.optional_text("permissions")
    if text is None:
        return None
    if not text.startswith("["):
        return [text]
    try:
        listed = orjson.loads(text)
    except orjson.JSONDecodeError:
        listed = None
    if not isinstance(listed, list):
        raise illegal_characters("permissions", '^\\["[A-Z_]{1,20}"(,"[A-Z_]{1,20}"){0,}\\]$')
    return [str(one) for one in listed]


def depth_weight(parameters: Parameters) -> int:
    """5 up to 100 levels, 25 up to 500, 50 up to 1000, else 250."""
    text = parameters.values.get("limit", "100")
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 100
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1_000 else 250


def depth(exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """GET /depth."""
    market = exchange.market(call.parameters.symbol())
    return render.depth(exchange.engine.depth(market.symbol, call.parameters.limit(100, 5_000)))


def trades(exchange: BinanceExchange, call: Call) -> list[render.JsonObject]:
    """GET /trades and /historicalTrades."""
    return [
        {
            "id": trade.trade_id,
            "price": render.amount(trade.price),
            "qty": render.amount(trade.quantity),
            "quoteQty": render.amount(trade.quote_quantity),
            "time": trade.time_ms,
            "isBuyerMaker": trade.buyer_is_maker,
            "isBestMatch": True,
        }
        for trade in _trades(exchange, call.parameters)
    ]


def aggregate_trades(exchange: BinanceExchange, call: Call) -> list[render.JsonObject]:
    """GET /aggTrades. Each trade is an aggregate of its own here."""
    parameters = call.parameters
    start, end = parameters.optional_integer("startTime"), parameters.optional_integer("endTime")
    return [
        {
            "a": trade.trade_id,
            "p": render.amount(trade.price),
            "q": render.amount(trade.quantity),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.time_ms,
            "m": trade.buyer_is_maker,
            "M": True,
        }
        for trade in _trades(exchange, parameters)
        if (start is None or trade.time_ms >= start) and (end is None or trade.time_ms <= end)
    ]


def _trades(exchange: BinanceExchange, parameters: Parameters) -> list[PublicTrade]:
    market = exchange.market(parameters.symbol())
    limit = parameters.limit(500, 1_000)
    from_id = parameters.optional_integer("fromId")
    recent = exchange.engine.recent_trades(market.symbol, _ALL_TRADES)
    if from_id is None:
        return list(recent[-limit:])
    return [trade for trade in recent if trade.trade_id >= from_id][:limit]


def price(exchange: BinanceExchange, call: Call) -> object:
    """GET /ticker/price."""
    return _for_symbols(exchange, call, lambda symbol: _price(exchange, symbol))


def _price(exchange: BinanceExchange, symbol: str) -> render.JsonObject:
    last = exchange.engine.last_price(symbol)
    return {"symbol": symbol, "price": render.amount(last if last is not None else ZERO)}


def book_ticker(exchange: BinanceExchange, call: Call) -> object:
    """GET /ticker/bookTicker."""
    return _for_symbols(exchange, call, lambda symbol: _book_ticker(exchange, symbol))


def _book_ticker(exchange: BinanceExchange, symbol: str) -> render.JsonObject:
    best = exchange.engine.best(symbol)
    bid_price, bid_quantity = best.bid or (ZERO, ZERO)
    ask_price, ask_quantity = best.ask or (ZERO, ZERO)
    return {
        "symbol": symbol,
        "bidPrice": render.amount(bid_price),
        "bidQty": render.amount(bid_quantity),
        "askPrice": render.amount(ask_price),
        "askQty": render.amount(ask_quantity),
    }


def day_ticker(exchange: BinanceExchange, call: Call) -> object:
    """GET /ticker/24hr."""
    return _for_symbols(
        exchange, call, lambda symbol: exchange.statistics[symbol].ticker(exchange.engine.best(symbol), call.now_ms)
    )


def average_price(exchange: BinanceExchange, call: Call) -> render.JsonObject:
    """GET /avgPrice."""
    market = exchange.market(call.parameters.symbol())
    average = exchange.statistics[market.symbol].average_price()
    if average is None:
        average = exchange.engine.last_price(market.symbol) or ZERO
    return {"mins": 5, "price": render.amount(average), "closeTime": call.now_ms}


def candles(exchange: BinanceExchange, call: Call) -> list[list[object]]:
    """GET /klines and /uiKlines, from the trades this exchange has seen."""
    parameters = call.parameters
    market = exchange.market(parameters.symbol())
    interval = parameters.text("interval")
    if interval not in INTERVALS_MS:
        raise WireError(-1120, "Invalid interval.")
    limit = parameters.limit(500, 1_000)
    start, end = parameters.optional_integer("startTime"), parameters.optional_integer("endTime")
    rows = [
        candle_row(candle, interval)
        for candle in exchange.statistics[market.symbol].candles(interval)
        if (start is None or candle.open_ms >= start) and (end is None or candle.open_ms <= end)
    ]
    return rows[:limit] if start is not None else rows[-limit:]


def _for_symbols(exchange: BinanceExchange, call: Call, view: Callable[[str], render.JsonObject]) -> object:
    one, many = call.parameters.optional_symbol(), call.parameters.symbols()
    if one is not None and many is not None:
        raise WireError(-1128, "Combination of optional parameters invalid.")
    if one is not None:
        return view(exchange.market(one).symbol)
    if many is not None:
        return [view(exchange.market(name).symbol) for name in many]
    return [view(symbol) for symbol in exchange.engine.markets]


def one_or_many(one: int, many: int) -> Weight:
    """The weight of a call that takes one symbol, or several or all of them."""

    def weight(parameters: Parameters) -> int:
        return one if "symbol" in parameters.values else many

    return weight
