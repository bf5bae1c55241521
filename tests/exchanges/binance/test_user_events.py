"""The account's events."""

from decimal import Decimal
from typing import Any

import pytest
from binance_samples import BINANCE, STREAM_MESSAGES, body

from openoutcry.exchanges.dialect import MalformedPayload, StreamAnswer, StreamNotice
from openoutcry.messages.account import Balance, BalanceDelta, BalanceUpdate
from openoutcry.messages.orders import FillUpdate, OrderState, OrderUpdate
from openoutcry.messages.rest import ErrorKind

PAIRS = {"ETHUSDT": "ETH-USDT", "BTCUSDT": "BTC-USDT", "BTCUSD": "BTC-USD"}

REPORT: dict[str, Any] = STREAM_MESSAGES["execution_report_trade"]["data"]


def decode(payload: object) -> tuple[object, ...]:
    return BINANCE.decode_user_frame(body(payload), PAIRS)


def state_of(payload: object) -> OrderUpdate:
    update = decode(payload)[-1]
    assert isinstance(update, OrderUpdate)
    return update


@pytest.mark.parametrize(
    "frame", [REPORT, {"subscriptionId": 0, "event": REPORT}, STREAM_MESSAGES["execution_report_trade"]]
)
def test_a_trade_comes_as_its_fill_and_then_the_orders_state(frame: object) -> None:
    expected = (
        FillUpdate(
            trading_pair="ETH-USDT",
            client_order_id="O-12345-test-trade",
            exchange_order_id="1234567890",
            trade_id="98765432",
            price=Decimal("2499.5"),
            amount=Decimal("0.5"),
            quote_amount=Decimal("1249.75"),
            fee_asset="ETH",
            fee_amount=Decimal("0.0005"),
            is_maker=True,
            traded_ms=1759347763167,
        ),
        OrderUpdate(
            trading_pair="ETH-USDT",
            client_order_id="O-12345-test-trade",
            exchange_order_id="1234567890",
            state=OrderState.PARTIALLY_FILLED,
            executed_amount_base=Decimal("0.5"),
            executed_amount_quote=Decimal("1249.75"),
            updated_ms=1759347763167,
        ),
    )
    assert decode(frame) == expected
    assert BINANCE.decode_user_frame(body(frame).decode(), PAIRS) == expected


@pytest.mark.parametrize(
    ("name", "state", "fills", "reason"),
    [
        ("execution_report_new", OrderState.OPEN, 0, ""),
        ("execution_report_binance_us", OrderState.FILLED, 1, ""),
        ("execution_report_canceled", OrderState.CANCELED, 0, ""),
        ("execution_report_rejected", OrderState.FAILED, 0, "GTX_ORDER_REJECT"),
        ("execution_report_trade_l_zero_new", OrderState.OPEN, 0, ""),
        ("execution_report_trade_l_zero_partial", OrderState.PARTIALLY_FILLED, 0, ""),
        ("execution_report_pending_cancel", OrderState.PARTIALLY_FILLED, 0, ""),
        ("execution_report_calculated", OrderState.FILLED, 1, ""),
        ("rs_execution_report_expired", OrderState.CANCELED, 0, "INSUFFICIENT_LIQUIDITY"),
        ("rs_execution_report_canceled", OrderState.CANCELED, 0, ""),
    ],
)
def test_recorded_reports_give_their_state(name: str, state: OrderState, fills: int, reason: str) -> None:
    events = decode(STREAM_MESSAGES[name])
    assert [type(event) for event in events] == [FillUpdate] * fills + [OrderUpdate]
    update = events[-1]
    assert isinstance(update, OrderUpdate)
    assert (update.state, update.reason) == (state, reason)


def test_on_a_cancel_the_orders_own_id_is_told_and_not_the_cancels() -> None:
    assert (
        state_of({**REPORT, "x": "CANCELED", "X": "CANCELED", "t": -1, "c": "cancel", "C": "mine"}).client_order_id
        == "mine"
    )
    assert (
        state_of({**REPORT, "x": "CANCELED", "X": "CANCELED", "t": -1, "c": "mine", "C": ""}).client_order_id == "mine"
    )


@pytest.mark.parametrize("status", ["EXPIRED", "EXPIRED_IN_MATCH"])
def test_an_order_that_expired_is_cancelled_with_a_reason_whatever_it_had_executed(status: str) -> None:
    for executed in ("0", "0.5"):
        update = state_of({**REPORT, "x": "EXPIRED", "X": status, "t": -1, "l": "0", "z": executed})
        assert (update.state, update.reason) == (OrderState.CANCELED, status)


