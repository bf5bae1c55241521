"""Bad input and bad weather, each through real sockets: what the bot is told, and that nothing is lost."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from tree_bench import PAIR, Tree, settings, tree

from openoutcry import (
    ConnectorNotReady,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderFailed,
    OrderOutcomeUnknown,
    OrderRefusedError,
    OrderType,
    Readiness,
    Runtime,
    StaleMarketData,
    TradingMode,
)
from openoutcry.emulator.binance.auth import Permission, hmac_key
from openoutcry.emulator.binance.limits import RateLimits
from openoutcry.emulator.engine import NewOrder, Side, TimeInForce
from openoutcry.emulator.engine import OrderType as EngineOrderType
from openoutcry.emulator.faults import (
    Answer,
    Connections,
    CrossBook,
    DropConnection,
    Fault,
    Inject,
    Malform,
    MarketFrames,
    RejectHandshake,
    Requests,
    ResetConnection,
    Skip,
    Stall,
    TerminateStream,
    UserEvents,
    When,
    banned,
    too_many_requests,
    unknown_error,
)
from openoutcry.emulator.server import EmulatorServer
from openoutcry.exchanges.dialect import StreamTimings
from openoutcry.exchanges.registry import dialect


def component(market: Tree, role: str) -> str:
    status = market.connector.status
    assert status is not None
    (one,) = (one for one in status.components if one.role == role)
    return f"{one.readiness.value} {one.reason}"


# Orders that cannot be sent


@pytest.mark.parametrize(
    ("pair", "amount", "order_type", "price", "rule", "words"),
    [
        ("BTC-EUR", "1", OrderType.LIMIT, "1", "unknown_pair", "does not list BTC-EUR"),
        (PAIR, "0.000001", OrderType.LIMIT, "60000", "min_order_size", "0.00001"),
        (PAIR, "0.00005", OrderType.LIMIT, "60000", "min_notional", "5"),
        (PAIR, "10000000", OrderType.LIMIT, "60000", "max_order_size", "9000000"),
        (PAIR, "1", OrderType.LIMIT, None, "price", "needs a price"),
        (PAIR, "1", OrderType.MARKET, "60000", "price", "has no price"),
        (PAIR, "NaN", OrderType.LIMIT, "60000", "finite", "finite"),
        (PAIR, "-1", OrderType.LIMIT, "60000", "min_order_size", "below"),
        (PAIR, "100", OrderType.LIMIT, "50000", "balance", "5000000"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_the_rule_and_the_numbers(
    tmp_path: Path, pair: str, amount: str, order_type: OrderType, price: str | None, rule: str, words: str
) -> None:
    async with tree(tmp_path) as market:
        with pytest.raises(OrderRefusedError) as refused:
            await market.connector.buy(pair, Decimal(amount), order_type, None if price is None else Decimal(price))
        assert refused.value.rule == rule or not rule
        assert words in str(refused.value)
        assert not market.connector.in_flight_orders


async def test_money_as_float_is_a_mistake_that_says_what_to_write(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        with pytest.raises(TypeError, match=r'Decimal\("0.01"\)'):
            await market.connector.buy(PAIR, 0.01, OrderType.MARKET)  # type: ignore[arg-type]  # the mistake


async def test_a_price_off_the_tick_is_put_on_it_to_the_passive_side(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, Decimal("50000.129"))
        assert (await market.wait_for(order, OrderCreated)).price == Decimal("50000.12")
        order = await market.connector.sell(PAIR, Decimal("0.01"), OrderType.LIMIT, Decimal("70000.121"))
        assert (await market.wait_for(order, OrderCreated)).price == Decimal("70000.13")


# Orders that the exchange refuses


async def test_a_limit_maker_that_would_take_fails_with_the_exchange_s_words(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT_MAKER, market.price(1.05))
        failed = await market.wait_for(order, OrderFailed)
        assert "immediately match and take" in failed.reason
        assert "-2010" in failed.reason


async def test_a_balance_that_was_spent_elsewhere_fails_the_order_and_is_asked_for_again(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        refuse = Answer(400, b'{"code":-2010,"msg":"Account has insufficient balance for requested action."}')
        market.server.faults.add(Fault(Requests("POST", "/api/v3/order"), refuse))
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.98))
        assert "insufficient balance" in (await market.wait_for(order, OrderFailed)).reason


# Requests whose outcome is not known


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("how", ["reset", "503"])
async def test_an_order_whose_answer_is_lost_is_asked_for_and_never_sent_twice(
    tmp_path: Path, how: str, accepted: bool
) -> None:
    async with tree(tmp_path) as market:
        when = When.AFTER if accepted else When.BEFORE
        action = ResetConnection(when) if how == "reset" else unknown_error(when)
        # Without the stream's word the exchange has to be asked.
        market.server.faults.add(Fault(UserEvents("executionReport"), Skip(), count=None))
        market.server.faults.add(Fault(Requests("POST", "/api/v3/order"), action))
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.98))
        await market.wait_for(order, OrderOutcomeUnknown)
        if accepted:
            await market.wait_for(order, OrderCreated)
            assert (await market.connector.cancel(PAIR, order)).cancelled
        else:
            failed = await market.wait_for(order, OrderFailed)
            assert failed.reason
        accepted_by_the_exchange = market.server.exchange.all_orders("test", "BTCUSDT")
        assert len(accepted_by_the_exchange) == accepted


async def test_fills_that_the_stream_lost_are_found_and_counted_once(tmp_path: Path) -> None:
    async with tree(tmp_path, order_poll_interval_s=0.5) as market:
        market.server.faults.add(Fault(UserEvents("executionReport"), Skip(), count=None))
        resting = await market.connector.buy(PAIR, Decimal("0.5"), OrderType.LIMIT, market.price(0.999))
        await market.wait_for(resting, OrderCreated)
        _sell_into(market, resting, "0.2")
        _sell_into(market, resting, "0.3")
        await market.wait_for(resting, OrderCompleted)
        summary = await market.compare()
        assert not [problem for problem in summary.problems if problem.startswith("order")], summary.problems


def _sell_into(market: Tree, order_id: str, amount: str) -> None:
    """Another account trades with an order of ours."""
    engine, server = market.server.exchange, market.server
    if "stranger" not in engine.accounts:
        engine.open_account("stranger", {"BTC": Decimal(1000), "USDT": Decimal(0)})
    ours = engine.order("test", "BTCUSDT", client_order_id=order_id)
    server.stop_flow()
    # Whatever bids above ours goes first, so that the trade is with us.
    for order in engine.open_orders("liquidity-maker", "BTCUSDT"):
        if order.side is Side.BUY and order.price >= ours.price:
            engine.cancel("liquidity-maker", "BTCUSDT", order_id=order.order_id, now_ms=server.now_ms())
    placed = engine.place(
        "stranger",
        NewOrder("BTCUSDT", Side.SELL, EngineOrderType.LIMIT, TimeInForce.GTC, Decimal(amount), None, ours.price),
        server.now_ms(),
    )
    server.binance.record(placed.events)
    server.flush()


# Keys and clocks


async def test_a_wrong_key_is_named_as_what_is_missing_and_how_to_mend_it(tmp_path: Path) -> None:
    async with EmulatorServer() as server, Runtime(settings(server, tmp_path, key="w" * 64)) as runtime:
        with pytest.raises(ConnectorNotReady) as not_ready:
            await runtime.connector("binance").wait_ready(timeout=2)
        roles = {status.role for status in not_ready.value.missing}
        assert {"user_stream", "balances"} <= roles
        assert "key" in str(not_ready.value)
        assert "w" * 20 not in str(not_ready.value)
        with pytest.raises(OrderRefusedError, match="CANCEL_ONLY"):
            await runtime.connector("binance").buy(PAIR, Decimal("0.01"), OrderType.MARKET)


async def test_a_key_without_the_permission_to_trade_fails_the_order_with_the_exchange_s_words(tmp_path: Path) -> None:
    server = EmulatorServer()
    server.binance.keys.add(hmac_key("readOnlyKey", "readOnlySecret", "test", frozenset({Permission.READ})))
    async with tree(tmp_path, server, key="readOnlyKey", secret="readOnlySecret") as market:
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.MARKET)
        failed = await market.wait_for(order, OrderFailed)
        assert "permission" in failed.reason
        assert "readOnlySecret" not in failed.reason


@pytest.mark.parametrize("skew_ms", [-60_000, 60_000])
async def test_a_clock_that_is_off_by_a_minute_is_measured_and_trading_works(tmp_path: Path, skew_ms: int) -> None:
    server = EmulatorServer()
    server.clock_skew_ms = skew_ms
    async with tree(tmp_path, server) as market:
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.MARKET)
        await market.wait_for(order, OrderCompleted)


async def test_a_clock_that_jumps_while_running_is_repaired_by_the_exchange_s_complaint(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        market.server.clock_skew_ms = 30_000
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.MARKET)
        await market.wait_for(order, OrderCompleted)


# Rate limits and bans


async def test_an_order_beyond_the_rate_limit_is_not_sent_and_says_so(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        limited = market.server.faults.add(Fault(Requests("POST", "/api/v3/order"), too_many_requests(30)))
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.MARKET)
        failed = await market.wait_for(order, OrderFailed)
        assert limited.hits == 1
        assert "rate limit" in failed.reason.lower() or "too many" in failed.reason.lower()


async def test_not_one_request_leaves_during_a_ban(tmp_path: Path) -> None:
    async with tree(tmp_path, order_poll_interval_s=0.1, balance_poll_interval_s=0.1) as market:
        market.server.faults.add(Fault(Requests("POST", "/api/v3/order"), banned(1_800_000_000_000, retry_after_s=2)))
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.MARKET)
        failed = await market.wait_for(order, OrderFailed)
        assert "ban" in failed.reason.lower()
        requests = market.server.faults.add(Fault(Requests(), Answer(418, b"{}"), count=None))
        await market.until(lambda: component(market, "rest").startswith("DEGRADED"), "the ban in the status")
        await asyncio.sleep(1.0)
        assert requests.hits == 0
        requests.remove()
        await market.connector.wait_ready(timeout=10)
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.MARKET)
        await market.wait_for(order, OrderCompleted)


async def test_orders_within_tight_limits_wait_for_their_turn_instead_of_being_refused(tmp_path: Path) -> None:
    server = EmulatorServer(limits=RateLimits(weight_per_minute=6000, orders_per_10s=1000, orders_per_day=100_000))
    async with tree(tmp_path, server) as market:
        orders = await asyncio.gather(
            *(market.connector.buy(PAIR, Decimal("0.001"), OrderType.LIMIT, market.price(0.98)) for _ in range(40))
        )
        for order in orders:
            await market.wait_for(order, OrderCreated)
        results = await market.connector.cancel_all(timeout=10)
        assert sum(result.cancelled for result in results) == 40


# Streams


@pytest.mark.parametrize(
    ("action", "why"),
    [(Skip(), "a gap"), (CrossBook(), "a crossed book"), (Malform(), "a malformed frame")],
    ids=["gap", "crossed", "malformed"],
)
async def test_a_book_that_cannot_be_trusted_is_fetched_again(tmp_path: Path, action: object, why: str) -> None:
    async with tree(tmp_path) as market:
        fault = market.server.faults.add(Fault(MarketFrames("btcusdt@depth*"), action))  # type: ignore[arg-type]
        await market.until(lambda: fault.hits, why)
        await asyncio.sleep(0.3)
        await market.connector.wait_ready(timeout=10)
        summary = await market.compare()
        assert summary.books_match, summary.problems


async def test_unknown_and_malformed_frames_are_counted_and_nothing_stops(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        for payload in (b'{"e":"news","x":1}', b"[]", b"nonsense", b'{"e":"depthUpdate"}'):
            market.server.faults.add(Fault(MarketFrames("btcusdt@depth*"), Inject(payload)))
        for payload in (b'{"e":"listStatus","s":"BTCUSDT"}', b"nonsense"):
            market.server.faults.add(Fault(UserEvents(), Inject(payload)))
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.MARKET)
        await market.wait_for(order, OrderCompleted)
        await asyncio.sleep(0.5)
        await market.connector.wait_ready(timeout=10)
        summary = await market.compare()
        assert summary.is_good, summary.problems


async def test_dropped_streams_come_back_and_what_happened_meanwhile_is_known(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        resting = await market.connector.buy(PAIR, Decimal("0.5"), OrderType.LIMIT, market.price(0.999))
        await market.wait_for(resting, OrderCreated)
        market.server.drop_connections()
        _sell_into(market, resting, "0.5")
        await market.wait_for(resting, OrderCompleted)
        await market.connector.wait_ready(timeout=10)
        summary = await market.compare()
        assert summary.is_good, summary.problems


async def test_a_dropped_market_stream_makes_every_book_stale_at_once(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        refused = market.server.faults.add(Fault(MarketFrames(), DropConnection(), count=None))
        await market.until(lambda: not market.connector.ready, "the loss of the stream")
        with pytest.raises(StaleMarketData, match="stale"):
            market.connector.best_bid_ask(PAIR)
        with pytest.raises(StaleMarketData):
            await market.connector.order_book(PAIR)
        refused.remove()
        await market.connector.wait_ready(timeout=15)
        assert market.connector.best_bid_ask(PAIR).bid > 0


async def test_a_user_stream_that_the_exchange_terminates_is_opened_again(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        market.server.faults.add(Fault(UserEvents("executionReport"), TerminateStream()))
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.98))
        await market.wait_for(order, OrderCreated)
        await market.connector.wait_ready(timeout=10)
        assert (await market.connector.cancel(PAIR, order)).cancelled
        await market.wait_for(order, OrderCancelled)


async def test_while_the_user_stream_is_away_new_orders_are_refused_and_cancels_go_through(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.98))
        await market.wait_for(order, OrderCreated)
        closed = market.server.faults.add(Fault(Connections("/ws-api*"), RejectHandshake(), count=None))
        market.server.drop_connections(market=False)
        await market.until(lambda: market.connector.trading_mode is TradingMode.CANCEL_ONLY, "CANCEL_ONLY")
        with pytest.raises(OrderRefusedError, match=r"CANCEL_ONLY.*user_stream"):
            await market.connector.buy(PAIR, Decimal("0.01"), OrderType.MARKET)
        assert (await market.connector.cancel(PAIR, order)).cancelled
        closed.remove()
        await market.connector.wait_ready(timeout=15)
        assert market.connector.trading_mode is TradingMode.LIVE


async def test_a_server_that_is_gone_is_named_and_found_again(tmp_path: Path) -> None:
    async with tree(tmp_path, balance_poll_interval_s=0.2) as market:
        await market.server.stop_listening()
        market.server.drop_connections()
        await market.until(lambda: not market.connector.ready, "the loss of the server")
        status = market.connector.status
        assert status is not None
        assert status.missing
        assert all(one.readiness is not Readiness.READY for one in status.missing)
        await market.server.resume_listening()
        await market.connector.wait_ready(timeout=20)
        summary = await market.compare()
        assert summary.is_good, summary.problems


async def test_a_stalled_stream_is_dead_although_it_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = StreamTimings(longest_silence_s=0.8, lifetime_s=86_400.0)
    monkeypatch.setattr(dialect("binance"), "timings", quick)
    monkeypatch.setattr(dialect("binance"), "user_stream_timings", quick)
    async with tree(tmp_path) as market:
        market.server.faults.add(Fault(MarketFrames("btcusdt@depth*"), Stall()))
        market.server.stall_connections(market=False)
        await market.until(lambda: not market.connector.ready, "the silence to be noticed")
        await market.connector.wait_ready(timeout=15)
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.MARKET)
        await market.wait_for(order, OrderCompleted)
