"""What only a person can mend is said once, clearly, to whoever waits; all the rest goes on meanwhile."""

import asyncio
import logging
import os
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from tree_bench import PAIR, settings, tree

from openoutcry import ConnectorNotReady, ConnectorStopped, OrderRefusedError, OrderType, Runtime
from openoutcry.actors import roles
from openoutcry.actors.order_tracker.journal import Journal
from openoutcry.emulator.server import EmulatorServer
from openoutcry.messages.lifecycle import SupervisionDecision


async def test_a_journal_in_use_is_named_with_its_holder_and_market_data_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    holder = Journal(tmp_path / "binance.journal.sqlite")
    caplog.set_level(logging.WARNING)
    async with EmulatorServer() as server, Runtime(settings(server, tmp_path, max_restarts=1)) as runtime:
        binance = runtime.connector("binance")
        with pytest.raises(ConnectorNotReady) as caught:
            await binance.wait_ready(timeout=1.5)
        assert f"{tmp_path / 'binance.journal.sqlite'} is in use by process {os.getpid()}" in str(caught.value)
        assert [status.role for status in caught.value.missing] == [roles.ORDERS]
        assert binance.best_bid_ask(PAIR).bid
        with pytest.raises(OrderRefusedError, match="in use by process"):
            await binance.buy(PAIR, Decimal("0.001"), OrderType.MARKET)
    holder.close()
    told = [record for record in caplog.records if "in use" in record.getMessage()]
    assert len(told) == 1
    assert not any("Traceback" in record.getMessage() for record in caplog.records)


async def test_a_journal_that_is_free_again_is_taken_and_the_connector_is_ready(
    tmp_path: Path,
) -> None:
    holder = Journal(tmp_path / "binance.journal.sqlite")
    async with EmulatorServer() as server, Runtime(settings(server, tmp_path)) as runtime:
        binance = runtime.connector("binance")
        with pytest.raises(ConnectorNotReady):
            await binance.wait_ready(timeout=0.5)
        holder.close()
        await binance.wait_ready(timeout=20)


@pytest.mark.parametrize("how", ["folder is a file", "no database"])
async def test_a_journal_that_can_not_be_opened_is_named_in_one_sentence(tmp_path: Path, how: str) -> None:
    if how == "folder is a file":
        (tmp_path / "state").write_text("")
        journal = tmp_path / "state" / "journal.sqlite"
    else:
        journal = tmp_path / "journal.sqlite"
        journal.write_bytes(b"certainly no database " * 100)
    async with (
        EmulatorServer() as server,
        Runtime(settings(server, tmp_path, journal=str(journal), max_restarts=1)) as runtime,
    ):
        with pytest.raises(ConnectorNotReady, match=f"the order journal {journal}") as caught:
            await runtime.connector("binance").wait_ready(timeout=1.5)
        assert "Traceback" not in str(caught.value)
        assert "on Start" not in str(caught.value)


async def test_a_journal_that_can_no_longer_be_written_refuses_orders_until_it_can(tmp_path: Path) -> None:
    async with tree(tmp_path, max_restarts=1) as market:
        binance = market.connector
        with sqlite3.connect(tmp_path / "binance.journal.sqlite") as other:
            other.execute("CREATE TRIGGER full BEFORE INSERT ON orders BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
        other.close()
        with pytest.raises(OrderRefusedError, match="disk is full"):
            await binance.buy(PAIR, Decimal("0.001"), OrderType.MARKET)
        await market.until(lambda: not binance.ready, "the tracker's failure")
        assert market.runtime._facades["binance"]
        with sqlite3.connect(tmp_path / "binance.journal.sqlite") as other:
            other.execute("DROP TRIGGER full")
        other.close()
        await binance.wait_ready(timeout=20)
        order = await binance.buy(PAIR, Decimal("0.001"), OrderType.MARKET)
        await market.until(lambda: market.log.states.get(order) == "FILLED", "the fill")


async def test_a_connector_that_failed_too_often_says_so_to_everybody(tmp_path: Path) -> None:
    async with EmulatorServer() as server, Runtime(settings(server, tmp_path, max_restarts=0)) as runtime:
        binance = runtime.connector("binance")
        await binance.wait_ready(timeout=10)
        waiting = asyncio.ensure_future(crash_for_ever(runtime))
        try:
            async for event in runtime._supervision_events.items():
                if event.role == "binance" and event.decision is SupervisionDecision.ESCALATED:
                    break
        finally:
            waiting.cancel()
        with pytest.raises(ConnectorStopped, match=r"stays down.*rules failed more than 0 times"):
            await binance.wait_ready(timeout=10)
        with pytest.raises(ConnectorStopped, match="stays down"):
            await binance.order_book(PAIR)


async def crash_for_ever(runtime: Runtime) -> None:
    while True:
        runtime.connector("binance").crash(roles.RULES)
        await asyncio.sleep(0.05)


async def test_a_runtime_may_be_stopped_twice_at_once_and_then_nobody_waits_in_vain(tmp_path: Path) -> None:
    async with EmulatorServer() as server:
        runtime = Runtime(settings(server, tmp_path))
        await runtime.start()
        binance = runtime.connector("binance")
        await binance.wait_ready(timeout=10)
        order = asyncio.ensure_future(anext(binance.events()))
        await asyncio.gather(runtime.stop(), runtime.stop())
        await runtime.stop()
        assert runtime.drained["binance"].is_flat
        with pytest.raises(StopAsyncIteration):
            await order
        with pytest.raises(StopAsyncIteration):
            await anext(binance.events())
        with pytest.raises(StopAsyncIteration):
            await anext(binance.trades(PAIR))
        with pytest.raises(ConnectorStopped, match="closed"):
            await binance.wait_ready()
        with pytest.raises(ConnectorStopped, match="closed"):
            await binance.cancel_all()


async def test_a_runtime_is_stopped_while_it_starts(tmp_path: Path) -> None:
    async with EmulatorServer() as server:
        runtime = Runtime(settings(server, tmp_path), drain_timeout_s=1)
        await runtime.start()
        await runtime.stop()
        assert "binance" in runtime.drained
