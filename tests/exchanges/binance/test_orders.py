"""Requests about orders and the answers to them."""

import re
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from binance_samples import BINANCE, REST_ANSWERS, a_rule, an_order, body
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.exchanges.dialect import Credentials, MalformedPayload
from openoutcry.messages.account import Balance
from openoutcry.messages.orders import FillUpdate, OrderState, OrderType, OrderUpdate, TimeInForce, TradeSide
from openoutcry.messages.rest import Purpose, RestRequest, Security

PLACED = {
    "symbol": "BTCUSDT",
    "orderId": 501,
    "orderListId": -1,
    "clientOrderId": "hb-1_abc",
    "transactTime": 1767225600123,
    "price": "25000.10000000",
    "origQty": "0.01000000",
    "executedQty": "0.00400000",
    "origQuoteOrderQty": "0.000000",
    "cummulativeQuoteQty": "100.00040000",
    "status": "PARTIALLY_FILLED",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "workingTime": 1767225600123,
    "selfTradePreventionMode": "NONE",
    "fills": [
        {
            "price": "25000.10000000",
            "qty": "0.00400000",
            "commission": "0.00000400",
            "commissionAsset": "BTC",
            "tradeId": 9001,
        }
    ],
}


def sent(request: RestRequest) -> dict[str, str]:
    """The parameters as they are on the wire."""
    signed = BINANCE.sign(request, Credentials(api_key="k", api_secret="s"), 1767225600000)
    query = dict(parse_qsl(signed.path_and_query.partition("?")[2], strict_parsing=True))
    assert (query.pop("timestamp"), query.pop("recvWindow")) == ("1767225600000", "5000")
    assert re.fullmatch("[0-9a-f]{64}", query.pop("signature"))
    return query


def test_a_limit_order_is_told_in_the_exchanges_words() -> None:
    request = BINANCE.build_place_order(an_order(self_trade_prevention="EXPIRE_TAKER"))
    assert (request.method, request.path) == ("POST", "/api/v3/order")
    assert request.security is Security.SIGNED
    assert request.purpose is Purpose.PLACE
    assert not request.is_idempotent
    assert dict(request.costs) == {"REQUEST_WEIGHT": 1, "ORDERS_10S": 1, "ORDERS_1D": 1, "RAW_REQUESTS": 1}
    assert sent(request) == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": "25000.1",
        "newClientOrderId": "hb-1_abc",
        "selfTradePreventionMode": "EXPIRE_TAKER",
        "newOrderRespType": "FULL",
    }


@pytest.mark.parametrize("time_in_force", list(TimeInForce))
@pytest.mark.parametrize("order_type", list(OrderType))
@pytest.mark.parametrize("side", list(TradeSide))
def test_time_in_force_and_price_are_sent_only_where_they_are_allowed(
    order_type: OrderType, time_in_force: TimeInForce, side: TradeSide
) -> None:
    query = sent(BINANCE.build_place_order(an_order(order_type=order_type, time_in_force=time_in_force, side=side)))
    assert query["type"] == order_type.value
    assert query["side"] == side.value
    assert query.get("timeInForce") == (time_in_force.value if order_type is OrderType.LIMIT else None)
    assert ("price" in query) == (order_type is not OrderType.MARKET)
    assert "selfTradePreventionMode" not in query


def test_a_limit_order_needs_a_price() -> None:
    with pytest.raises(ValueError, match="price"):
        BINANCE.build_place_order(an_order(price=None))


@given(st.decimals(min_value="1e-12", max_value="1e15", allow_nan=False).filter(lambda value: value > 0))
def test_numbers_are_written_plainly_and_without_loss(number: Decimal) -> None:
    query = sent(BINANCE.build_place_order(an_order(amount=number, price=number)))
    for name in ("quantity", "price"):
        assert re.fullmatch(r"\d+(\.\d*[1-9])?", query[name])
        assert Decimal(query[name]) == number


@pytest.mark.parametrize("number", ["NaN", "Infinity", "sNaN"])
def test_what_is_no_number_is_not_ordered(number: str) -> None:
    with pytest.raises(ValueError, match="cannot be ordered"):
        BINANCE.build_place_order(an_order(amount=Decimal(number)))