def test_a_trade_without_its_quote_amount_or_fee_asset_is_still_a_fill() -> None:
    report = {name: value for name, value in REPORT.items() if name != "Y"}
    fill = decode({**report, "N": None, "n": "0"})[0]
    assert isinstance(fill, FillUpdate)
    assert fill.quote_amount == Decimal("1249.75")
    assert (fill.fee_asset, fill.fee_amount) == ("", Decimal(0))


def test_a_rebate_is_a_negative_fee_but_no_amount_may_be_negative() -> None:
    fill = decode({**REPORT, "n": "-0.1"})[0]
    assert isinstance(fill, FillUpdate)
    assert fill.fee_amount == Decimal("-0.1")
    for name in ("l", "L", "z", "Z", "Y"):
        for number in ("-1", "NaN", "sNaN", "Infinity", "1e99999", "1e-99999", "1e99999999999999999999", "", None):
            if number is None and name == "Y":
                continue
            with pytest.raises(MalformedPayload):
                decode({**REPORT, name: number})


def test_balances_come_absolute_and_transfers_as_a_difference() -> None:
    assert decode(STREAM_MESSAGES["rs_account_position_wrapped"]) == (
        BalanceUpdate(
            balances=(Balance(asset="ETH", total=Decimal(10000), available=Decimal(10000)),), updated_ms=1564034571073
        ),
    )
    held = {"e": "outboundAccountPosition", "E": 2, "u": 1, "B": [{"a": "BTC", "f": "1.5", "l": "0.25"}]}
    assert decode(held) == (
        BalanceUpdate(balances=(Balance(asset="BTC", total=Decimal("1.75"), available=Decimal("1.5")),), updated_ms=1),
    )
    assert decode(STREAM_MESSAGES["rs_balance_update_wrapped"]) == (
        BalanceDelta(asset="BTC", delta=Decimal(100), updated_ms=1573200697068),
    )
    paid_out = {"e": "balanceUpdate", "E": 1, "a": "BTC", "d": "-2.5", "T": 3}
    assert decode(paid_out) == (BalanceDelta(asset="BTC", delta=Decimal("-2.5"), updated_ms=3),)


def test_events_of_no_use_and_of_foreign_symbols_give_nothing() -> None:
    assert decode(STREAM_MESSAGES["rs_list_status_wrapped"]) == ()
    assert (
        decode({"subscriptionId": 0, "event": {"e": "externalLockUpdate", "E": 1, "a": "NEO", "d": "1", "T": 2}}) == ()
    )
    assert decode({"e": "tomorrow"}) == ()
    assert decode({**REPORT, "s": "XRPUSDT"}) == ()


@pytest.mark.parametrize(
    "frame",
    [
        {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}},
        {"event": {"e": "serverShutdown", "E": 1}},
        {"e": "serverShutdown", "E": 1},
    ],
)
def test_what_ends_the_stream_is_noticed(frame: object) -> None:
    (notice,) = decode(frame)
    assert isinstance(notice, StreamNotice)
    assert notice.is_ending


def test_a_login_is_answered_or_refused_with_its_meaning() -> None:
    accepted = {"id": "u1", "status": 200, "result": {"subscriptionId": 0}, "rateLimits": []}
    assert decode(accepted) == (StreamAnswer(request_id="u1", error=None),)
    for code, status, kind in (
        (-2015, 401, ErrorKind.BAD_KEY),
        (-1022, 400, ErrorKind.BAD_SIGNATURE),
        (-1021, 400, ErrorKind.CLOCK_SKEW),
        (-1007, 504, ErrorKind.OUTCOME_UNKNOWN),
    ):
        (answer,) = decode({"id": "u1", "status": status, "error": {"code": code, "msg": "why"}})
        assert isinstance(answer, StreamAnswer)
        assert answer.error is not None
        assert (answer.error.kind, answer.error.code, answer.error.message) == (kind, str(code), "why")


def test_a_ban_on_the_stream_says_how_long_by_the_exchanges_own_clock() -> None:
    (answer,) = decode(
        {
            "id": "u1",
            "status": 418,
            "error": {
                "code": -1003,
                "msg": "Way too much request weight used; IP banned until 1659146400000.",
                "data": {"serverTime": 1659142907531, "retryAfter": 1659146400000},
            },
        }
    )
    assert isinstance(answer, StreamAnswer)
    assert answer.error is not None
    assert answer.error.kind is ErrorKind.BANNED
    assert answer.error.retry_after_s == pytest.approx(3492.469)


@pytest.mark.parametrize("status", ["", "new", "SOMETHING_NEW"])
def test_a_state_that_is_not_documented_is_refused(status: str) -> None:
    with pytest.raises(MalformedPayload):
        decode({**REPORT, "X": status})
