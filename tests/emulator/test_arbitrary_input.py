"""Whatever a client sends, the wire answers with JSON of Binance's form and never raises."""

import json
from typing import Any
from urllib.parse import urlencode

from emulator_bench import NOW, Bench
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.emulator.binance.limits import RateLimits
from openoutcry.emulator.binance.rest import ENDPOINTS
from openoutcry.emulator.binance.streams import StreamSession
from openoutcry.emulator.binance.ws_api import METHODS

NAMES = sorted({name for methods in ENDPOINTS.values() for endpoint in methods.values() for name in endpoint.reads})
LIKELY = ["BTCUSDT", "BUY", "LIMIT", "MARKET", "LIMIT_MAKER", "GTC", "1", "0.01", "60000", "true", '["BTCUSDT"]', "1m"]
values = st.one_of(st.sampled_from(LIKELY), st.text(max_size=12), st.integers().map(str), st.floats().map(str))
parameters = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), values, max_size=9)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.sampled_from(LIKELY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
BENCH = Bench(RateLimits.unlimited())
SESSION = BENCH.session()


def check_error(status: int, body: Any) -> None:
    if status != 200:
        assert isinstance(body["code"], int)
        assert body["code"] < 0
        assert isinstance(body["msg"], str)


@given(st.sampled_from(sorted(ENDPOINTS)), st.sampled_from(["GET", "POST", "DELETE", "PUT"]), st.text(), st.text())
def test_any_query_and_body(path: str, method: str, query: str, body: str) -> None:
    response = BENCH.raw(method, path, query, body, key="aliceKey")
    check_error(response.status, json.loads(response.body))


@given(st.sampled_from(sorted(ENDPOINTS)), st.sampled_from(["GET", "POST", "DELETE"]), parameters)
def test_any_signed_parameters(path: str, method: str, params: dict[str, str]) -> None:
    query = urlencode({name: value for name, value in params.items() if name not in ("timestamp", "signature")})
    response = BENCH.raw(method, path, BENCH.signed_query(query), key="aliceKey")
    check_error(response.status, json.loads(response.body))


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_frame_to_the_websocket_api(frame: str) -> None:
    answer = json.loads(SESSION.answer(frame, NOW))
    check_error(answer["status"], answer.get("error"))


@given(
    st.sampled_from([*METHODS, "session.logon", "userDataStream.unsubscribe", "userDataStream.subscribe.signature"]),
    st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), json_values, max_size=6),
    st.booleans(),
)
def test_any_parameters_of_a_websocket_api_method(method: str, params: dict[str, Any], sign: bool) -> None:
    if sign:
        params = {
            name: str(value) for name, value in params.items() if name not in ("timestamp", "signature", "apiKey")
        }
        params |= {"apiKey": "aliceKey", "timestamp": NOW}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = BENCH.sign("aliceKey", payload.encode("utf-8", "replace").decode())
    frame = json.dumps({"id": 1, "method": method, "params": params})
    answer = json.loads(SESSION.answer(frame, NOW))
    check_error(answer["status"], answer.get("error"))


@given(st.text() | json_values.map(json.dumps) | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_frame_to_the_market_streams(frame: str) -> None:
    session = StreamSession(RateLimits(), [], combined=False)
    assert isinstance(json.loads(session.answer(frame)), dict)


@given(
    st.sampled_from(["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"]),
    json_values,
    json_values,
)
def test_any_control_message(method: str, params: Any, request_id: Any) -> None:
    session = StreamSession(RateLimits(), [], combined=False)
    frame = json.dumps({"method": method, "params": params, "id": request_id})
    assert isinstance(json.loads(session.answer(frame)), dict)
