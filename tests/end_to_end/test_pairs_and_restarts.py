"""Pairs that were added or removed are so after every restart, with their books, rules and fees."""

from decimal import Decimal
from pathlib import Path

import pytest
from test_events_and_restarts import new_facade
from tree_bench import PAIR, Tree, settings, tree

from openoutcry import ConnectorNotReady, OrderType, Readiness, Runtime, UnknownTradingPair
from openoutcry.actors import roles
from openoutcry.emulator.server import EmulatorServer

ADDED, REMOVED = "SOL-USDT", "ETH-USDT"


async def restart(market: Tree, role: str) -> None:
    if role == "facade":
        await new_facade(market)
        return
    market.connector.crash(role)
    await market.until(lambda: not market.connector.ready, f"{role} to be down")
    await market.connector.wait_ready(timeout=15)


@pytest.mark.parametrize("role", ["facade", roles.BOOK_SOURCE, roles.BOOK, roles.RULES])
async def test_pairs_added_and_removed_are_remembered(tmp_path: Path, role: str) -> None:
    async with tree(tmp_path) as market:
        binance = market.connector
        await binance.add_trading_pair(ADDED)
        await binance.remove_trading_pair(REMOVED)
        await market.until(lambda: ADDED in binance._fees, "the fees of the added pair")
        await restart(market, role)
        await binance.order_book(ADDED)
        assert binance.trading_pairs == (PAIR, ADDED)
        await market.until(lambda: set(binance._fees) == {PAIR, ADDED}, "the fees of what is followed")
        assert binance.get_fee(ADDED) >= 0
        with pytest.raises(UnknownTradingPair):
            binance.get_fee(REMOVED)
        assert binance.ready


async def test_an_added_pair_has_the_account_s_fees_too(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        binance = market.connector
        await market.until(lambda: PAIR in binance._fees, "the fees")
        await binance.add_trading_pair(ADDED)
        await market.until(lambda: ADDED in binance._fees, "the fees of the added pair")
        await market.until(lambda: binance.get_fee(ADDED) == binance.get_fee(PAIR), "the account's fees")


async def test_a_pair_that_is_not_listed_is_named_and_the_others_trade(tmp_path: Path) -> None:
    async with EmulatorServer() as server:
        config = settings(server, tmp_path)
        config["connectors"]["binance"]["trading_pairs"] = [PAIR, "ETH-USTD"]
        async with Runtime(config) as runtime:
            binance = runtime.connector("binance")
            with pytest.raises(
                ConnectorNotReady, match=r"ETH-USTD is not listed on binance.com; did you mean ETH-USDT"
            ):
                await binance.wait_ready(timeout=1)
            assert binance.best_bid_ask(PAIR).bid
            assert await binance.buy(PAIR, Decimal("0.001"), OrderType.MARKET)
            await binance.remove_trading_pair("ETH-USTD")
            await binance.wait_ready(timeout=10)
            assert binance.status is not None
            assert all(one.readiness is Readiness.READY for one in binance.status.components)
