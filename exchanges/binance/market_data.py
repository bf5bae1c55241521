"""The public stream and the REST answers of the market. This is the hot path: see `BinanceMarketDecoder.decode`.

Frames are decoded by msgspec straight into typed values: the strings of prices become floats in C, within bounds that
let no NaN, no infinity and no negative number through.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, field

from openoutcry.exchanges.binance.errors import stream_error
from openoutcry.exchanges.binance.limits import costs
from openoutcry.exchanges.binance.sync import SNAPSHOT_DEPTH
from openoutcry.exchanges.binance.wire import (
    DECODING_ERRORS,
    NOTHING,
    Identifier,
    Milliseconds,
    Price,
    PriceOrZero,
    Quantity,
    UpdateId,
    malformed,
    parser,
)
from openoutcry.exchanges.dialect import MarketEvent, StreamAnswer, StreamNotice
from openoutcry.messages.market import BestQuote, BookDiff, BookSnapshot, PublicTrade
from openoutcry.messages.rest import ExchangeError, Purpose, RestRequest
from openoutcry.messages.trading_rules import TradingRule

SERVER_SHUTDOWN: Final = "serverShutdown"
SHUTDOWN_NOTICE: Final = StreamNotice(is_ending=True, text="the exchange is about to shut this server down")

_TradedQuantity = Annotated[float, Meta(gt=0, lt=1e300)]
_Levels = list[tuple[Price, Quantity]]


class _Diff(msgspec.Struct, gc=False):
    """`{"e":"depthUpdate","E":1767225600123,"s":"BTCUSDT","U":157,"u":160,"b":[["24999.90","1.2"]],"a":[["25000.20","0"]]}`."""

    time_ms: Milliseconds = field(name="E")
    symbol: str = field(name="s")
    first_update_id: UpdateId = field(name="U")
    final_update_id: UpdateId = field(name="u")
    bids: _Levels = field(name="b")
    asks: _Levels = field(name="a")


class _Quote(msgspec.Struct, gc=False):
    """`{"u":400900217,"s":"BNBUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}`: no event name, no time."""

    update_id: UpdateId = field(name="u")
    symbol: str = field(name="s")
    bid_price: PriceOrZero = field(name="b")
    bid_amount: Quantity = field(name="B")
    ask_price: PriceOrZero = field(name="a")
    ask_amount: Quantity = field(name="A")


class _Trade(msgspec.Struct, gc=False):
    """`{"e":"trade","E":1,"s":"BTCUSDT","t":705291099,"p":"4149.74","q":"0.4387","T":1639351062243,"m":true}`.

    m: the buyer is the maker, so that the taker sold.
    """

    symbol: str = field(name="s")
    trade_id: Identifier = field(name="t")
    price: Price = field(name="p")
    amount: _TradedQuantity = field(name="q")
    time_ms: Milliseconds = field(name="T")
    buyer_is_maker: bool = field(name="m")


class _AggregateTrade(msgspec.Struct, gc=False):
    """As `trade`, with the id of the aggregate in a."""

    symbol: str = field(name="s")
    trade_id: Identifier = field(name="a")
    price: Price = field(name="p")
    amount: _TradedQuantity = field(name="q")
    time_ms: Milliseconds = field(name="T")
    buyer_is_maker: bool = field(name="m")


class _ErrorInAnswer(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _AnyFrame(msgspec.Struct):
    """Enough of a frame to tell what it is."""

    event: str | None = field(name="e", default=None)
    data: msgspec.Raw = NOTHING
    id: int | str | None = None
    error: _ErrorInAnswer | None = None
    code: int | None = None
    msg: str = ""
    bid_amount: msgspec.Raw = field(name="B", default=NOTHING)
    ask_amount: msgspec.Raw = field(name="A", default=NOTHING)


class _Snapshot(msgspec.Struct, rename="camel"):
    """`{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]}`."""

    last_update_id: UpdateId
    bids: _Levels
    asks: _Levels


class _LastPrice(msgspec.Struct):
    symbol: str
    price: PriceOrZero


def _pair_of_decoders(shape: Any) -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    """One for a raw frame, one for a frame in the envelope of a combined stream, `{"stream":…,"data":…}`."""
    envelope = msgspec.defstruct("_Envelope", [("data", shape)], gc=False)
    return msgspec.json.Decoder(shape, strict=False).decode, msgspec.json.Decoder(envelope, strict=False).decode


_diff, _enveloped_diff = _pair_of_decoders(_Diff)
_quote, _enveloped_quote = _pair_of_decoders(_Quote)
_trade, _enveloped_trade = _pair_of_decoders(_Trade)
_aggregate_trade = msgspec.json.Decoder(_AggregateTrade, strict=False).decode
_any_frame = msgspec.json.Decoder(_AnyFrame).decode
_parse_snapshot = parser(_Snapshot, "a depth snapshot")
_parse_last_prices = parser(list[_LastPrice] | _LastPrice, "last prices")

_DIFF_STARTS: Final = b'{"e":"depthUpdate"'
_TRADE_STARTS: Final = b'{"e":"trade"'
_QUOTE_STARTS: Final = b'{"u":'
_ENVELOPE_STARTS: Final = b'{"stream":"'
_DATA: Final = b'"data":'


class BinanceMarketDecoder:
    """Turns frames, raw or of a combined stream, into messages; knows the symbols it was made for."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._pairs = dict(pairs)
        """Symbol → trading pair."""

    def decode(self, frame: bytes | str, received_ns: int) -> MarketEvent | None:
        """One frame → one message; None for what is known and of no use. Raises MalformedPayload alone.

        What a frame is, is seen from how it begins, as Binance writes it; a frame that begins otherwise (spaces,
        another order of the fields) is understood too, by a second pass.
        """
        try:
            if isinstance(frame, str):
                frame = frame.encode()
            if frame.startswith(_DIFF_STARTS):
                return self._from_diff(_diff(frame), received_ns)
            if frame.startswith(_QUOTE_STARTS):
                return self._from_quote(_quote(frame), received_ns)
            if frame.startswith(_TRADE_STARTS):
                return self._from_trade(_trade(frame), received_ns)
            if frame.startswith(_ENVELOPE_STARTS):
                at = frame.find(_DATA, 11, 120) + 7
                if frame.startswith(_DIFF_STARTS, at):
                    return self._from_diff(_enveloped_diff(frame).data, received_ns)
                if frame.startswith(_QUOTE_STARTS, at):
                    return self._from_quote(_enveloped_quote(frame).data, received_ns)
                if frame.startswith(_TRADE_STARTS, at):
                    return self._from_trade(_enveloped_trade(frame).data, received_ns)
            return self._from_anything(frame, received_ns)
        except KeyError as error:
            raise malformed("a symbol that was subscribed", frame, error) from None
        except DECODING_ERRORS as error:
            raise malformed("a frame of the market stream", frame, error) from None

    def _from_diff(self, diff: _Diff, received_ns: int) -> BookDiff:
        if diff.first_update_id > diff.final_update_id:
            raise ValueError(f"U {diff.first_update_id} is greater than u {diff.final_update_id}")
        return BookDiff(
            self._pairs[diff.symbol],
            diff.first_update_id,
            diff.final_update_id,
            diff.bids,
            diff.asks,
            diff.time_ms,
            received_ns,
        )

    def _from_quote(self, quote: _Quote, received_ns: int) -> BestQuote | None:
        trading_pair = self._pairs[quote.symbol]
        if not quote.bid_price or not quote.ask_price:
            return None  # a side of the book is empty, which is told as price zero
        return BestQuote(
            trading_pair,
            quote.update_id,
            quote.bid_price,
            quote.bid_amount,
            quote.ask_price,
            quote.ask_amount,
            received_ns,
        )

    def _from_trade(self, trade: _Trade | _AggregateTrade, received_ns: int) -> PublicTrade:
        return PublicTrade(
            self._pairs[trade.symbol],
            str(trade.trade_id),
            trade.price,
            trade.amount,
            not trade.buyer_is_maker,
            trade.time_ms,
            received_ns,
        )

    def _from_anything(self, frame: bytes, received_ns: int) -> MarketEvent | None:
        seen = _any_frame(frame)
        if seen.data:
            frame = bytes(seen.data)
            seen = _any_frame(frame)
        event = seen.event
        if event == "depthUpdate":
            return self._from_diff(_diff(frame), received_ns)
        if event == "trade":
            return self._from_trade(_trade(frame), received_ns)
        if event == "aggTrade":
            return self._from_trade(_aggregate_trade(frame), received_ns)
        if event == "bookTicker" or (event is None and seen.bid_amount and seen.ask_amount):
            return self._from_quote(_quote(frame), received_ns)
        if event == SERVER_SHUTDOWN:
            return SHUTDOWN_NOTICE
        if event is not None:
            return None  # an event of a kind that we do not subscribe to
        return _answer(seen)


