"""REST as a pure function: what is answered, and with which code what is refused."""

import json
from typing import Any

import pytest
from emulator_bench import NOW, Bench

from openoutcry.emulator.binance.limits import RateLimits
from openoutcry.emulator.binance.rest import HttpResponse
from openoutcry.emulator.engine import Side

LIMIT = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=25000.10"


def error(response: Any) -> tuple[int, int]:
    return response.status, json.loads(response.body)["code"]


def test_a_limit_order_is_answered_in_full_with_its_fills(bench: Bench) -> None:
    bench.quote(Side.SELL, "25000.10", "0.004")
    placed = bench.order(LIMIT + "&newClientOrderId=hb-1_abc")
    fills = placed.pop("fills")
    assert placed == {
        "symbol": "BTCUSDT",
        "orderId": placed["orderId"],
        "orderListId": -1,
        "clientOrderId": "hb-1_abc",
        "transactTime": NOW,
        "price": "25000.10000000",
        "origQty": "0.01000000",
        "executedQty": "0.00400000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "100.00040000",
        "status": "PARTIALLY_FILLED",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": NOW,
        "selfTradePreventionMode": "NONE",
    }
    assert fills == [
        {
            "price": "25000.10000000",
            "qty": "0.00400000",
            "commission": "0.00000400",
            "commissionAsset": "BTC",
            "tradeId": fills[0]["tradeId"],
        }
    ]


def test_an_order_lives_and_dies_over_the_wire(bench: Bench) -> None:
    order = bench.order(LIMIT + "&newClientOrderId=mine")
    shown = json.loads(bench.rest("GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=mine").body)
    assert (shown["orderId"], shown["status"], shown["isWorking"]) == (order["orderId"], "NEW", True)
    assert len(json.loads(bench.rest("GET", "/api/v3/openOrders").body)) == 1
    cancelled = json.loads(bench.rest("DELETE", "/api/v3/order", f"symbol=BTCUSDT&orderId={order['orderId']}").body)
    assert (cancelled["origClientOrderId"], cancelled["status"]) == ("mine", "CANCELED")
    assert cancelled["clientOrderId"] != "mine"
    assert json.loads(bench.rest("GET", "/api/v3/openOrders", "symbol=BTCUSDT").body) == []
    assert len(json.loads(bench.rest("GET", "/api/v3/allOrders", "symbol=BTCUSDT").body)) == 1


def test_cancel_all_lists_every_order_it_cancelled(bench: Bench) -> None:
    bench.order(LIMIT + "&newClientOrderId=a")
    bench.order(LIMIT + "&newClientOrderId=b")
    gone = json.loads(bench.rest("DELETE", "/api/v3/openOrders", "symbol=BTCUSDT").body)
    assert {order["origClientOrderId"] for order in gone} == {"a", "b"}
    assert error(bench.rest("DELETE", "/api/v3/openOrders", "symbol=BTCUSDT")) == (400, -2011)


def test_balances_and_trades_follow_a_fill(bench: Bench) -> None:
    bench.quote(Side.SELL, "25000.10", "1")
    placed = bench.order(LIMIT)
    trades = json.loads(bench.rest("GET", "/api/v3/myTrades", f"symbol=BTCUSDT&orderId={placed['orderId']}").body)
    assert [(t["qty"], t["quoteQty"], t["isBuyer"], t["isMaker"]) for t in trades] == [
        ("0.01000000", "250.00100000", True, False)
    ]
    account = json.loads(bench.rest("GET", "/api/v3/account", "omitZeroBalances=true").body)
    assert {b["asset"]: b["free"] for b in account["balances"]} == {"USDT": "99749.99900000", "BTC": "2.00999000"}


@pytest.mark.parametrize(("kind", "fields"), [("ACK", 5), ("RESULT", 16), ("FULL", 17)])
def test_the_answer_is_as_long_as_the_client_wishes(bench: Bench, kind: str, fields: int) -> None:
    assert len(bench.order(LIMIT + f"&newOrderRespType={kind}")) == fields


