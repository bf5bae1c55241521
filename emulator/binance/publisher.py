"""What market streams carry: payloads made from the exchange's state, for the streams somebody listens to. Pure.

`at_once` gives what is due after each change, `periodic` what is due at a tick of 100 ms.
"""

from collections import Counter
from decimal import Decimal
from typing import Final, TypeAlias

import orjson

from openoutcry.emulator.binance import render
from openoutcry.emulator.binance.exchange import BinanceExchange
from openoutcry.emulator.binance.render import JsonObject, amount
from openoutcry.emulator.binance.statistics import INTERVALS_MS, ZERO
from openoutcry.emulator.binance.streams import Stream, StreamKind, parse_stream
from openoutcry.emulator.engine import BestPrices, DepthChange, PublicTrade

Payload: TypeAlias = tuple[str, bytes]
"""Stream name and what it carries."""

TICK_MS: Final = 100
_SLOW_MS: Final = 1_000
_MINI_TICKER_FIELDS: Final = ("e", "E", "s", "c", "o", "h", "l", "v", "q")


class _PendingDiff:
    """Diffs of a second, merged into one."""

    def __init__(self) -> None:
        self.first_update_id: int | None = None
        self.last_update_id = 0
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}

    def merge(self, change: DepthChange) -> None:
        if self.first_update_id is None:
            self.first_update_id = change.first_update_id
        self.last_update_id = change.last_update_id
        self.bids.update(change.bids)
        self.asks.update(change.asks)

    def take(self, symbol: str) -> DepthChange | None:
        if self.first_update_id is None:
            return None
        merged = DepthChange(
            symbol, self.first_update_id, self.last_update_id, tuple(self.bids.items()), tuple(self.asks.items())
        )
        self.first_update_id = None
        self.bids, self.asks = {}, {}
        return merged


class Publisher:
    """Makes the payloads of all streams with at least one listener."""

    def __init__(self, exchange: BinanceExchange) -> None:
        self._exchange = exchange
        self._listeners: Counter[str] = Counter()
        self._diffs: dict[str, dict[str, Stream]] = {}
        """Symbol → its diff streams by name. Trades alike."""
        self._trades: dict[str, dict[str, Stream]] = {}
        self._pending: dict[str, _PendingDiff] = {}
        self._book_tickers: dict[str, Stream] = {}
        self._sent_best: dict[str, BestPrices] = {}
        self._periodic: dict[str, Stream] = {}

    def listen(self, name: str) -> None:
        """One more listener to a stream. Unknown streams and symbols stay silent."""
        self._listeners[name] += 1
        if self._listeners[name] > 1:
            return
        stream = parse_stream(name)
        if stream is None or (stream.symbol and stream.symbol not in self._exchange.statistics):
            return
        symbol = stream.symbol
        if stream.kind is StreamKind.DEPTH_DIFF:
            if symbol not in self._diffs:
                self._exchange.engine.take_depth_changes(symbol)  # what changed while nobody listened
                self._pending[symbol] = _PendingDiff()
            self._diffs.setdefault(symbol, {})[name] = stream
        elif stream.kind is StreamKind.BOOK_TICKER:
            self._book_tickers[symbol] = stream
            self._sent_best[symbol] = self._exchange.engine.best(symbol)
        elif stream.kind in (StreamKind.TRADE, StreamKind.AGGREGATE_TRADE):
            self._trades.setdefault(symbol, {})[name] = stream
            self._exchange.public_streams = True
        else:
            self._periodic[name] = stream

    def forget(self, name: str) -> None:
        """One listener less."""
        self._listeners[name] -= 1
        if self._listeners[name] > 0:
            return
        del self._listeners[name]
        self._periodic.pop(name, None)
        stream = parse_stream(name)
        if stream is None:
            return
        if stream.kind is StreamKind.BOOK_TICKER:
            self._book_tickers.pop(stream.symbol, None)
        for table in (self._diffs, self._trades):
            of_symbol = table.get(stream.symbol)
            if of_symbol is not None and of_symbol.pop(name, None) is not None and not of_symbol:
                del table[stream.symbol]
        self._exchange.public_streams = bool(self._trades)

    def at_once(self, now_ms: int) -> list[Payload]:
        """Trades since the last call, and best prices that changed."""
        payloads: list[Payload] = []
        for trade in self._exchange.take_public_trades():
            payloads.extend(
                (name, orjson.dumps(_trade(trade, stream.kind, now_ms)))
                for name, stream in self._trades.get(trade.symbol, {}).items()
            )
        for symbol, stream in self._book_tickers.items():
            best, sent = self._exchange.engine.best(symbol), self._sent_best[symbol]
            if best.bid != sent.bid or best.ask != sent.ask:
                self._sent_best[symbol] = best
                payloads.append((stream.name, orjson.dumps(_book_ticker(best))))
        return payloads

    def periodic(self, now_ms: int, tick: int) -> list[Payload]:
        """What is due at the tick of that number; ticks are 100 ms apart."""
        payloads: list[Payload] = []
        for symbol, streams in self._diffs.items():
            change = self._exchange.engine.take_depth_changes(symbol)
            if change is not None:
                self._pending[symbol].merge(change)
            slow = self._pending[symbol].take(symbol) if _is_due(_SLOW_MS, tick) else None
            for name, stream in streams.items():
                due = change if stream.every_ms == TICK_MS else slow
                if due is not None:
                    payloads.append((name, orjson.dumps(_diff(due, now_ms))))
        for name, stream in self._periodic.items():
            if _is_due(stream.every_ms, tick):
                content = self._content(stream, now_ms)
                if content is not None:
                    payloads.append((name, orjson.dumps(content)))
        return payloads

    def _content(self, stream: Stream, now_ms: int) -> object:
        exchange, symbol = self._exchange, stream.symbol
        if stream.kind is StreamKind.PARTIAL_DEPTH:
            return render.depth(exchange.engine.depth(symbol, stream.levels))
        if stream.kind is StreamKind.CANDLE:
            return self._candle(stream, now_ms)
        if stream.kind is StreamKind.AVERAGE_PRICE:
            price = exchange.statistics[symbol].average_price()
            return {"e": "avgPrice", "E": now_ms, "s": symbol, "i": "5m", "w": amount(price or ZERO), "T": now_ms}
        if stream.kind is StreamKind.ALL_MINI_TICKERS:
            return [_mini(self._ticker(one, now_ms)) for one in exchange.statistics] or None
        ticker = self._ticker(symbol, now_ms)
        return _mini(ticker) if stream.kind is StreamKind.MINI_TICKER else ticker

    def _ticker(self, symbol: str, now_ms: int) -> JsonObject:
        figures = self._exchange.statistics[symbol].ticker(self._exchange.engine.best(symbol), now_ms)
        return {"e": "24hrTicker", "E": now_ms, "s": symbol} | {
            short: figures[long] for short, long in _TICKER_FIELDS.items()
        }

    def _candle(self, stream: Stream, now_ms: int) -> JsonObject | None:
        candles = self._exchange.statistics[stream.symbol].candles(stream.interval)
        if not candles:
            return None
        candle = candles[-1]
        close_ms = candle.open_ms + INTERVALS_MS[stream.interval] - 1
        return {
            "e": "kline",
            "E": now_ms,
            "s": stream.symbol,
            "k": {
                "t": candle.open_ms,
                "T": close_ms,
                "s": stream.symbol,
                "i": stream.interval,
                "f": candle.first_trade_id,
                "L": candle.last_trade_id,
                "o": amount(candle.open),
                "c": amount(candle.close),
                "h": amount(candle.high),
                "l": amount(candle.low),
                "v": amount(candle.volume),
                "n": candle.trades,
                "x": now_ms > close_ms,
                "q": amount(candle.quote_volume),
                "V": amount(candle.taker_buy_volume),
                "Q": amount(candle.taker_buy_quote_volume),
                "B": "0",
            },
        }