def test_a_cancel_and_a_question_name_the_order_by_the_exchanges_id_where_there_is_one() -> None:
    rule = a_rule()
    for build, method, weight in (
        (BINANCE.build_cancel_order, "DELETE", 1),
        (BINANCE.build_order_status, "GET", 4),
    ):
        by_client = build(rule, "oo-1", None)
        by_exchange = build(rule, "oo-1", "501")
        assert sent(by_client) == {"symbol": "BTCUSDT", "origClientOrderId": "oo-1"}
        assert sent(by_exchange) == {"symbol": "BTCUSDT", "orderId": "501"}
        assert (by_client.method, by_client.path) == (method, "/api/v3/order")
        assert dict(by_client.costs)["REQUEST_WEIGHT"] == weight
    assert BINANCE.build_cancel_order(rule, "oo-1", None).purpose is Purpose.CANCEL
    assert BINANCE.build_cancel_all(rule).purpose is Purpose.CANCEL
    assert BINANCE.build_cancel_all(rule).method == "DELETE"


def test_open_orders_and_fills_cost_what_they_cost() -> None:
    rule = a_rule()
    assert dict(BINANCE.build_open_orders(None).costs)["REQUEST_WEIGHT"] == 80
    assert dict(BINANCE.build_open_orders(rule).costs)["REQUEST_WEIGHT"] == 6
    assert sent(BINANCE.build_open_orders(None)) == {}
    of_order = BINANCE.build_fills(rule, "501")
    assert sent(of_order) == {"symbol": "BTCUSDT", "orderId": "501", "limit": "1000"}
    assert dict(of_order.costs)["REQUEST_WEIGHT"] == 5
    of_pair = BINANCE.build_fills(rule, None, "9001", 1767225600000)
    assert sent(of_pair) == {"symbol": "BTCUSDT", "fromId": "9001", "limit": "1000"}
    assert dict(of_pair.costs)["REQUEST_WEIGHT"] == 20
    assert sent(BINANCE.build_fills(rule, None, None, 5)) == {"symbol": "BTCUSDT", "startTime": "5", "limit": "1000"}


def test_a_placement_tells_its_fills_first_and_the_state_last() -> None:
    assert BINANCE.parse_placed_order(an_order(), body(PLACED)) == (
        FillUpdate(
            trading_pair="BTC-USDT",
            client_order_id="hb-1_abc",
            exchange_order_id="501",
            trade_id="9001",
            price=Decimal("25000.1"),
            amount=Decimal("0.004"),
            quote_amount=Decimal("100.0004"),
            fee_asset="BTC",
            fee_amount=Decimal("0.000004"),
            is_maker=False,
            traded_ms=1767225600123,
        ),
        OrderUpdate(
            trading_pair="BTC-USDT",
            client_order_id="hb-1_abc",
            exchange_order_id="501",
            state=OrderState.PARTIALLY_FILLED,
            executed_amount_base=Decimal("0.004"),
            executed_amount_quote=Decimal("100.0004"),
            updated_ms=1767225600123,
        ),
    )


def test_a_market_order_with_five_fills_is_read() -> None:
    order = an_order(client_order_id="6gCrw2kRUAF9CvJDGP16IP")
    *fills, state = BINANCE.parse_placed_order(order, body(REST_ANSWERS["new_order_full_response"]))
    assert [fill.trade_id for fill in fills if isinstance(fill, FillUpdate)] == ["56", "57", "58", "59", "60"]
    assert isinstance(state, OrderUpdate)
    assert state.state is OrderState.FILLED


def test_an_order_that_is_merely_acknowledged_is_open() -> None:
    ack = {name: PLACED[name] for name in ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")}
    (state,) = BINANCE.parse_placed_order(an_order(), body(ack))
    assert isinstance(state, OrderUpdate)
    assert (state.state, state.exchange_order_id, state.executed_amount_base) == (OrderState.OPEN, "501", Decimal(0))


@pytest.mark.parametrize(
    "changes", [{"clientOrderId": "another"}, {"symbol": "ETHUSDT"}, {"status": "ODD"}, {"orderId": -1}]
)
def test_an_answer_about_something_else_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedPayload):
        BINANCE.parse_placed_order(an_order(), body({**PLACED, **changes}))


def test_a_cancel_tells_of_the_order_and_not_of_itself() -> None:
    answer = {**PLACED, "origClientOrderId": "oo-7", "clientOrderId": "cancel", "status": "CANCELED"}
    update = BINANCE.parse_cancelled_order(a_rule(), body(answer))
    assert (update.client_order_id, update.state, update.reason) == ("oo-7", OrderState.CANCELED, "")
    assert update.executed_amount_base == Decimal("0.004")