def test_a_test_order_is_checked_and_not_placed(bench: Bench) -> None:
    assert bench.rest("POST", "/api/v3/order/test", LIMIT).body == b"{}"
    assert error(bench.rest("POST", "/api/v3/order/test", LIMIT.replace("0.01", "0.000001"))) == (400, -1013)
    assert json.loads(bench.rest("GET", "/api/v3/openOrders").body) == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (LIMIT.replace("BTCUSDT", "NOSUCH"), -1121),
        (LIMIT.replace("BTCUSDT", "btcusdt"), -1100),
        (LIMIT.replace("side=BUY", "side=HOLD"), -1117),
        (LIMIT.replace("type=LIMIT", "type=GUESS"), -1116),
        (LIMIT.replace("GTC", "GTX"), -1115),
        (LIMIT.replace("&side=BUY", ""), -1102),
        (LIMIT.replace("&price=25000.10", ""), -1102),
        (LIMIT.replace("&price=25000.10", "&price="), -1105),
        (LIMIT.replace("25000.10", "-1"), -1100),
        (LIMIT.replace("25000.10", "NaN"), -1100),
        (LIMIT.replace("25000.10", "25000.101"), -1013),
        (LIMIT.replace("quantity=0.01", "quantity=0.000001"), -1013),
        (LIMIT.replace("quantity=0.01", "quantity=0.0001"), -1013),
        (LIMIT.replace("quantity=0.01", "quantity=100"), -2010),
        (LIMIT + "&newClientOrderId=" + "x" * 37, -1100),
        (LIMIT + "&newClientOrderId=a.b", -1100),
        (LIMIT + "&newOrderRespType=ALL", -1136),
        (LIMIT + "&leverage=20", -1104),
        (LIMIT + "&side=SELL", -1101),
        ("symbol=BTCUSDT&side=BUY&type=MARKET", -1102),
    ],
)
def test_a_bad_order_is_refused_with_its_code(bench: Bench, query: str, code: int) -> None:
    assert error(bench.rest("POST", "/api/v3/order", query)) == (400, code)


def test_a_crossing_limit_maker_is_refused(bench: Bench) -> None:
    bench.quote(Side.SELL, "25000.10", "1")
    refused = bench.order("symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER&quantity=0.01&price=25000.10")
    assert refused == {"code": -2010, "msg": "Order would immediately match and take."}


def test_an_open_client_order_id_is_not_taken_twice(bench: Bench) -> None:
    bench.order(LIMIT + "&newClientOrderId=same")
    assert bench.order(LIMIT + "&newClientOrderId=same") == {"code": -2010, "msg": "Duplicate order sent."}


