"""The whole tree trades on the emulated exchange through real sockets; at the end everything equals its truth."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from tree_bench import PAIR, tree

from openoutcry import (
    BookTooThin,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderFilled,
    OrderState,
    OrderType,
    TimeInForce,
    TradingMode,
    UnknownTradingPair,
)
from openoutcry.emulator.faults import DelayAnswer, Fault, Requests, When
from openoutcry.emulator.server import EmulatorServer


async def test_orders_of_every_kind_end_as_the_exchange_says(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        binance = market.connector
        resting = await binance.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.98))
        created = await market.wait_for(resting, OrderCreated)
        assert created.price == binance.quantize_order_price(PAIR, market.price(0.98)) or created.price > 0
        assert binance.in_flight_orders[resting].state is OrderState.OPEN
        assert binance.tracking_states[resting]["state"] == "OPEN"
        maker = await binance.sell(PAIR, Decimal("0.01"), OrderType.LIMIT_MAKER, market.price(1.02))
        await market.wait_for(maker, OrderCreated)

        bought = await binance.buy(PAIR, Decimal("0.02"), OrderType.MARKET)
        completed = await market.wait_for(bought, OrderCompleted)
        assert completed.executed_amount_base == Decimal("0.02")
        assert sum(fill.amount for fill in market.of(bought, OrderFilled)) == Decimal("0.02")  # type: ignore[attr-defined]

        book = await binance.order_book(PAIR, depth=1)
        lot = Decimal(str(book.asks[0][1]))
        part = await binance.buy(
            PAIR, lot + 1, OrderType.LIMIT, Decimal(str(book.asks[0][0])), time_in_force=TimeInForce.IOC
        )
        cancelled = await market.wait_for(part, OrderCancelled)
        assert Decimal(0) < cancelled.executed_amount_base <= lot + 1
        killed = await binance.buy(
            PAIR, lot + 10, OrderType.LIMIT, Decimal(str(book.asks[0][0])), time_in_force=TimeInForce.FOK
        )
        assert (await market.wait_for(killed, OrderCancelled)).executed_amount_base == 0

        result = await binance.cancel(PAIR, resting)
        assert (result.cancelled, result.state) == (True, OrderState.CANCELED)
        again = await binance.cancel(PAIR, resting)
        assert (again.cancelled, again.state) == (True, OrderState.CANCELED)
        filled = await binance.cancel(PAIR, bought)
        assert (filled.cancelled, filled.state) == (False, OrderState.FILLED)
        results = await binance.cancel_all(timeout=5)
        assert [one.client_order_id for one in results] == [maker]
        assert not binance.in_flight_orders
        summary = await market.compare()
        assert summary.is_good, summary.problems


async def test_events_can_be_resumed_from_a_number_also_by_a_new_process(tmp_path: Path) -> None:
    async with EmulatorServer() as server, tree(tmp_path, server) as market:
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.98))
        await market.wait_for(order, OrderCreated)
        await market.connector.cancel(PAIR, order)
        await market.wait_for(order, OrderCancelled)
        first = [event.number for event in market.events]
    async with EmulatorServer() as server, tree(tmp_path, server) as market:
        resumed = []
        async for event in market.connector.events(after=first[0]):
            resumed.append(event)
            if event.number == first[-1]:
                break
        assert [event.number for event in resumed] == first[1:]
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.98))
        created = await market.wait_for(order, OrderCreated)
        assert created.number == first[-1] + 1


async def test_orders_that_were_open_when_the_process_ended_are_known_to_the_next_one(tmp_path: Path) -> None:
    async with EmulatorServer() as server:
        async with tree(tmp_path, server) as market:
            kept = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.98))
            gone = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.97))
            await market.wait_for(kept, OrderCreated)
            await market.wait_for(gone, OrderCreated)
        assert market.runtime.drained["binance"].is_flat is False
        assert kept in market.runtime.drained["binance"].message
        server.exchange.cancel("test", "BTCUSDT", client_order_id=gone, now_ms=server.now_ms())
        async with tree(tmp_path, server) as market:
            await market.wait_for(gone, OrderCancelled)
            await market.until(lambda: kept in market.connector.in_flight_orders, "the order that is still open")
            assert (await market.connector.cancel(PAIR, kept)).cancelled


async def test_a_runtime_that_is_told_to_cancels_its_orders_when_it_stops(tmp_path: Path) -> None:
    async with EmulatorServer() as server:
        async with tree(tmp_path, server, cancel_orders_on_stop=True) as market:
            order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.98))
            await market.wait_for(order, OrderCreated)
        assert market.runtime.drained["binance"].is_flat is True
        assert server.exchange.open_orders("test") == ()


async def test_the_user_stream_may_tell_of_an_order_before_its_own_answer_comes(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        late = market.server.faults.add(Fault(Requests("POST", "/api/v3/order"), DelayAnswer(0.3, When.AFTER)))
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.MARKET)
        await market.wait_for(order, OrderCompleted)
        assert late.hits == 1
        await asyncio.sleep(0.4)
        assert [type(event).__name__ for event in market.events if event.client_order_id == order].count(
            "OrderCreated"
        ) == 1
        summary = await market.compare()
        assert summary.is_good, summary.problems


async def test_a_cancel_right_after_the_placement_waits_for_the_order_to_exist(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        market.server.faults.add(Fault(Requests("POST", "/api/v3/order"), DelayAnswer(0.2, When.BEFORE)))
        order = await market.connector.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.98))
        result = await market.connector.cancel(PAIR, order)
        assert result.cancelled
        assert market.of(order, OrderCreated)
        assert market.of(order, OrderCancelled)


async def test_market_data_can_be_read_in_every_way_the_api_names(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        binance = market.connector
        bid, ask = binance.best_bid_ask(PAIR)
        assert bid < ask
        assert binance.best_bid_ask(PAIR).age_s < 10
        assert binance.get_price(PAIR, is_buy=True) > binance.get_price(PAIR, is_buy=False)
        book = await binance.order_book(PAIR, depth=5)
        assert len(book.bids) == len(book.asks) == 5
        assert book.bids == tuple(sorted(book.bids, reverse=True))
        volume = sum(amount for _, amount in book.asks[:3])
        assert await binance.get_price_for_volume(PAIR, True, volume) >= await binance.get_vwap_for_volume(
            PAIR, True, volume
        )
        with pytest.raises(BookTooThin):
            await binance.get_price_for_volume(PAIR, True, 1e9)
        assert binance.trading_rules[PAIR].min_price_increment == Decimal("0.01")
        assert binance.quantize_order_amount(PAIR, Decimal("0.123456789")) == Decimal("0.12345")
        assert binance.get_fee(PAIR) == Decimal("0.001")
        assert binance.get_balance("USDT") == Decimal(1_000_000)
        assert binance.get_balance("NOPE") == 0
        assert set(binance.status_dict.values()) == {True}
        assert binance.trading_mode is TradingMode.LIVE
        async with asyncio.timeout(10):
            sequences = []
            async for update in binance.book_updates(PAIR):
                sequences.append(update.update_id)
                if len(sequences) == 3:
                    break
            assert sequences == sorted(set(sequences))
            async for trade in binance.trades(PAIR):
                assert trade.price > 0
                break
        assert (await binance.last_prices(PAIR))[PAIR] > 0


async def test_pairs_can_be_added_and_removed_while_the_connector_runs(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        binance = market.connector
        with pytest.raises(UnknownTradingPair, match="does not follow SOL-USDT"):
            binance.best_bid_ask("SOL-USDT")
        await binance.add_trading_pair("SOL-USDT")
        await binance.wait_ready(timeout=10)
        await market.until(lambda: "SOL-USDT" in binance._market._best, "the first price of SOL-USDT")
        assert binance.best_bid_ask("SOL-USDT").bid > 0
        await binance.remove_trading_pair("SOL-USDT")
        with pytest.raises(UnknownTradingPair):
            binance.best_bid_ask("SOL-USDT")
        with pytest.raises(UnknownTradingPair, match="XYZ-ABC"):
            await binance.add_trading_pair("XYZ-ABC")


async def test_without_a_key_market_data_flows_and_orders_are_refused_with_the_reason(tmp_path: Path) -> None:
    async with tree(tmp_path, key=None) as market:
        binance = market.connector
        assert binance.best_bid_ask(PAIR).bid > 0
        assert binance.trading_mode is TradingMode.HALTED
        with pytest.raises(Exception, match="HALTED: no api_key in the config: market data only"):
            await binance.buy(PAIR, Decimal("0.01"), OrderType.MARKET)
        assert set(binance.status_dict) == {"rest", "clock", "rules", "book", "book_source"}


async def test_balances_estimated_from_activity_equal_the_exchange_s(tmp_path: Path) -> None:
    async with tree(tmp_path, real_time_balance_update=False, balance_poll_interval_s=3600) as market:
        binance = market.connector
        resting = await binance.buy(PAIR, Decimal("0.01"), OrderType.LIMIT, market.price(0.98))
        await market.wait_for(resting, OrderCreated)
        taken = await binance.buy("ETH-USDT", Decimal(2), OrderType.MARKET)
        await market.wait_for(taken, OrderCompleted)
        sold = await binance.sell("ETH-USDT", Decimal(1), OrderType.MARKET)
        await market.wait_for(sold, OrderCompleted)
        summary = await market.compare()
        assert summary.balances_match, summary.problems
