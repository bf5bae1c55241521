"""The WebSocket API as a pure session: envelopes, logons, subscriptions, orders, and what user streams tell."""

import json
from decimal import Decimal
from typing import Any

import pytest
from emulator_bench import NOW, Bench

from openoutcry.emulator.binance.limits import RateLimits
from openoutcry.emulator.binance.user_events import user_event
from openoutcry.emulator.engine import Side

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "25000.10",
}


def events(bench: Bench) -> list[dict[str, Any]]:
    return [user_event(event) for event in bench.exchange.take_user_events()]


def test_an_answer_carries_the_id_the_status_and_the_limits(bench: Bench) -> None:
    answer = bench.ask(bench.session(), "time")
    assert (answer["id"], answer["status"], answer["result"]) == ("q", 200, {"serverTime": NOW})
    assert answer["rateLimits"] == [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 1}
    ]
    assert "rateLimits" not in bench.ask(bench.session(), "time", {"returnRateLimits": False})


def test_an_order_is_placed_queried_and_cancelled(bench: Bench) -> None:
    session = bench.session()
    placed = bench.ask(session, "order.place", ORDER | {"newClientOrderId": "mine"}, key="aliceKey")
    assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
    assert [limit["count"] for limit in placed["rateLimits"]] == [1, 1, 0]
    which = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
    assert bench.ask(session, "order.status", which, key="aliceKey")["result"]["status"] == "NEW"
    assert len(bench.ask(session, "openOrders.status", key="aliceKey")["result"]) == 1
    assert bench.ask(session, "order.cancel", which, key="aliceKey")["result"]["status"] == "CANCELED"
    gone = bench.ask(session, "order.cancel", which, key="aliceKey")
    assert (gone["status"], gone["error"]["code"]) == (400, -2011)


def test_an_ed25519_session_needs_no_signatures_after_its_logon(bench: Bench) -> None:
    session = bench.session()
    assert bench.ask(session, "account.status", {"timestamp": NOW})["error"]["code"] == -1102
    assert bench.ask(session, "userDataStream.subscribe")["error"]["code"] == -2015
    assert bench.ask(session, "session.logon", key="edKey")["result"]["apiKey"] == "edKey"
    assert bench.ask(session, "account.status", {"timestamp": NOW})["status"] == 200
    assert bench.ask(session, "account.status")["error"]["code"] == -1102
    assert bench.ask(session, "userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert bench.ask(session, "session.logout")["result"]["apiKey"] is None
    assert bench.ask(session, "account.status", {"timestamp": NOW})["error"]["code"] == -1102


def test_hmac_keys_can_not_log_on(bench: Bench) -> None:
    assert bench.ask(bench.session(), "session.logon", key="aliceKey")["error"]["code"] == -4056


def test_an_account_has_one_subscription_a_session(bench: Bench) -> None:
    session = bench.session()
    assert bench.ask(session, "userDataStream.subscribe.signature", key="aliceKey")["result"] == {"subscriptionId": 0}
    assert bench.ask(session, "userDataStream.subscribe.signature", key="aliceKey")["error"]["code"] == -2035
    assert bench.ask(session, "userDataStream.subscribe.signature", key="bobKey")["result"] == {"subscriptionId": 1}
    assert bench.ask(session, "session.subscriptions")["result"] == [{"subscriptionId": 0}, {"subscriptionId": 1}]
    assert bench.ask(session, "userDataStream.unsubscribe", {"subscriptionId": 0})["status"] == 200
    assert bench.ask(session, "userDataStream.unsubscribe", {"subscriptionId": 0})["error"]["code"] == -2036
    session.close()
    assert not any(bench.exchange.listeners.values())


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", -1135),
        ("[1]", -1135),
        ('{"id":1.5,"method":"ping"}', -1135),
        ('{"id":"' + "x" * 37 + '","method":"ping"}', -1135),
        ('{"id":1,"method":7}', -1135),
        ('{"id":1,"method":"ping","params":[]}', -1135),
        ('{"id":1,"method":"order.guess"}', -1020),
        ('{"id":1,"method":"ping","params":{"a":1}}', -1104),
    ],
)
def test_a_bad_frame_is_answered_with_its_code(bench: Bench, frame: str, code: int) -> None:
    answer = json.loads(bench.session().answer(frame, NOW))
    assert (answer["status"], answer["error"]["code"]) == (400, code)