@pytest.mark.parametrize(
    ("method", "path", "query", "code"),
    [
        ("DELETE", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=never", -2011),
        ("GET", "/api/v3/order", "symbol=BTCUSDT&origClientOrderId=never", -2013),
        ("GET", "/api/v3/order", "symbol=BTCUSDT", -1102),
        ("GET", "/api/v3/myTrades", "symbol=BTCUSDT&startTime=1&endTime=90000000", -1127),
        ("GET", "/api/v3/myTrades", "", -1102),
    ],
)
def test_a_bad_private_call_is_refused_with_its_code(
    bench: Bench, method: str, path: str, query: str, code: int
) -> None:
    assert error(bench.rest(method, path, query)) == (400, code)


def test_who_is_not_known_may_not_enter(bench: Bench) -> None:
    assert error(bench.raw("GET", "/api/v3/account", bench.signed_query(""))) == (401, -2014)
    assert error(bench.raw("GET", "/api/v3/account", bench.signed_query(""), key="no spaces allowed")) == (401, -2014)
    assert error(bench.raw("GET", "/api/v3/account", bench.signed_query(""), key="unknownKey")) == (401, -2015)
    bench.exchange.keys.remove("aliceKey")
    assert error(bench.rest("GET", "/api/v3/account")) == (401, -2015)


def test_a_key_without_trade_permission_reads_only(bench: Bench) -> None:
    assert bench.rest("GET", "/api/v3/account", key="readKey").status == 200
    assert error(bench.rest("POST", "/api/v3/order", LIMIT, key="readKey")) == (401, -2015)


def test_ed25519_keys_trade_over_rest(bench: Bench) -> None:
    assert bench.rest("POST", "/api/v3/order", LIMIT, key="edKey").status == 200


def test_a_changed_byte_breaks_the_signature(bench: Bench) -> None:
    query = bench.signed_query(LIMIT)
    assert error(bench.raw("POST", "/api/v3/order", query.replace("25000.10", "25000.20"), key="aliceKey")) == (
        400,
        -1022,
    )
    assert error(bench.raw("GET", "/api/v3/account", f"timestamp={NOW}", key="aliceKey")) == (400, -1102)
    assert error(bench.raw("GET", "/api/v3/account", "signature=00", key="aliceKey")) == (400, -1102)


def test_the_signature_covers_the_text_as_it_was_encoded(bench: Bench) -> None:
    raw = f"symbol=币安人生USDT&timestamp={NOW}"
    encoded = f"symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&timestamp={NOW}"
    signed_raw = f"{encoded}&signature={bench.sign('aliceKey', raw)}"
    signed_encoded = f"{encoded}&signature={bench.sign('aliceKey', encoded)}"
    assert error(bench.raw("GET", "/api/v3/openOrders", signed_raw, key="aliceKey")) == (400, -1022)
    assert error(bench.raw("GET", "/api/v3/openOrders", signed_encoded, key="aliceKey")) == (400, -1121)


def test_parameters_may_come_in_the_body_and_the_query_wins(bench: Bench) -> None:
    body = bench.signed_query(LIMIT)
    assert bench.raw("POST", "/api/v3/order", "", body, key="aliceKey").status == 200
    query, rest = "price=24000.00", LIMIT + f"&timestamp={NOW}"
    signature = bench.sign("aliceKey", query + rest)
    mixed = bench.raw("POST", "/api/v3/order", query, f"{rest}&signature={signature}", key="aliceKey")
    assert json.loads(mixed.body)["price"] == "24000.00000000"


@pytest.mark.parametrize(
    ("offset_ms", "window", "accepted"),
    [
        (0, "", True),
        (999, "", True),
        (1000, "", False),
        (-5000, "", True),
        (-5001, "", False),
        (-5001, "&recvWindow=6000", True),
        (-101, "&recvWindow=100.5", False),
        (-100, "&recvWindow=100.5", True),
    ],
)
def test_the_time_window_is_that_of_the_documents(bench: Bench, offset_ms: int, window: str, accepted: bool) -> None:
    bench.now = NOW + offset_ms
    query = bench.signed_query(window.removeprefix("&"))
    bench.now = NOW
    response = bench.raw("GET", "/api/v3/account", query, key="aliceKey")
    assert response.status == 200 if accepted else error(response) == (400, -1021)


def test_microseconds_are_times_as_well(bench: Bench) -> None:
    query = f"timestamp={NOW}123"
    signed = f"{query}&signature={bench.sign('aliceKey', query)}"
    assert bench.raw("GET", "/api/v3/account", signed, key="aliceKey").status == 200


def test_a_window_above_a_minute_is_refused(bench: Bench) -> None:
    assert error(bench.rest("GET", "/api/v3/account", "recvWindow=60001")) == (400, -1131)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("ping", ""),
        ("time", ""),
        ("exchangeInfo", ""),
        ("exchangeInfo", "symbol=BTCUSDT"),
        ("exchangeInfo", "symbols=%5B%22BTCUSDT%22,%22ETHBTC%22%5D"),
        ("exchangeInfo", "permissions=SPOT"),
        ("exchangeInfo", "symbolStatus=TRADING"),
        ("depth", "symbol=BTCUSDT&limit=5000"),
        ("trades", "symbol=BTCUSDT"),
        ("aggTrades", "symbol=BTCUSDT"),
        ("klines", "symbol=BTCUSDT&interval=1m"),
        ("avgPrice", "symbol=BTCUSDT"),
        ("ticker/price", ""),
        ("ticker/price", "symbol=BTCUSDT"),
        ("ticker/bookTicker", "symbols=%5B%22BTCUSDT%22%5D"),
        ("ticker/24hr", "symbol=BTCUSDT"),
    ],
)
def test_public_calls_need_no_key(bench: Bench, path: str, query: str) -> None:
    response = bench.rest("GET", f"/api/v3/{path}", query, key=None)
    assert response.status == 200
    assert json.loads(response.body) is not None


