"""Figures of a market that come from its trades: the day's ticker, the average price, candles.

The emulator's day begins with its first trade; it does not roll.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from openoutcry.emulator.binance.render import JsonObject, amount
from openoutcry.emulator.engine import BestPrices, PublicTrade

ZERO: Final = Decimal(0)
_DAY_MS: Final = 86_400_000
_KEPT_CANDLES: Final = 1_500

INTERVALS_MS: Final = {
    "1s": 1_000,
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": _DAY_MS,
    "3d": 3 * _DAY_MS,
    "1w": 7 * _DAY_MS,
    "1M": 30 * _DAY_MS,
}
"""Candle lengths. A month counts 30 days here."""


@dataclass(slots=True)
class Candle:
    """Trades of one span of time."""

    open_ms: int
    first_trade_id: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    last_trade_id: int = 0
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    trades: int = 0
    taker_buy_volume: Decimal = ZERO
    taker_buy_quote_volume: Decimal = ZERO

    def add(self, trade: PublicTrade) -> None:
        """Count a trade in."""
        price = trade.price
        if price > self.high:
            self.high = price
        if price < self.low:
            self.low = price
        self.close = price
        self.last_trade_id = trade.trade_id
        self.volume += trade.quantity
        self.quote_volume += trade.quote_quantity
        self.trades += 1
        if not trade.buyer_is_maker:
            self.taker_buy_volume += trade.quantity
            self.taker_buy_quote_volume += trade.quote_quantity

    def merge(self, later: "Candle") -> None:
        """Count in a candle that follows this one."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.last_trade_id = later.last_trade_id
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.trades += later.trades
        self.taker_buy_volume += later.taker_buy_volume
        self.taker_buy_quote_volume += later.taker_buy_quote_volume


def _candle_of(open_ms: int, trade: PublicTrade) -> Candle:
    return Candle(open_ms, trade.trade_id, trade.price, trade.price, trade.price, trade.price)


@dataclass(slots=True)
class MarketStatistics:
    """What the trades of one market come to, kept up in constant time a trade."""

    symbol: str
    day: Candle | None = None
    minutes: deque[Candle] = field(default_factory=lambda: deque(maxlen=_KEPT_CANDLES))

    def add(self, trade: PublicTrade) -> None:
        """Count a trade in."""
        if self.day is None:
            self.day = _candle_of(trade.time_ms, trade)
        self.day.add(trade)
        open_ms = trade.time_ms // 60_000 * 60_000
        if not self.minutes or self.minutes[-1].open_ms < open_ms:
            self.minutes.append(_candle_of(open_ms, trade))
        self.minutes[-1].add(trade)

    def candles(self, interval: str) -> list[Candle]:
        """Candles of that interval, oldest first, from those of a minute. Spans without a trade have none."""
        length = max(INTERVALS_MS[interval], 60_000)
        candles: list[Candle] = []
        for minute in self.minutes:
            open_ms = minute.open_ms // length * length
            if candles and candles[-1].open_ms == open_ms:
                candles[-1].merge(minute)
            else:
                first = Candle(open_ms, minute.first_trade_id, minute.open, minute.high, minute.low, minute.close)
                first.merge(minute)
                candles.append(first)
        return candles

    def average_price(self) -> Decimal | None:
        """Average price by volume of the last five minutes of trade, None before the first one."""
        latest = list(self.minutes)[-5:]
        volume = sum((minute.volume for minute in latest), ZERO)
        return sum((minute.quote_volume for minute in latest), ZERO) / volume if volume else None

    def ticker(self, best: BestPrices, now_ms: int) -> JsonObject:
        """GET /ticker/24hr."""
        day = self.day
        bid_price, bid_quantity = best.bid or (ZERO, ZERO)
        ask_price, ask_quantity = best.ask or (ZERO, ZERO)
        opened = day.open if day else ZERO
        close = day.close if day else ZERO
        volume = day.volume if day else ZERO
        return {
            "symbol": self.symbol,
            "priceChange": amount(close - opened),
            "priceChangePercent": format((close - opened) / opened * 100 if opened else ZERO, ".3f"),
            "weightedAvgPrice": amount(day.quote_volume / volume if day and volume else ZERO),
            "prevClosePrice": amount(opened),
            "lastPrice": amount(close),
            "lastQty": "0.00000000",
            "bidPrice": amount(bid_price),
            "bidQty": amount(bid_quantity),
            "askPrice": amount(ask_price),
            "askQty": amount(ask_quantity),
            "openPrice": amount(opened),
            "highPrice": amount(day.high if day else ZERO),
            "lowPrice": amount(day.low if day else ZERO),
            "volume": amount(volume),
            "quoteVolume": amount(day.quote_volume if day else ZERO),
            "openTime": now_ms - _DAY_MS,
            "closeTime": now_ms,
            "firstId": day.first_trade_id if day else -1,
            "lastId": day.last_trade_id if day else -1,
            "count": day.trades if day else 0,
        }


def candle_row(candle: Candle, interval: str) -> list[object]:
    """A line of GET /klines."""
    return [
        candle.open_ms,
        amount(candle.open),
        amount(candle.high),
        amount(candle.low),
        amount(candle.close),
        amount(candle.volume),
        candle.open_ms + INTERVALS_MS[interval] - 1,
        amount(candle.quote_volume),
        candle.trades,
        amount(candle.taker_buy_volume),
        amount(candle.taker_buy_quote_volume),
        "0",
    ]
