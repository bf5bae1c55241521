"""The decoder of the public stream, snapshots and prices."""

import json
import math

import pytest
from binance_samples import BINANCE, REST_ANSWERS, STREAM_MESSAGES, a_rule, body
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.exchanges.dialect import MalformedPayload, StreamAnswer, StreamNotice
from openoutcry.messages.market import BestQuote, BookDiff, PublicTrade
from openoutcry.messages.rest import ErrorKind

RULES = (a_rule(), a_rule("ETHUSDT", "ETH"), a_rule("BNBBTC", "BNB", "BTC"))
DECODER = BINANCE.market_decoder(RULES)

DIFF = {
    "e": "depthUpdate",
    "E": 1767225600123,
    "s": "BTCUSDT",
    "U": 157,
    "u": 160,
    "b": [["24999.90", "1.2"]],
    "a": [["25000.20", "0"]],
}
DECODED_DIFF = BookDiff("BTC-USDT", 157, 160, [(24999.9, 1.2)], [(25000.2, 0.0)], 1767225600123, 7)
QUOTE = {"u": 400900217, "s": "BNBBTC", "b": "25.35", "B": "31.21", "a": "25.36", "A": "40.66"}
DECODED_QUOTE = BestQuote("BNB-BTC", 400900217, 25.35, 31.21, 25.36, 40.66, 7)


def compact(payload: object) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()


def forms_of(payload: dict[str, object]) -> list[bytes | str]:
    """The same as the exchange writes it, in an envelope, with spaces, with its fields turned round, and as text."""
    envelope = {"stream": "btcusdt@depth@100ms", "data": payload}
    turned = dict(reversed(list(payload.items())))
    return [
        compact(payload),
        compact(payload).decode(),
        compact(envelope),
        json.dumps(payload, indent=2).encode(),
        json.dumps(envelope, indent=2).encode(),
        compact(turned),
        compact({"data": turned, "stream": "x"}),
        compact({**payload, "aNewField": {"deep": [1, "2"]}}),
    ]


@pytest.mark.parametrize("frame", forms_of(DIFF))
def test_a_diff_is_read_in_each_of_its_forms(frame: bytes | str) -> None:
    assert DECODER.decode(frame, 7) == DECODED_DIFF


@pytest.mark.parametrize("frame", forms_of(QUOTE))
def test_a_best_quote_is_read_though_it_has_no_event_name(frame: bytes | str) -> None:
    assert DECODER.decode(frame, 7) == DECODED_QUOTE


def test_a_best_quote_of_a_book_with_an_empty_side_is_of_no_use() -> None:
    assert DECODER.decode(compact({**QUOTE, "a": "0.00000000", "A": "0.00000000"}), 7) is None


@pytest.mark.parametrize("name", ["trade", "agg_trade"])
def test_trades_are_read_with_the_side_of_the_taker(name: str) -> None:
    expected = {
        "trade": PublicTrade("ETH-USDT", "705291099", 4149.74, 0.4387, False, 1639351062243, 7),
        "agg_trade": PublicTrade("ETH-USDT", "226532", 1632.46, 0.34305, True, 1675759520847, 7),
    }[name]
    for frame in (*forms_of(STREAM_MESSAGES[name]["data"]), body(STREAM_MESSAGES[name])):
        assert DECODER.decode(frame, 7) == expected


@pytest.mark.parametrize(
    "frame",
    [
        {"e": "serverShutdown", "E": 1},
        {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}},
    ],
)
def test_a_shutdown_that_is_announced_ends_the_stream(frame: object) -> None:
    notice = DECODER.decode(compact(frame), 7)
    assert isinstance(notice, StreamNotice)
    assert notice.is_ending


def test_answers_to_subscriptions_are_told_from_errors() -> None:
    assert DECODER.decode(b'{"result":null,"id":1}', 7) == StreamAnswer(request_id="1", error=None)
    assert DECODER.decode(b'{"result":["btcusdt@trade"],"id":"a"}', 7) == StreamAnswer(request_id="a", error=None)
    for frame in (
        b'{"code":2,"msg":"Invalid request: unknown variant","id":3}',
        b'{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":3}',
    ):
        answer = DECODER.decode(frame, 7)
        assert isinstance(answer, StreamAnswer)
        assert answer.request_id == "3"
        assert answer.error is not None
        assert answer.error.kind is ErrorKind.OTHER
        assert "unknown variant" in str(answer.error)
    refused = DECODER.decode(b'{"code":2,"msg":"Invalid JSON","id":null}', 7)
    assert isinstance(refused, StreamAnswer)
    assert refused.request_id == ""


@pytest.mark.parametrize("event", ["kline", "24hrTicker", "avgPrice", "somethingNew"])
def test_an_event_that_we_do_not_subscribe_to_is_of_no_use(event: str) -> None:
    assert DECODER.decode(compact({"e": event, "E": 1, "s": "BTCUSDT", "k": {"t": 1}}), 7) is None


NO_AMOUNT: list[object] = [
    "nan",
    "NaN",
    "-nan",
    "inf",
    "Infinity",
    "-Infinity",
    "-1",
    "1e999",
    "",
    " ",
    "0x10",
    "1_0",
    None,
    True,
    [],
]