@pytest.mark.parametrize(
    ("path", "query", "refusal"),
    [
        ("nothing/here", "", (404, -1020)),
        ("order", "", (401, -2014)),
        ("ping", "a=1", (400, -1101)),
        ("depth", "", (400, -1102)),
        ("depth", "symbol=NOSUCH", (400, -1121)),
        ("depth", "symbol=BTCUSDT&limit=0", (400, -1130)),
        ("klines", "symbol=BTCUSDT&interval=7m", (400, -1120)),
        ("ticker/price", "symbols=BTCUSDT", (400, -1100)),
        ("exchangeInfo", "symbol=BTCUSDT&symbols=%5B%22ETHBTC%22%5D", (400, -1128)),
    ],
)
def test_a_bad_public_call_is_refused_with_its_code(
    bench: Bench, path: str, query: str, refusal: tuple[int, int]
) -> None:
    assert error(bench.rest("GET", f"/api/v3/{path}", query, key=None)) == refusal


def test_trading_rules_are_complete(bench: Bench) -> None:
    shown = json.loads(bench.rest("GET", "/api/v3/exchangeInfo", "symbol=ETHBTC", key=None).body)
    symbol = shown["symbols"][0]
    assert (symbol["baseAsset"], symbol["quoteAsset"], symbol["permissionSets"]) == ("ETH", "BTC", [["SPOT"]])
    filters = {one["filterType"]: one for one in symbol["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.00001000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00010000"
    assert filters["NOTIONAL"]["minNotional"] == "0.00010000"
    assert {limit["rateLimitType"] for limit in shown["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"}


# Rate limits


def test_weights_add_up_and_successful_orders_weigh_nothing(bench: Bench) -> None:
    used = [
        bench.rest("GET", "/api/v3/ping", key=None),
        bench.rest("GET", "/api/v3/depth", "symbol=BTCUSDT&limit=5000", key=None),
        bench.rest("POST", "/api/v3/order", LIMIT),
        bench.rest("POST", "/api/v3/order", LIMIT.replace("BUY", "HOLD")),
    ]
    assert [answer.headers["X-MBX-USED-WEIGHT-1M"] for answer in used] == ["1", "251", "251", "252"]
    assert used[2].headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert used[2].headers["X-MBX-ORDER-COUNT-1D"] == "1"
    bench.now += 60_000
    assert bench.rest("GET", "/api/v3/ping", key=None).headers["X-MBX-USED-WEIGHT-1M"] == "1"


def test_who_goes_on_after_a_429_is_banned_longer_each_time() -> None:
    bench = Bench(RateLimits(weight_per_minute=2, requests_after_429_before_ban=1))

    def ping() -> HttpResponse:
        return bench.rest("GET", "/api/v3/ping", key=None)

    assert [ping().status for _ in range(4)] == [200, 200, 429, 418]
    refused = ping()
    assert (error(refused), refused.headers["Retry-After"]) == ((418, -1003), "120")
    bench.now += 120_000
    assert [ping().status for _ in range(4)] == [200, 200, 429, 418]
    assert ping().headers["Retry-After"] == "240"
    assert bench.raw("GET", "/api/v3/ping", ip="10.0.0.2").status == 200


def test_a_429_says_when_the_minute_ends() -> None:
    bench = Bench(RateLimits(weight_per_minute=1))
    bench.now = NOW + 45_000
    assert bench.rest("GET", "/api/v3/ping", key=None).status == 200
    refused = bench.rest("GET", "/api/v3/ping", key=None)
    assert (error(refused), refused.headers["Retry-After"]) == ((429, -1003), "15")


def test_too_many_unfilled_orders_are_refused_and_a_fill_gives_a_place_back() -> None:
    bench = Bench(RateLimits(orders_per_10s=2))
    assert [bench.rest("POST", "/api/v3/order", LIMIT).status for _ in range(2)] == [200, 200]
    refused = bench.rest("POST", "/api/v3/order", LIMIT)
    assert (error(refused), refused.headers["Retry-After"]) == ((429, -1015), "10")
    bench.quote(Side.SELL, "25000.10", "0.001")  # half fills the first order
    counts = json.loads(bench.rest("GET", "/api/v3/rateLimit/order").body)
    assert [limit["count"] for limit in counts] == [1, 1]
    assert bench.rest("POST", "/api/v3/order", LIMIT).status == 200
    bench.now += 10_000
    assert bench.rest("POST", "/api/v3/order", LIMIT).status == 200
