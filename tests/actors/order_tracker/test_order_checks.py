"""What is refused before it is sent, and how numbers are rounded."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_samples import PAIR, RULE

from openoutcry.actors.order_tracker.order_checks import check_order, quantize_order_amount, quantize_order_price
from openoutcry.messages.orders import OrderRefused, OrderType, PlaceOrder, TimeInForce, TradeSide
from openoutcry.messages.trading_rules import TradingRule

D = Decimal


def order(**changes: Any) -> PlaceOrder:
    plain: dict[str, Any] = {
        "trading_pair": PAIR,
        "side": TradeSide.BUY,
        "order_type": OrderType.LIMIT,
        "amount": D("0.01"),
        "price": D(25000),
    }
    return PlaceOrder(**(plain | changes))


def market(**changes: Any) -> PlaceOrder:
    return order(order_type=OrderType.MARKET, price=None, **changes)


@pytest.mark.parametrize(
    ("rule", "asked", "name", "numbers"),
    [
        (replace(RULE, is_trading=False, status="HALT"), order(), "trading_status", ("HALT",)),
        (replace(RULE, order_types=frozenset({OrderType.LIMIT})), market(), "order_type", ("LIMIT", "MARKET")),
        (RULE, order(price=None), "price", ()),
        (RULE, market() and order(order_type=OrderType.MARKET), "price", ("25000",)),
        (
            replace(RULE, times_in_force=frozenset({TimeInForce.GTC})),
            order(time_in_force=TimeInForce.FOK),
            "time_in_force",
            ("GTC", "FOK"),
        ),
        (RULE, order(order_type=OrderType.LIMIT_MAKER, time_in_force=TimeInForce.IOC), "time_in_force", ("IOC",)),
        (RULE, order(self_trade_prevention="DECREMENT"), "self_trade_prevention", ("EXPIRE_TAKER", "DECREMENT")),
        (RULE, order(amount=D("NaN")), "finite", ("NaN",)),
        (RULE, order(price=D("Infinity")), "finite", ("Infinity",)),
        (RULE, order(amount=D("0.00009")), "min_order_size", ("0.00009", "0.0001")),
        (RULE, order(amount=D("-1")), "min_order_size", ("-1", "0.0001")),
        (RULE, order(amount=D(9001)), "max_order_size", ("9001", "9000")),
        (RULE, market(amount=D(101)), "max_order_size", ("101", "100")),
        (RULE, order(price=D("0.001")), "min_price", ("0.001", "0.01")),
        (RULE, order(price=D(1000001)), "max_price", ("1000001", "1000000")),
        (RULE, order(price=D(400)), "min_notional", ("4", "5")),
        (RULE, order(amount=D(9000), price=D(10000)), "max_notional", ("90000000", "9000000")),
    ],
)
def test_an_order_against_a_rule_is_refused_with_its_name_and_both_numbers(
    rule: TradingRule, asked: PlaceOrder, name: str, numbers: tuple[str, ...]
) -> None:
    refused = check_order(rule, asked)
    assert isinstance(refused, OrderRefused)
    assert refused.rule == name
    for number in numbers:
        assert number in refused.message


def test_an_order_within_all_rules_goes_rounded() -> None:
    assert check_order(RULE, order(amount=D("0.0100099"), price=D("25000.019"))) == (D("0.01000"), D("25000.01"))
    sell = order(side=TradeSide.SELL, amount=D("0.0100099"), price=D("25000.011"))
    assert check_order(RULE, sell) == (D("0.01000"), D("25000.02"))
    assert check_order(RULE, market(self_trade_prevention="EXPIRE_TAKER")) == (D("0.01000"), None)


def test_a_market_order_is_checked_at_the_best_price_if_there_is_one() -> None:
    assert isinstance(check_order(RULE, market(amount=D("0.0001")), best_price=D(100)), OrderRefused)
    assert not isinstance(check_order(RULE, market(amount=D("0.0001"))), OrderRefused)
    not_for_market = replace(RULE, min_notional_applies_to_market=False)
    assert not isinstance(check_order(not_for_market, market(amount=D("0.0001")), best_price=D(100)), OrderRefused)


def test_the_balance_has_to_cover_the_order_and_those_on_their_way() -> None:
    available = {"USDT": D(400), "BTC": D("0.01")}
    assert not isinstance(check_order(RULE, order(), available), OrderRefused)
    assert not isinstance(check_order(RULE, order(), available, {"USDT": D(150)}), OrderRefused)
    refused = check_order(RULE, order(), available, {"USDT": D(151)})
    assert isinstance(refused, OrderRefused)
    assert refused.rule == "balance"
    for number in ("250", "400", "151"):
        assert number in refused.message
    assert not isinstance(check_order(RULE, order(side=TradeSide.SELL), available), OrderRefused)
    assert isinstance(check_order(RULE, order(side=TradeSide.SELL, amount=D("0.02")), available), OrderRefused)
    assert isinstance(check_order(RULE, order(), {}), OrderRefused)


steps = st.sampled_from([D("0.01"), D("0.00001"), D("0.05"), D("0.0100"), D(1), D(25), D("1E+1"), D("0.003"), D(0)])
numbers = st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False, places=8)


@given(number=numbers, step=steps)
def test_rounding_is_onto_the_step_on_the_right_side_and_by_less_than_a_step(number: Decimal, step: Decimal) -> None:
    rule = replace(RULE, min_price_increment=step, min_base_amount_increment=step)
    down = quantize_order_amount(rule, number)
    up = quantize_order_price(rule, number, TradeSide.SELL)
    assert quantize_order_price(rule, number, TradeSide.BUY) == quantize_order_price(rule, number) == down
    assert down <= number <= up
    if step:
        assert number - down < step
        assert up - number < step
        assert down % step == up % step == 0
    else:
        assert down == up == number
    assert quantize_order_amount(rule, down) == down


@given(number=st.decimals(allow_nan=False, allow_infinity=False))
def test_no_finite_number_breaks_the_checks(number: Decimal) -> None:
    for asked in (order(amount=number), order(price=number), market(amount=number)):
        checked = check_order(RULE, asked)
        if not isinstance(checked, OrderRefused):
            assert RULE.min_order_size <= checked[0] <= RULE.max_order_size


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_rounding_what_is_no_number_is_an_error(number: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        quantize_order_price(RULE, D(number))
    with pytest.raises(ValueError, match="finite"):
        quantize_order_amount(RULE, D(number))