@pytest.mark.parametrize("number", NO_AMOUNT)
@pytest.mark.parametrize("side", ["b", "a"])
def test_a_level_that_is_no_number_is_refused(number: object, side: str) -> None:
    for level in ([number, "1"], ["1", number]):
        for frame in forms_of({**DIFF, side: [["2", "1"], level]}):
            with pytest.raises(MalformedPayload):
                DECODER.decode(frame, 7)


@pytest.mark.parametrize(
    "changes",
    [
        {"U": 161},
        {"u": -1, "U": -1},
        {"b": [["0", "1"]]},
        {"b": [["1"]]},
        {"b": [["1", "2", "3"]]},
        {"b": None},
        {"s": "XRPUSDT"},
        {"s": 5},
        {"E": "soon"},
    ],
)
def test_a_diff_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    for frame in forms_of({**DIFF, **changes}):
        with pytest.raises(MalformedPayload):
            DECODER.decode(frame, 7)


@pytest.mark.parametrize("field", ["E", "s", "U", "u", "b", "a"])
def test_a_diff_with_a_field_missing_is_refused(field: str) -> None:
    for frame in forms_of({name: value for name, value in DIFF.items() if name != field}):
        with pytest.raises(MalformedPayload):
            DECODER.decode(frame, 7)


@given(
    st.lists(
        st.tuples(
            st.decimals(min_value="0.00000001", max_value="999999999", places=8),
            st.decimals(min_value=0, max_value="999999999", places=8),
        ),
        max_size=30,
    )
)
def test_the_floats_are_those_that_python_reads(levels: list[tuple[object, object]]) -> None:
    written = [[str(price), str(amount)] for price, amount in levels]
    decoded = DECODER.decode(compact({**DIFF, "b": written}), 7)
    assert isinstance(decoded, BookDiff)
    assert decoded.bids == [(float(price), float(amount)) for price, amount in written]
    assert all(math.isfinite(price) and price > 0 and amount >= 0 for price, amount in decoded.bids)


def test_a_snapshot_is_asked_for_with_a_thousand_levels_at_its_weight() -> None:
    request = BINANCE.build_book_snapshot(RULES[0])
    assert (request.method, request.path) == ("GET", "/api/v3/depth")
    assert dict(request.parameters) == {"symbol": "BTCUSDT", "limit": "1000"}
    assert dict(request.costs) == {"REQUEST_WEIGHT": 50, "RAW_REQUESTS": 1}
    assert str(BINANCE.sync_rule.snapshot_depth) == dict(request.parameters)["limit"]


@pytest.mark.parametrize("name", ["http_spot_market_depth", "depth_response"])
def test_a_snapshot_is_read(name: str) -> None:
    payload = REST_ANSWERS[name]
    snapshot = BINANCE.parse_book_snapshot(RULES[0], body(payload), 9)
    assert snapshot.update_id == payload["lastUpdateId"]
    assert snapshot.trading_pair == "BTC-USDT"
    assert snapshot.received_ns == 9
    assert snapshot.bids == [(float(price), float(amount)) for price, amount in payload["bids"]]
    assert snapshot.asks == [(float(price), float(amount)) for price, amount in payload["asks"]]


def test_last_prices_are_asked_for_by_name_and_read_from_one_or_many() -> None:
    assert dict(BINANCE.build_last_prices(RULES[:1]).parameters) == {"symbol": "BTCUSDT"}
    many = BINANCE.build_last_prices(RULES)
    assert dict(many.parameters) == {"symbols": '["BTCUSDT","ETHUSDT","BNBBTC"]'}
    assert dict(many.costs)["REQUEST_WEIGHT"] == 4
    assert BINANCE.build_last_prices(()).parameters == ()
    assert BINANCE.build_last_prices(RULES * 40).parameters == ()

    one = body(REST_ANSWERS["http_spot_market_ticker_price"])
    assert BINANCE.parse_last_prices(RULES, one) == (("BTC-USDT", 60740.0),)
    several = [
        {"symbol": "ETHUSDT", "price": "2.5"},
        {"symbol": "XRPUSDT", "price": "1"},
        {"symbol": "BNBBTC", "price": "0"},
    ]
    assert BINANCE.parse_last_prices(RULES, body(several)) == (("ETH-USDT", 2.5),)


def test_subscriptions_are_few_frames_that_name_each_stream_once() -> None:
    rules = [a_rule(f"T{number}USDT", f"T{number}") for number in range(150)]
    frames = [json.loads(frame) for frame in BINANCE.subscribe_frames(rules, 5)]
    assert [frame["id"] for frame in frames] == [5, 6, 7]
    assert {frame["method"] for frame in frames} == {"SUBSCRIBE"}
    assert all(len(frame["params"]) <= 200 for frame in frames)
    named = [name for frame in frames for name in frame["params"]]
    assert sorted(named) == sorted(
        f"t{number}usdt@{stream}" for number in range(150) for stream in ("depth@100ms", "trade", "bookTicker")
    )
    undone = [json.loads(frame) for frame in BINANCE.unsubscribe_frames(rules, 5)]
    assert [frame["params"] for frame in undone] == [frame["params"] for frame in frames]
    assert {frame["method"] for frame in undone} == {"UNSUBSCRIBE"}
    assert BINANCE.subscribe_frames((), 1) == ()