def _answer(seen: _AnyFrame) -> StreamAnswer:
    """`{"result":null,"id":1}`, `{"code":2,"msg":"…","id":1}` or `{"error":{"code":2,"msg":"…"},"id":1}`."""
    error: ExchangeError | None = None
    if seen.error is not None:
        error = stream_error(seen.error.code, seen.error.msg, 400, None)
    elif seen.code is not None:
        error = stream_error(seen.code, seen.msg, 400, None)
    elif seen.id is None:
        raise ValueError("it is neither an event nor an answer")
    return StreamAnswer(request_id="" if seen.id is None else str(seen.id), error=error)


def build_book_snapshot(rule: TradingRule) -> RestRequest:
    """GET /api/v3/depth: weight 50 for 1,000 levels."""
    return RestRequest(
        method="GET",
        path="/api/v3/depth",
        parameters=(("symbol", rule.symbol), ("limit", str(SNAPSHOT_DEPTH))),
        purpose=Purpose.MARKET_DATA,
        costs=costs(50),
    )


def parse_book_snapshot(rule: TradingRule, body: bytes, received_ns: int) -> BookSnapshot:
    """The book at lastUpdateId."""
    snapshot: _Snapshot = _parse_snapshot(body)
    return BookSnapshot(
        trading_pair=rule.trading_pair,
        update_id=snapshot.last_update_id,
        bids=snapshot.bids,
        asks=snapshot.asks,
        received_ns=received_ns,
    )