def test_cancelling_all_tells_of_the_orders_in_order_lists_too() -> None:
    answer = REST_ANSWERS["cancel_open_orders_response"]
    updates = BINANCE.parse_cancel_all(a_rule(), body(answer))
    expected = [answer[0], answer[1], *answer[2]["orderReports"]]
    assert [update.client_order_id for update in updates] == [one["origClientOrderId"] for one in expected]
    assert {update.state for update in updates} == {OrderState.CANCELED}
    assert BINANCE.parse_cancel_all(a_rule(), b"[]") == ()


def test_open_orders_of_pairs_that_are_not_known_are_left_out() -> None:
    answer = body(REST_ANSWERS["open_orders_response"])
    (update,) = BINANCE.parse_open_orders({"LTCBTC": "LTC-BTC"}, answer)
    assert (update.trading_pair, update.client_order_id, update.exchange_order_id) == ("LTC-BTC", "myOrder1", "1")
    assert (update.state, update.updated_ms) == (OrderState.OPEN, 1499827319559)
    assert BINANCE.parse_open_orders({"BTCUSDT": "BTC-USDT"}, answer) == ()


def test_an_orders_state_is_read_with_its_reason_and_an_unknown_quote_amount_as_zero() -> None:
    (answer,) = REST_ANSWERS["all_orders_response"]
    expired = {**answer, "status": "EXPIRED", "expiryReason": "INSUFFICIENT_LIQUIDITY", "cummulativeQuoteQty": "-1.0"}
    update = BINANCE.parse_order_status(a_rule("LTCBTC", "LTC", "BTC"), body(expired))
    assert (update.state, update.reason) == (OrderState.CANCELED, "INSUFFICIENT_LIQUIDITY")
    assert update.executed_amount_quote == 0


def test_fills_come_oldest_first_without_client_order_ids() -> None:
    fill = {
        "symbol": "BTCUSDT",
        "id": 12,
        "orderId": 501,
        "orderListId": -1,
        "price": "4.0",
        "qty": "12.0",
        "quoteQty": "48.0",
        "commission": "10.1",
        "commissionAsset": "BNB",
        "time": 1499865549590,
        "isBuyer": True,
        "isMaker": True,
        "isBestMatch": True,
    }
    fills = BINANCE.parse_fills(a_rule(), body([fill, {**fill, "id": 9, "isMaker": False}]))
    assert [(one.trade_id, one.is_maker, one.client_order_id) for one in fills] == [("9", False, ""), ("12", True, "")]
    assert fills[1].fee_amount == Decimal("10.1")
    with pytest.raises(MalformedPayload):
        BINANCE.parse_fills(a_rule("ETHUSDT"), body([fill]))


def test_balances_that_are_zero_are_left_out_and_permissions_are_read() -> None:
    account = REST_ANSWERS["http_spot_wallet_account"]
    account["balances"] = [
        {"asset": "BTC", "free": "1.5", "locked": "0.25"},
        {"asset": "LTC", "free": "0.00000000", "locked": "0.00000000"},
        {"asset": "ETH", "free": "0", "locked": "3"},
    ]
    snapshot = BINANCE.parse_balances(body(account), 77)
    assert snapshot.asked_ms == 77
    assert snapshot.balances == (
        Balance(asset="BTC", total=Decimal("1.75"), available=Decimal("1.5")),
        Balance(asset="ETH", total=Decimal(3), available=Decimal(0)),
    )
    assert BINANCE.parse_permissions(body(account)) == {"read", "trade", "withdraw"}
    assert BINANCE.parse_permissions(body({**account, "canTrade": False, "canWithdraw": False})) == {"read"}


def test_client_order_ids_fit_the_exchanges_rule() -> None:
    rule = BINANCE.client_order_id_rule
    longest = rule.prefix + (rule.alphabet * 2)[: rule.max_length - len(rule.prefix)]
    assert re.fullmatch(r"[a-zA-Z0-9\-_]{1,36}", longest)
    assert re.fullmatch(r"[a-zA-Z0-9\-_]*", rule.prefix + rule.alphabet)
    assert len(rule.prefix) <= 4
    assert replace(rule) == rule
