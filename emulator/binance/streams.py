"""Market streams, the client's side of them: names, subscriptions and control messages of one connection. Pure.

Source: Binance spot documents, "WebSocket streams". An unknown stream is accepted and stays silent, as on the exchange.
"""

import re
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson

from openoutcry.emulator.binance.limits import RateLimits
from openoutcry.emulator.binance.statistics import INTERVALS_MS

_METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_LONGEST_ID: Final = 36


class StreamKind(StrEnum):
    """What a stream carries."""

    DEPTH_DIFF = "depth"
    PARTIAL_DEPTH = "partial depth"
    BOOK_TICKER = "bookTicker"
    TRADE = "trade"
    AGGREGATE_TRADE = "aggTrade"
    CANDLE = "kline"
    TICKER = "ticker"
    MINI_TICKER = "miniTicker"
    ALL_MINI_TICKERS = "!miniTicker@arr"
    AVERAGE_PRICE = "avgPrice"


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream name, taken apart."""

    name: str
    kind: StreamKind
    symbol: str
    """As the exchange lists it ("BTCUSDT"); empty for all symbols at once."""
    every_ms: int = 0
    """Pace of periodic streams; 0: at once."""
    levels: int = 0
    """Of partial books."""
    interval: str = ""
    """Of candles."""


_PATTERN: Final = re.compile(
    r"(?P<symbol>[^@A-Z!]+)@(?:"
    r"depth(?P<levels>5|10|20)?(?:@(?P<pace>100|1000)ms)?"
    r"|kline_(?P<interval>\w+)"
    r"|(?P<plain>bookTicker|trade|aggTrade|ticker|miniTicker|avgPrice)"
    r")"
)


def parse_stream(name: str) -> Stream | None:
    """Take a stream name apart; None if there is no such stream."""
    if name == "!miniTicker@arr":
        return Stream(name, StreamKind.ALL_MINI_TICKERS, "", 1_000)
    found = _PATTERN.fullmatch(name)
    if found is None:
        return None
    symbol = found["symbol"].upper()
    if found["interval"] is not None:
        if found["interval"] not in INTERVALS_MS:
            return None
        return Stream(name, StreamKind.CANDLE, symbol, 1_000, interval=found["interval"])
    if found["plain"] is not None:
        kind = StreamKind(found["plain"])
        periodic = kind in (StreamKind.TICKER, StreamKind.MINI_TICKER, StreamKind.AVERAGE_PRICE)
        return Stream(name, kind, symbol, 1_000 if periodic else 0)
    pace = int(found["pace"] or 1_000)
    if found["levels"] is not None:
        return Stream(name, StreamKind.PARTIAL_DEPTH, symbol, pace, levels=int(found["levels"]))
    return Stream(name, StreamKind.DEPTH_DIFF, symbol, pace)


class TooManyMessages(Exception):
    """The client sent more than it may within a second; the exchange disconnects it."""


class StreamSession:
    """One connection to the market streams: what it subscribed and in which form it wants it."""

    def __init__(self, limits: RateLimits, streams: list[str], *, combined: bool) -> None:
        self.combined = combined
        self.streams: dict[str, None] = dict.fromkeys(streams[: limits.streams_per_connection])
        self._limits = limits
        self._arrivals: deque[int] = deque()

    def count_message(self, now_ms: int) -> None:
        """Count one incoming message (JSON, ping or pong).

        Raises:
            TooManyMessages: it was one too many within the second.
        """
        arrivals = self._arrivals
        while arrivals and arrivals[0] <= now_ms - 1_000:
            arrivals.popleft()
        arrivals.append(now_ms)
        if self._limits.enforced and len(arrivals) > self._limits.stream_messages_per_second:
            raise TooManyMessages

    def answer(self, frame: str | bytes) -> bytes:
        """Answer one control message. Nothing a client sends makes it raise."""
        try:
            request = orjson.loads(frame)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return _error(3, "Invalid JSON: expected value at line 1 column 1", None)
        if not isinstance(request, dict):
            return _error(2, "Invalid request: expected an object", None)
        request_id = request.get("id")
        if not _is_request_id(request_id):
            return _error(2, "Invalid request: request ID must be an unsigned integer", None)
        method = request.get("method")
        if "method" not in request:
            return _error(2, "Invalid request: missing field `method` at line 1 column 1", request_id)
        if not isinstance(method, str) or method not in _METHODS:
            known = ", ".join(f"`{name}`" for name in _METHODS)
            return _error(2, f"Invalid request: unknown variant `{method}`, expected one of {known}", request_id)
        parameters = request.get("params", [])
        if not isinstance(parameters, list):
            return _error(2, "Invalid request: `params` must be an array", request_id)
        if method == "LIST_SUBSCRIPTIONS":
            return _result(list(self.streams), request_id)
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(method, parameters, request_id)
        return self._change(method, parameters, request_id)

    def _change(self, method: str, names: list[object], request_id: object) -> bytes:
        texts = [name for name in names if isinstance(name, str)]
        if len(texts) != len(names) or not texts:
            return _error(2, "Invalid request: `params` must be an array of stream names", request_id)
        if method == "UNSUBSCRIBE":
            for name in texts:
                self.streams.pop(name, None)
            return _result(None, request_id)
        wanted = self.streams | dict.fromkeys(texts)
        if len(wanted) > self._limits.streams_per_connection:
            return _error(2, "Invalid request: too many subscriptions", request_id)
        self.streams = wanted
        return _result(None, request_id)

    def _property(self, method: str, parameters: list[object], request_id: object) -> bytes:
        if not parameters or not isinstance(parameters[0], str):
            return _error(2, "Invalid request: property name must be a string", request_id)
        if parameters[0] != "combined":
            return _error(0, "Unknown property", request_id)
        if method == "GET_PROPERTY":
            return _result(self.combined, request_id)
        if len(parameters) > 2:
            return _error(2, "Invalid request: too many parameters", request_id)
        if len(parameters) < 2 or not isinstance(parameters[1], bool):
            return _error(1, "Invalid value type: expected Boolean", request_id)
        self.combined = parameters[1]
        return _result(None, request_id)


def combined_frame(stream: str, payload: bytes) -> bytes:
    """A payload as combined streams carry it."""
    return b'{"stream":' + orjson.dumps(stream) + b',"data":' + payload + b"}"


def _is_request_id(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return len(value) <= _LONGEST_ID
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _result(result: object, request_id: object) -> bytes:
    return orjson.dumps({"result": result, "id": request_id})


def _error(code: int, message: str, request_id: object) -> bytes:
    return orjson.dumps({"code": code, "msg": message, "id": request_id})