_TICKER_FIELDS: Final = {
    "p": "priceChange",
    "P": "priceChangePercent",
    "w": "weightedAvgPrice",
    "x": "prevClosePrice",
    "c": "lastPrice",
    "Q": "lastQty",
    "b": "bidPrice",
    "B": "bidQty",
    "a": "askPrice",
    "A": "askQty",
    "o": "openPrice",
    "h": "highPrice",
    "l": "lowPrice",
    "v": "volume",
    "q": "quoteVolume",
    "O": "openTime",
    "C": "closeTime",
    "F": "firstId",
    "L": "lastId",
    "n": "count",
}


def _is_due(every_ms: int, tick: int) -> bool:
    return tick % max(1, every_ms // TICK_MS) == 0


def _mini(ticker: JsonObject) -> JsonObject:
    return {name: ticker[name] for name in _MINI_TICKER_FIELDS} | {"e": "24hrMiniTicker"}


def _trade(trade: PublicTrade, kind: StreamKind, now_ms: int) -> JsonObject:
    if kind is StreamKind.AGGREGATE_TRADE:
        return {
            "e": "aggTrade",
            "E": now_ms,
            "s": trade.symbol,
            "a": trade.trade_id,
            "p": amount(trade.price),
            "q": amount(trade.quantity),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.time_ms,
            "m": trade.buyer_is_maker,
            "M": True,
        }
    return {
        "e": "trade",
        "E": now_ms,
        "s": trade.symbol,
        "t": trade.trade_id,
        "p": amount(trade.price),
        "q": amount(trade.quantity),
        "T": trade.time_ms,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def _book_ticker(best: BestPrices) -> JsonObject:
    bid_price, bid_quantity = best.bid or (ZERO, ZERO)
    ask_price, ask_quantity = best.ask or (ZERO, ZERO)
    return {
        "u": best.update_id,
        "s": best.symbol,
        "b": amount(bid_price),
        "B": amount(bid_quantity),
        "a": amount(ask_price),
        "A": amount(ask_quantity),
    }


def _diff(change: DepthChange, now_ms: int) -> JsonObject:
    return {
        "e": "depthUpdate",
        "E": now_ms,
        "s": change.symbol,
        "U": change.first_update_id,
        "u": change.last_update_id,
        "b": [[amount(price), amount(quantity)] for price, quantity in change.bids],
        "a": [[amount(price), amount(quantity)] for price, quantity in change.asks],
    }
