"""Whatever comes over the wire, a parser raises MalformedPayload and nothing else."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from binance_samples import BINANCE, DATA, REST_ANSWERS, STREAM_MESSAGES, a_rule, an_order
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openoutcry.exchanges.dialect import MalformedPayload

RULE = a_rule()
PAIRS = {"BTCUSDT": "BTC-USDT", "ETHUSDT": "ETH-USDT", "LTCBTC": "LTC-BTC"}
DECODER = BINANCE.market_decoder([a_rule(), a_rule("ETHUSDT", "ETH")])

PARSERS: dict[str, Callable[[bytes], object]] = {
    "market frame": lambda body: DECODER.decode(body, 0),
    "user frame": lambda body: BINANCE.decode_user_frame(body, PAIRS),
    "trading rules": BINANCE.parse_trading_rules,
    "rate limits": BINANCE.parse_rate_limits,
    "fees": lambda body: BINANCE.parse_fees(RULE, body),
    "last prices": lambda body: BINANCE.parse_last_prices([RULE], body),
    "server time": BINANCE.parse_server_time,
    "snapshot": lambda body: BINANCE.parse_book_snapshot(RULE, body, 0),
    "placed order": lambda body: BINANCE.parse_placed_order(an_order(), body),
    "cancelled order": lambda body: BINANCE.parse_cancelled_order(RULE, body),
    "cancel all": lambda body: BINANCE.parse_cancel_all(RULE, body),
    "open orders": lambda body: BINANCE.parse_open_orders(PAIRS, body),
    "order status": lambda body: BINANCE.parse_order_status(RULE, body),
    "fills": lambda body: BINANCE.parse_fills(RULE, body),
    "balances": lambda body: BINANCE.parse_balances(body, 0),
    "permissions": BINANCE.parse_permissions,
}

REAL: list[Any] = [
    *STREAM_MESSAGES.values(),
    *REST_ANSWERS.values(),
    json.loads((DATA / "exchange_info_us.json").read_text()),
    {
        "stream": "btcusdt@depth@100ms",
        "data": {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": 1, "u": 2, "b": [], "a": []},
    },
    {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": 1, "u": 2, "b": [["1", "2"]], "a": [["3", "4"]]},
    {"u": 1, "s": "BTCUSDT", "b": "1", "B": "2", "a": "3", "A": "4"},
    {"id": "u1", "status": 400, "error": {"code": -1003, "msg": "x", "data": {"serverTime": 1, "retryAfter": 2}}},
]

ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**18, 10**40),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["NaN", "sNaN", "-Infinity", "1e999999999999999999999", "-1", "0", "1e-999", "\ud800", "-0", "ODD"]
    ),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
)


def parse_with_all(body: bytes) -> None:
    complaints = []
    for parse in PARSERS.values():
        try:
            parse(body)
        except MalformedPayload as error:
            complaints.append(str(error))
    assert all(len(complaint) < 2_000 for complaint in complaints)


@given(st.binary(max_size=120))
def test_arbitrary_bytes_are_malformed_or_understood(body: bytes) -> None:
    parse_with_all(body)


JSON = st.recursive(
    ODD_VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                [*"eEsUubBaAtpqTmXxicCzZlLnNYdf", "stream", "data", "event", "id", "status", "error", "code"]
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=12,
)


@given(JSON)
def test_arbitrary_json_is_malformed_or_understood(payload: object) -> None:
    parse_with_all(json.dumps(payload).encode())


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(REAL), st.data())
def test_a_real_payload_with_one_thing_changed_is_malformed_or_understood(real: Any, data: st.DataObject) -> None:
    payload = copy.deepcopy(real)
    at: Any = payload
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if isinstance(at[key], (dict, list)) and at[key] and data.draw(st.booleans()):
            at = at[key]
            continue
        if data.draw(st.booleans()):
            at[key] = data.draw(ODD_VALUES)
        else:
            del at[key]
        break
    parse_with_all(json.dumps(payload).encode())


@given(st.sampled_from(REAL), st.data())
def test_a_real_payload_that_was_cut_off_is_malformed(real: Any, data: st.DataObject) -> None:
    whole = json.dumps(real).encode()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for parse in PARSERS.values():
        with pytest.raises(MalformedPayload):
            parse(cut)


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("opening", [b"[", b'{"data":', b'{"event":', b'{"e":', b'{"x":'])
def test_json_nested_without_end_is_malformed(name: str, opening: bytes) -> None:
    with pytest.raises(MalformedPayload):
        PARSERS[name](opening * 100_000)


@given(st.text(max_size=60))
def test_text_frames_are_malformed_or_understood_too(frame: str) -> None:
    for text in (frame, f'{{"e":"{frame}"}}', '{"e":"\ud800"}'):
        for decode in (lambda: DECODER.decode(text, 0), lambda: BINANCE.decode_user_frame(text, PAIRS)):  # noqa: B023
            try:
                decode()
            except MalformedPayload:
                continue