MOST_SYMBOLS_ASKED: Final = 100
"""Beyond this all prices are asked for: the weight is the same, and the URL would grow long."""


def build_last_prices(rules: Sequence[TradingRule]) -> RestRequest:
    """GET /api/v3/ticker/price: weight 2 for one symbol, 4 for more."""
    parameters: tuple[tuple[str, str], ...] = ()
    if len(rules) == 1:
        parameters = (("symbol", rules[0].symbol),)
    elif 0 < len(rules) <= MOST_SYMBOLS_ASKED:
        parameters = (("symbols", msgspec.json.encode([rule.symbol for rule in rules]).decode()),)
    return RestRequest(
        method="GET",
        path="/api/v3/ticker/price",
        parameters=parameters,
        purpose=Purpose.MARKET_DATA,
        costs=costs(2 if len(rules) == 1 else 4),
    )


def parse_last_prices(rules: Sequence[TradingRule], body: bytes) -> tuple[tuple[str, float], ...]:
    """One price or a list of them. A pair that has never traded has price zero, and is left out."""
    pairs = {rule.symbol: rule.trading_pair for rule in rules}
    parsed: list[_LastPrice] | _LastPrice = _parse_last_prices(body)
    prices = parsed if isinstance(parsed, list) else [parsed]
    return tuple((pairs[one.symbol], one.price) for one in prices if one.symbol in pairs and one.price)