def test_a_wrong_signature_is_refused(bench: Bench) -> None:
    params = {"apiKey": "aliceKey", "timestamp": NOW, "signature": "00"}
    assert bench.ask(bench.session(), "account.status", params)["error"]["code"] == -1022
    bench.now += 5_001
    params["signature"] = bench.sign("aliceKey", f"apiKey=aliceKey&timestamp={NOW}")
    assert bench.ask(bench.session(), "account.status", params)["error"]["code"] == -1021


def test_limits_are_shared_with_rest_and_say_when_to_come_back() -> None:
    bench = Bench(RateLimits(weight_per_minute=1))
    assert bench.rest("GET", "/api/v3/ping", key=None).status == 200
    answer = bench.ask(bench.session(), "ping")
    assert (answer["status"], answer["error"]["code"]) == (429, -1003)
    assert answer["error"]["data"]["retryAfter"] == NOW + 60_000


def test_a_fill_is_told_to_both_sides_with_fees_and_balances(bench: Bench) -> None:
    session = bench.session()
    bench.ask(session, "userDataStream.subscribe.signature", key="aliceKey")
    bench.quote(Side.SELL, "25000.10", "0.01")
    bench.ask(session, "order.place", ORDER | {"newClientOrderId": "mine"}, key="aliceKey")
    told = events(bench)
    reports = [event for event in told if event["e"] == "executionReport"]
    assert [(event["x"], event["X"], event["c"], event["C"]) for event in reports] == [
        ("NEW", "NEW", "mine", ""),
        ("TRADE", "FILLED", "mine", ""),
    ]
    trade = reports[1]
    assert (trade["l"], trade["L"], trade["z"], trade["Z"], trade["n"], trade["N"], trade["m"]) == (
        "0.01000000",
        "25000.10000000",
        "0.01000000",
        "250.00100000",
        "0.00001000",
        "BTC",
        False,
    )
    assert reports[0]["t"] == -1
    assert reports[0]["N"] is None
    position = [event for event in told if event["e"] == "outboundAccountPosition"][-1]
    assert {one["a"]: one["f"] for one in position["B"]} == {"BTC": "2.00999000", "USDT": "99749.99900000"}


def test_a_cancel_report_names_the_cancel_and_the_order(bench: Bench) -> None:
    session = bench.session()
    bench.ask(session, "order.place", ORDER | {"newClientOrderId": "mine"}, key="aliceKey")
    bench.ask(session, "userDataStream.subscribe.signature", key="aliceKey")
    which = {"symbol": "BTCUSDT", "origClientOrderId": "mine", "newClientOrderId": "away"}
    bench.ask(session, "order.cancel", which, key="aliceKey")
    report = next(event for event in events(bench) if event["e"] == "executionReport")
    assert (report["x"], report["X"], report["c"], report["C"]) == ("CANCELED", "CANCELED", "away", "mine")


def test_an_expired_order_says_why(bench: Bench) -> None:
    session = bench.session()
    bench.ask(session, "userDataStream.subscribe.signature", key="aliceKey")
    placed = bench.ask(session, "order.place", ORDER | {"timeInForce": "IOC"}, key="aliceKey")
    assert (placed["result"]["status"], "expiryReason" in placed["result"]) == ("EXPIRED", True)
    assert any(event.get("x") == "EXPIRED" and event["eR"] for event in events(bench))


def test_a_deposit_is_told(bench: Bench) -> None:
    bench.ask(bench.session(), "userDataStream.subscribe.signature", key="aliceKey")
    bench.exchange.deposit("alice", "BTC", Decimal("0.5"), NOW)
    assert events(bench)[0] == {"e": "balanceUpdate", "E": NOW, "a": "BTC", "d": "0.50000000", "T": NOW}


def test_nothing_is_kept_for_accounts_that_nobody_listens_to(bench: Bench) -> None:
    bench.ask(bench.session(), "order.place", ORDER, key="aliceKey")
    assert events(bench) == []
