"""The background order flow on its own."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.emulator.engine import (
    Exchange,
    Market,
    NewOrder,
    OrderFlow,
    OrderType,
    PublicTrade,
    Side,
    TimeInForce,
)
from openoutcry.emulator.engine.events import Event


def market(symbol: str = "BTCUSDT", tick: str = "0.01", step: str = "0.00001") -> Market:
    return Market(
        symbol=symbol,
        base_asset=symbol[:-4],
        quote_asset=symbol[-4:],
        tick_size=Decimal(tick),
        step_size=Decimal(step),
        min_quantity=Decimal(step),
        min_notional=Decimal(5),
    )


def run(seed: int, steps: int) -> tuple[list[Event], Exchange]:
    exchange = Exchange([market(), market("SHIBUSDT", "0.00000001", "1")])
    flow = OrderFlow(seed, {"BTCUSDT": Decimal(60_000), "SHIBUSDT": Decimal("0.00002345")}, volatility=0.0005)
    events = [event for now_ms in range(steps) for event in flow.step(exchange, now_ms)]
    assert not flow.refused
    return events, exchange


def test_the_same_seed_gives_the_same_market() -> None:
    assert run(7, 20)[0] == run(7, 20)[0]
    assert run(7, 20)[0] != run(8, 20)[0]


@given(
    seed=st.integers(0, 2**32),
    levels=st.integers(1, 10),
    volatility=st.sampled_from((0.0, 0.0001, 0.01)),
    taker_share=st.sampled_from((0.0, 0.2, 1.0)),
)
@settings(max_examples=25, deadline=None)
def test_books_are_never_empty_or_crossed_and_trades_happen(
    seed: int, levels: int, volatility: float, taker_share: float
) -> None:
    exchange = Exchange([market()])
    flow = OrderFlow(seed, {"BTCUSDT": Decimal(60_000)}, levels=levels, volatility=volatility, taker_share=taker_share)
    for now_ms in range(30):
        flow.step(exchange, now_ms)
        best = exchange.best("BTCUSDT")
        assert best.bid is not None
        assert best.ask is not None
        assert best.bid[0] < best.ask[0]
    assert (exchange.last_price("BTCUSDT") is not None) == bool(taker_share) or volatility


def test_each_step_changes_some_levels_and_now_and_then_trades() -> None:
    events, exchange = run(1, 100)
    assert sum(isinstance(event, PublicTrade) for event in events) > 50
    for symbol in ("BTCUSDT", "SHIBUSDT"):
        depth = exchange.depth(symbol)
        assert len(depth.bids) > 15
        assert len(depth.asks) > 15


def test_the_flow_trades_with_orders_of_others() -> None:
    exchange = Exchange([market()])
    exchange.open_account("bot", {"USDT": Decimal(10**6), "BTC": Decimal(10)})
    flow = OrderFlow(3, {"BTCUSDT": Decimal(60_000)}, taker_share=0.5)
    flow.start(exchange, 0)
    best = exchange.best("BTCUSDT").bid
    assert best is not None
    mine = NewOrder(
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal("0.01"),
        price=best[0] + Decimal("0.01"),
    )
    exchange.place("bot", mine, 0)
    for now_ms in range(50):
        flow.step(exchange, now_ms)
    assert exchange.my_trades("bot", "BTCUSDT")


def test_a_closed_market_rests() -> None:
    exchange = Exchange([market()])
    flow = OrderFlow(3, {"BTCUSDT": Decimal(60_000)})
    flow.step(exchange, 0)
    exchange.set_status("BTCUSDT", "HALT")
    assert flow.step(exchange, 1) == ()


def test_settings_that_can_not_work_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 level"):
        OrderFlow(1, {}, levels=0)
