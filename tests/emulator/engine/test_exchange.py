"""Single stories of placing, trading, cancelling and asking."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from openoutcry.emulator.engine import (
    CLIENT_ID_RANGE,
    Balance,
    BalanceDelta,
    BalanceReport,
    CancelRestriction,
    Exchange,
    ExecutionType,
    ExpiryReason,
    Market,
    NewOrder,
    OrderReport,
    OrderStatus,
    OrderType,
    Placement,
    PublicTrade,
    Rejected,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

BTCUSDT = Market(
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    tick_size=Decimal("0.01"),
    min_price=Decimal("0.01"),
    max_price=Decimal(1_000_000),
    step_size=Decimal("0.00001"),
    min_quantity=Decimal("0.00001"),
    max_quantity=Decimal(9000),
    market_max_quantity=Decimal(100),
    min_notional=Decimal(5),
    max_notional=Decimal(9_000_000),
    max_num_orders=5,
)


@pytest.fixture
def exchange() -> Exchange:
    exchange = Exchange([BTCUSDT, replace(BTCUSDT, symbol="ETHUSDT", base_asset="ETH")])
    for account_id in ("maker", "taker"):
        exchange.open_account(account_id, {"BTC": Decimal(10), "USDT": Decimal(100_000)})
    return exchange


def request(side: str, quantity: object, price: object = None, kind: str = "GTC", **more: Any) -> NewOrder:
    """`kind`: GTC, IOC, FOK, LIMIT_MAKER or MARKET."""
    is_limit = kind in {"GTC", "IOC", "FOK"}
    return NewOrder(
        symbol=more.pop("symbol", "BTCUSDT"),
        side=Side(side),
        type=OrderType.LIMIT if is_limit else OrderType(kind),
        time_in_force=TimeInForce(kind) if is_limit else None,
        quantity=Decimal(str(quantity)) if quantity is not None else None,
        price=Decimal(str(price)) if price is not None else None,
        **more,
    )


def place(exchange: Exchange, account_id: str, *arguments: Any, now_ms: int = 1, **more: Any) -> Placement:
    return exchange.place(account_id, request(*arguments, **more), now_ms)


def balance(exchange: Exchange, account_id: str, asset: str) -> tuple[Decimal, Decimal]:
    found = exchange.balances(account_id)[asset]
    return found.free, found.locked


def refusal(exchange: Exchange, account_id: str, new: NewOrder) -> tuple[int, str]:
    with pytest.raises(Rejected) as caught:
        exchange.place(account_id, new, 1)
    with pytest.raises(Rejected) as caught_by_check:
        exchange.check(account_id, new)
    assert caught_by_check.value.args == caught.value.args
    return caught.value.code, caught.value.message


def test_a_taker_gets_the_better_price_and_the_difference_is_released(exchange: Exchange) -> None:
    place(exchange, "maker", "SELL", 1, 20_000)
    placement = place(exchange, "taker", "BUY", 3, 21_000)
    assert placement.order.status is OrderStatus.PARTIALLY_FILLED
    assert balance(exchange, "taker", "USDT") == (Decimal(38_000), Decimal(42_000))
    assert balance(exchange, "taker", "BTC") == (Decimal("10.999"), Decimal(0))
    assert balance(exchange, "maker", "USDT") == (Decimal(119_980), Decimal(0))
    assert balance(exchange, "maker", "BTC") == (Decimal(9), Decimal(0))
    assert exchange.fees_collected == {"BTC": Decimal("0.001"), "USDT": Decimal(20)}


def test_events_come_as_binance_sends_them(exchange: Exchange) -> None:
    sold = place(exchange, "maker", "SELL", "0.5", 20_000, client_order_id="rest").order
    placement = place(exchange, "taker", "BUY", 1, kind="MARKET", client_order_id="hit", now_ms=7)
    reports = [event for event in placement.events if isinstance(event, OrderReport)]
    assert [(r.account_id, r.execution_type, r.order.status, r.is_on_book) for r in reports] == [
        ("taker", ExecutionType.NEW, OrderStatus.NEW, True),
        ("taker", ExecutionType.TRADE, OrderStatus.PARTIALLY_FILLED, False),
        ("maker", ExecutionType.TRADE, OrderStatus.FILLED, False),
        ("taker", ExecutionType.EXPIRED, OrderStatus.EXPIRED, False),
    ]
    assert reports[-1].order.expiry_reason is ExpiryReason.INSUFFICIENT_LIQUIDITY
    assert [r.execution_id for r in reports] == [2, 3, 4, 5]
    taker_side, maker_side = reports[1].trade, reports[2].trade
    assert taker_side is not None
    assert maker_side is not None
    assert (taker_side.fee, taker_side.fee_asset, taker_side.is_maker) == (Decimal("0.0005"), "BTC", False)
    assert (maker_side.fee, maker_side.fee_asset, maker_side.is_maker) == (Decimal(10), "USDT", True)
    assert placement.fills == (taker_side,)
    public = placement.events[3]
    assert public == PublicTrade(
        "BTCUSDT",
        1,
        Decimal(20_000),
        Decimal("0.5"),
        Decimal(10_000),
        placement.order.order_id,
        sold.order_id,
        False,
        7,
    )
    assert exchange.recent_trades("BTCUSDT") == (public,)
    assert placement.events[-2:] == (
        BalanceReport(
            "taker", 7, (Balance("BTC", Decimal("10.4995"), Decimal(0)), Balance("USDT", Decimal(90_000), Decimal(0)))
        ),
        BalanceReport(
            "maker", 7, (Balance("BTC", Decimal("9.5"), Decimal(0)), Balance("USDT", Decimal(109_990), Decimal(0)))
        ),
    )


def test_a_market_order_on_an_empty_book_is_taken_and_expires(exchange: Exchange) -> None:
    placement = place(exchange, "taker", "BUY", 1, kind="MARKET")
    assert placement.order.status is OrderStatus.EXPIRED
    assert not placement.fills


def test_a_market_order_by_quote_quantity_spends_no_more_than_that(exchange: Exchange) -> None:
    place(exchange, "maker", "SELL", "0.1", 20_000)
    place(exchange, "maker", "SELL", 1, 30_000)
    order = place(exchange, "taker", "BUY", None, kind="MARKET", quote_quantity=Decimal("3000.17")).order
    assert order.status is OrderStatus.FILLED
    assert order.quantity == order.executed_quantity == Decimal("0.13333")
    assert order.executed_quote == Decimal("2999.9")
    assert order.quote_quantity == Decimal("3000.17")


def test_a_market_order_by_quote_quantity_expires_when_the_book_runs_out(exchange: Exchange) -> None:
    place(exchange, "maker", "BUY", "0.1", 20_000)
    order = place(exchange, "taker", "SELL", None, kind="MARKET", quote_quantity=Decimal(4_000)).order
    assert (order.status, order.executed_quantity, order.quantity) == (
        OrderStatus.EXPIRED,
        Decimal("0.1"),
        Decimal("0.2"),
    )


def test_older_orders_at_a_price_trade_first_and_a_reduced_one_keeps_its_place(exchange: Exchange) -> None:
    first, second = (place(exchange, "maker", "SELL", 1, 100, now_ms=9).order.order_id for _ in range(2))
    place(exchange, "taker", "BUY", "0.4", 100)
    events = place(exchange, "taker", "BUY", 1, 100).events
    assert [e.seller_order_id for e in events if isinstance(e, PublicTrade)] == [first, second]


@pytest.mark.parametrize(
    ("kind", "status", "executed", "reason"),
    [
        ("IOC", OrderStatus.EXPIRED, Decimal(1), ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED),
        ("FOK", OrderStatus.EXPIRED, Decimal(0), ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED),
        ("GTC", OrderStatus.PARTIALLY_FILLED, Decimal(1), None),
    ],
)
def test_time_in_force_decides_what_becomes_of_the_rest(
    exchange: Exchange, kind: str, status: OrderStatus, executed: Decimal, reason: ExpiryReason | None
) -> None:
    place(exchange, "maker", "SELL", 1, 100)
    order = place(exchange, "taker", "BUY", 2, 100, kind=kind).order
    assert (order.status, order.executed_quantity, order.expiry_reason) == (status, executed, reason)
    assert order.time_in_force is TimeInForce(kind)


@pytest.mark.parametrize(
    ("mode", "taker_status", "own_status", "executed"),
    [
        ("NONE", "FILLED", "FILLED", Decimal(2)),
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW", Decimal(1)),
        ("EXPIRE_MAKER", "PARTIALLY_FILLED", "EXPIRED_IN_MATCH", Decimal(1)),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH", Decimal(1)),
    ],
)
def test_self_trade_prevention_follows_the_takers_mode(
    exchange: Exchange, mode: str, taker_status: str, own_status: str, executed: Decimal
) -> None:
    place(exchange, "maker", "SELL", 1, 100)
    own = place(exchange, "taker", "SELL", 1, 101).order
    placement = place(exchange, "taker", "BUY", 2, 101, self_trade_prevention_mode=SelfTradePrevention(mode))
    assert placement.order.status == taker_status
    assert placement.order.executed_quantity == executed
    after = exchange.order("taker", "BTCUSDT", own.order_id)
    assert after.status == own_status
    prevented = [e for e in placement.events if isinstance(e, OrderReport) and e.last_prevented_quantity is not None]
    assert {e.order.order_id for e in prevented} == {
        order.order_id for order in (placement.order, after) if order.status is OrderStatus.EXPIRED_IN_MATCH
    }
    assert all(e.execution_type is ExecutionType.TRADE_PREVENTION for e in prevented)
    assert len(placement.prevented_matches) == (mode != "NONE")


def test_a_self_trade_is_seen_from_both_sides(exchange: Exchange) -> None:
    place(exchange, "taker", "SELL", 1, 100)
    place(exchange, "taker", "BUY", 1, 100)
    assert [(t.trade_id, t.is_buyer, t.is_maker) for t in exchange.my_trades("taker", "BTCUSDT")] == [
        (1, True, False),
        (1, False, True),
    ]
    assert balance(exchange, "taker", "USDT") == (Decimal("99999.9"), Decimal(0))


FILTER = "Filter failure: "
REFUSALS: list[tuple[NewOrder, int, str]] = [
    (request("BUY", 1, 100, symbol="NOPE"), -1121, "Invalid symbol."),
    (request("BUY", 1, "100.001"), -1013, FILTER + "PRICE_FILTER"),
    (request("BUY", 1, "0.001"), -1013, FILTER + "PRICE_FILTER"),
    (request("BUY", 1, 1_000_001), -1013, FILTER + "PRICE_FILTER"),
    (request("BUY", 1, "100.000000001"), -1111, "Parameter 'price' has too much precision."),
    (request("BUY", "0.000011", 1_000_000), -1013, FILTER + "LOT_SIZE"),
    (request("BUY", 9001, 100), -1013, FILTER + "LOT_SIZE"),
    (request("BUY", "1.000000001", 100), -1111, "Parameter 'quantity' has too much precision."),
    (request("BUY", 0, 100), -1013, "Invalid quantity."),
    (request("BUY", "NaN", 100), -1013, "Invalid quantity."),
    (request("BUY", "1e30", 100), -1108, "Parameter 'quantity' overflowed."),
    (request("BUY", 1, -1), -1013, "Invalid price."),
    (request("SELL", 101, kind="MARKET"), -1013, FILTER + "MARKET_LOT_SIZE"),
    (request("BUY", "0.04", 100), -1013, FILTER + "NOTIONAL"),
    (request("BUY", 9000, 100_000), -1013, FILTER + "NOTIONAL"),
    (request("BUY", "0.04", kind="MARKET"), -1013, FILTER + "NOTIONAL"),
    (request("BUY", None, kind="MARKET", quote_quantity=Decimal(4)), -1013, FILTER + "NOTIONAL"),
    (request("BUY", 1, 100, kind="MARKET"), -1106, "Parameter 'price' sent when not required."),
    (
        request("BUY", 1, kind="MARKET")._replace(time_in_force=TimeInForce.GTC),
        -1106,
        "Parameter 'timeInForce' sent when not required.",
    ),
    (
        request("BUY", 1, kind="MARKET", quote_quantity=Decimal(100)),
        -1106,
        "Parameter 'quoteOrderQty' sent when not required.",
    ),
    (
        request("BUY", None, kind="MARKET"),
        -1102,
        "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
    ),
    (
        request("BUY", 1, 100)._replace(time_in_force=None),
        -1102,
        "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed.",
    ),
    (request("BUY", 1), -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
    (request("BUY", None, 100), -1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."),
    (
        request("BUY", 1, 90, client_order_id="white space"),
        -1100,
        f"Illegal characters found in parameter 'newClientOrderId'; legal range is '{CLIENT_ID_RANGE}'.",
    ),
    (
        request("BUY", 1, 90, client_order_id="x" * 37),
        -1100,
        f"Illegal characters found in parameter 'newClientOrderId'; legal range is '{CLIENT_ID_RANGE}'.",
    ),
    (request("BUY", 1, 90, client_order_id="open"), -2010, "Duplicate order sent."),
    (request("BUY", 1, 100, kind="LIMIT_MAKER"), -2010, "Order would immediately match and take."),
    (request("BUY", "1.5", 99_999), -2010, "Account has insufficient balance for requested action."),
    (request("SELL", "10.1", 99_999), -2010, "Account has insufficient balance for requested action."),
    (request("SELL", 11, kind="MARKET"), -2010, "Account has insufficient balance for requested action."),
    (
        request("BUY", None, kind="MARKET", quote_quantity=Decimal(50), symbol="ETHUSDT"),
        -2010,
        "Order book liquidity is less than symbol minimum quantity.",
    ),
]


@pytest.mark.parametrize(("new", "code", "message"), REFUSALS, ids=[f"{i}:{row[2]}" for i, row in enumerate(REFUSALS)])
def test_a_refused_order_gets_binances_code_and_text(
    exchange: Exchange, new: NewOrder, code: int, message: str
) -> None:
    place(exchange, "maker", "SELL", 1, 100)
    place(exchange, "taker", "BUY", "0.1", 90, client_order_id="open")
    before = exchange.balances("taker"), exchange.open_orders("taker"), exchange.depth("BTCUSDT")
    assert refusal(exchange, "taker", new) == (code, message)
    assert (exchange.balances("taker"), exchange.open_orders("taker"), exchange.depth("BTCUSDT")) == before


def test_a_market_order_that_cannot_be_paid_is_refused(exchange: Exchange) -> None:
    exchange.open_account("poor", {"USDT": Decimal(50)})
    place(exchange, "maker", "SELL", 1, 100)
    refused = (-2010, "Account has insufficient balance for requested action.")
    assert refusal(exchange, "poor", request("BUY", "0.51", kind="MARKET")) == refused
    assert refusal(exchange, "poor", request("BUY", None, kind="MARKET", quote_quantity=Decimal("50.01"))) == refused
    place(exchange, "poor", "BUY", None, kind="MARKET", quote_quantity=Decimal(50))


def test_an_account_has_only_so_many_open_orders(exchange: Exchange) -> None:
    for _ in range(5):
        place(exchange, "taker", "BUY", 1, 100)
    assert refusal(exchange, "taker", request("BUY", 1, 100)) == (-1013, "Filter failure: MAX_NUM_ORDERS")


def test_a_closed_market_takes_no_order_and_still_cancels(exchange: Exchange) -> None:
    order = place(exchange, "taker", "BUY", 1, 100).order
    exchange.set_status("BTCUSDT", "HALT")
    assert refusal(exchange, "taker", request("BUY", 1, 100)) == (-2010, "Market is closed.")
    exchange.cancel("taker", "BTCUSDT", order_id=order.order_id, now_ms=2)
    exchange.set_status("BTCUSDT", "TRADING")
    place(exchange, "taker", "BUY", 1, 100)


def test_the_price_band_lies_around_the_last_price() -> None:
    market = replace(
        BTCUSDT,
        bid_multiplier_up=Decimal("1.2"),
        bid_multiplier_down=Decimal("0.2"),
        ask_multiplier_up=Decimal(5),
        ask_multiplier_down=Decimal("0.8"),
    )
    exchange = Exchange([market])
    exchange.open_account("taker", {"BTC": Decimal(10), "USDT": Decimal(100_000)})
    place(exchange, "taker", "SELL", 1, 100)
    place(exchange, "taker", "BUY", 1, 100)
    for side, price in (("BUY", "120.01"), ("BUY", "19.99"), ("SELL", "500.01"), ("SELL", "79.99")):
        assert refusal(exchange, "taker", request(side, 1, price))[1] == "Filter failure: PERCENT_PRICE_BY_SIDE"
    place(exchange, "taker", "BUY", 1, 20)
    place(exchange, "taker", "SELL", 1, 500)


def test_a_client_order_id_may_come_back_once_its_order_is_closed(exchange: Exchange) -> None:
    first = place(exchange, "taker", "BUY", 1, 100, client_order_id="again").order
    cancellation = exchange.cancel("taker", "BTCUSDT", client_order_id="again", cancel_id="why", now_ms=5)
    report = cancellation.events[0]
    assert isinstance(report, OrderReport)
    assert (report.cancel_id, report.order.client_order_id, report.order.updated_ms) == ("why", "again", 5)
    second = place(exchange, "taker", "BUY", 1, 100, client_order_id="again").order
    assert exchange.order("taker", "BTCUSDT", client_order_id="again").order_id == second.order_id
    assert exchange.order("taker", "BTCUSDT", order_id=first.order_id).status is OrderStatus.CANCELED
    exchange.cancel("taker", "BTCUSDT", client_order_id="again", now_ms=6)


def test_ids_that_are_made_up_fit_the_rule_and_differ(exchange: Exchange) -> None:
    made_up = []
    for _ in range(50):
        order = place(exchange, "taker", "BUY", 1, 100).order
        cancellation = exchange.cancel("taker", "BTCUSDT", order_id=order.order_id, now_ms=1)
        made_up += [order.client_order_id, cancellation.cancel_id]
    assert len(set(made_up)) == 100
    assert {len(one) for one in made_up} == {22}
    place(exchange, "maker", "BUY", 1, 100, client_order_id=made_up[0])


def test_a_cancel_must_name_an_open_order_of_the_account(exchange: Exchange) -> None:
    order = place(exchange, "taker", "BUY", 1, 100, client_order_id="mine").order
    for account_id, symbol, named in (
        ("maker", "BTCUSDT", {"order_id": order.order_id}),
        ("maker", "BTCUSDT", {"client_order_id": "mine"}),
        ("taker", "ETHUSDT", {"order_id": order.order_id}),
        ("taker", "ETHUSDT", {"client_order_id": "mine"}),
        ("taker", "BTCUSDT", {"order_id": order.order_id, "client_order_id": "other"}),
        ("taker", "BTCUSDT", {"order_id": 99}),
    ):
        with pytest.raises(Rejected, match="-2011 Unknown order sent"):
            exchange.cancel(account_id, symbol, now_ms=1, **named)
        with pytest.raises(Rejected, match="-2013 Order does not exist"):
            exchange.order(account_id, symbol, **named)
    with pytest.raises(Rejected, match="-1102"):
        exchange.cancel("taker", "BTCUSDT", now_ms=1)
    with pytest.raises(Rejected, match="-1100"):
        exchange.cancel("taker", "BTCUSDT", order_id=order.order_id, cancel_id="a b", now_ms=1)
    with pytest.raises(Rejected, match="cancel restrictions"):
        exchange.cancel(
            "taker",
            "BTCUSDT",
            order_id=order.order_id,
            restrictions=CancelRestriction.ONLY_PARTIALLY_FILLED,
            now_ms=1,
        )
    assert exchange.open_orders("taker") == (order,)
    exchange.cancel("taker", "BTCUSDT", order_id=order.order_id, client_order_id="mine", now_ms=1)
    with pytest.raises(Rejected, match="-2011"):
        exchange.cancel_all("taker", "BTCUSDT", 1)


def test_all_orders_of_one_symbol_are_cancelled_and_no_other(exchange: Exchange) -> None:
    ids = [place(exchange, "taker", "BUY", 1, price).order.order_id for price in (100, 99)]
    other = place(exchange, "taker", "BUY", 1, 100, symbol="ETHUSDT").order
    assert [c.order.order_id for c in exchange.cancel_all("taker", "BTCUSDT", 2)] == ids
    assert exchange.open_orders("taker") == (other,)
    assert balance(exchange, "taker", "USDT") == (Decimal(99_900), Decimal(100))


def test_deposits_and_withdrawals_are_told_and_an_overdraft_refused(exchange: Exchange) -> None:
    assert exchange.deposit("taker", "BNB", Decimal(2), 5) == (
        BalanceDelta("taker", 5, "BNB", Decimal(2)),
        BalanceReport("taker", 5, (Balance("BNB", Decimal(2), Decimal(0)),)),
    )
    exchange.deposit("taker", "BNB", Decimal("-1.5"), 5)
    with pytest.raises(Rejected, match="insufficient balance"):
        exchange.deposit("taker", "BNB", Decimal(-1), 5)
    assert balance(exchange, "taker", "BNB") == (Decimal("0.5"), Decimal(0))


def test_an_accounts_own_fee_rates_come_before_the_markets(exchange: Exchange) -> None:
    exchange.open_account("broker", {"BTC": Decimal(1)}, maker_fee=Decimal(0), taker_fee=Decimal("0.01"))
    place(exchange, "maker", "BUY", 1, 100)
    assert place(exchange, "broker", "SELL", "0.5", 100).fills[0].fee == Decimal("0.5")
    place(exchange, "broker", "SELL", "0.5", 200)
    place(exchange, "taker", "BUY", "0.5", 200)
    assert exchange.my_trades("broker", "BTCUSDT")[-1].fee == 0


def test_trades_and_orders_are_found_by_id_time_and_number(exchange: Exchange) -> None:
    for now_ms in range(10, 20):
        place(exchange, "maker", "SELL", "0.1", 100, now_ms=now_ms)
        place(exchange, "taker", "BUY", "0.1", 100, now_ms=now_ms)

    def ids(**selected: int) -> list[int]:
        return [trade.trade_id for trade in exchange.my_trades("taker", "BTCUSDT", **selected)]

    assert ids() == list(range(1, 11))
    assert ids(limit=3) == [8, 9, 10]
    assert ids(from_id=4, limit=3) == [4, 5, 6]
    assert ids(start_ms=12, end_ms=14) == [3, 4, 5]
    assert ids(end_ms=14, limit=2) == [4, 5]
    assert ids(order_id=4) == [2]
    assert ids(order_id=3) == []
    assert [o.order_id for o in exchange.all_orders("taker", "BTCUSDT", limit=2)] == [18, 20]
    assert [o.order_id for o in exchange.all_orders("taker", "BTCUSDT", order_id=5, limit=2)] == [6, 8]
    assert [o.order_id for o in exchange.all_orders("taker", "BTCUSDT", start_ms=18, end_ms=18)] == [18]
    assert [t.trade_id for t in exchange.recent_trades("BTCUSDT", 2)] == [9, 10]
    assert exchange.last_price("BTCUSDT") == 100


def test_an_account_without_history_forgets_closed_orders_only(exchange: Exchange) -> None:
    exchange.open_account("bot", {"USDT": Decimal(1000)}, keeps_history=False)
    closed, kept = (place(exchange, "bot", "BUY", 1, 100, client_order_id=one).order for one in ("one", "two"))
    exchange.cancel("bot", "BTCUSDT", client_order_id="one", now_ms=1)
    assert exchange.order("bot", "BTCUSDT", client_order_id="two") == kept
    with pytest.raises(Rejected, match="-2013"):
        exchange.order("bot", "BTCUSDT", order_id=closed.order_id)


def test_time_never_runs_backwards(exchange: Exchange) -> None:
    place(exchange, "taker", "BUY", 1, 100, now_ms=50)
    assert place(exchange, "taker", "BUY", 1, 100, now_ms=40).order.created_ms == 50


def test_a_price_that_emptied_and_filled_again_counts_once_in_the_merged_change(exchange: Exchange) -> None:
    order = place(exchange, "taker", "BUY", 1, 100).order
    exchange.take_depth_changes("BTCUSDT")
    exchange.cancel("taker", "BTCUSDT", order_id=order.order_id, now_ms=1)
    place(exchange, "taker", "BUY", 2, 100)
    change = exchange.take_depth_changes("BTCUSDT")
    assert change is not None
    assert (change.first_update_id, change.last_update_id, change.bids, change.asks) == (
        2,
        3,
        ((Decimal(100), Decimal(2)),),
        (),
    )


def test_amounts_beyond_the_exact_range_are_refused_whole() -> None:
    off = Decimal(0)
    loose = Market(
        symbol="XY",
        base_asset="X",
        quote_asset="Y",
        tick_size=off,
        step_size=off,
        min_quantity=off,
        max_quantity=off,
    )
    exchange = Exchange([loose])
    exchange.open_account("a", {"X": Decimal(10) ** 18, "Y": Decimal(10) ** 18})
    big = request("SELL", 10**14, 10**14, symbol="XY")
    assert refusal(exchange, "a", big) == (-1108, "Parameter 'quantity' overflowed.")
    place(exchange, "a", "SELL", "99999999.99999999", "99999999.99999999", symbol="XY")
    place(exchange, "a", "BUY", "99999999.99999999", "99999999.99999999", symbol="XY")
    total = {asset: sum(balance(exchange, "a", asset)) + exchange.fees_collected[asset] for asset in ("X", "Y")}
    assert total == {"X": Decimal(10) ** 18, "Y": Decimal(10) ** 18}


def test_fees_are_rounded_down_to_the_assets_last_digit(exchange: Exchange) -> None:
    place(exchange, "maker", "SELL", "0.05999", "99.99")
    fills = place(exchange, "taker", "BUY", "0.05999", "99.99").fills
    assert fills[0].fee == Decimal("0.00005999")
    maker_fill = exchange.my_trades("maker", "BTCUSDT")[0]
    assert maker_fill.quote_quantity * Decimal("0.001") == Decimal("0.0059984001")
    assert maker_fill.fee == Decimal("0.0059984")
    exchange.open_account("cheap", {"USDT": Decimal(10)}, taker_fee=Decimal("0.00015"))
    place(exchange, "maker", "SELL", "0.05999", "99.99")
    # Exactly 0.0000089985.
    assert place(exchange, "cheap", "BUY", "0.05999", "99.99").fills[0].fee == Decimal("0.00000899")


def test_a_limit_maker_that_meets_only_its_own_account_is_refused_in_any_mode(exchange: Exchange) -> None:
    place(exchange, "taker", "SELL", 1, 100)
    for mode in SelfTradePrevention:
        new = request("BUY", 1, 100, kind="LIMIT_MAKER", self_trade_prevention_mode=mode)
        assert refusal(exchange, "taker", new) == (-2010, "Order would immediately match and take.")


def test_what_self_trade_prevention_takes_from_an_order_by_quote_quantity_is_counted(exchange: Exchange) -> None:
    place(exchange, "maker", "SELL", 1, 100)
    place(exchange, "taker", "SELL", 1, 200)
    mode = SelfTradePrevention.EXPIRE_TAKER
    order = place(
        exchange,
        "taker",
        "BUY",
        None,
        kind="MARKET",
        quote_quantity=Decimal(150),
        self_trade_prevention_mode=mode,
    ).order
    assert (order.status, order.executed_quantity, order.prevented_quantity, order.quantity) == (
        OrderStatus.EXPIRED_IN_MATCH,
        Decimal(1),
        Decimal("0.25"),
        Decimal("1.25"),
    )
