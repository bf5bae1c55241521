"""A wrong argument is an error where it is given, by its name; it never reaches an actor, which would crash of it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from openoutcry import BestBidAsk, Connector, OrderType, Runtime, StaleMarketData, TimeInForce, TradingMode

PAIR = "BTC-USDT"


@pytest.fixture
async def binance(tmp_path: Path) -> AsyncIterator[Connector]:
    """A connector whose exchange is not there."""
    nowhere = "http://127.0.0.1:1"
    connector = {"exchange": "binance", "trading_pairs": [PAIR], "rest_url": nowhere, "ws_url": "ws://127.0.0.1:1"}
    async with Runtime({"state_directory": str(tmp_path), "connectors": {"binance": connector}}) as runtime:
        yield runtime.connector("binance")


WRONG: dict[str, Callable[[Any], Any]] = {
    "trading_pair": lambda one: one.buy([PAIR], 1),
    "order_type": lambda one: one.buy(PAIR, 1, "limit", 1),
    "time_in_force": lambda one: one.sell(PAIR, 1, OrderType.LIMIT, 1, time_in_force=None),
    "amount": lambda one: one.sell(PAIR, 0.5, OrderType.LIMIT, 1, time_in_force=TimeInForce.IOC),
    "price": lambda one: one.sell(PAIR, 1, OrderType.LIMIT, 1.5),
    "client_order_id": lambda one: one.cancel(PAIR, ["x"]),
    "depth": lambda one: one.order_book(PAIR, depth="5"),
    "mode": lambda one: one.set_trading_mode("halted", "a word"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_argument_of_a_wrong_type_is_named(binance: Connector, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        await WRONG[name](binance)


async def test_what_is_allowed_is_said(binance: Connector) -> None:
    with pytest.raises(TypeError, match=TradingMode.CANCEL_ONLY.value):
        await WRONG["mode"](binance)
    with pytest.raises(TypeError, match="it must be str"):
        await binance.last_prices([PAIR])  # type: ignore[arg-type]  # the mistake
    with pytest.raises(TypeError, match="after"):
        binance.events(after="7")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ValueError, match="from 1"):
        await binance.order_book(PAIR, depth=0)


async def test_an_empty_side_of_a_book_has_no_price(binance: Connector) -> None:
    binance._market.best_bid_ask_published(BestBidAsk(PAIR, 60_000.0, 1.0, float("nan"), 0.0, 7, 1, 1))
    assert binance.get_price(PAIR, is_buy=False) == 60_000
    with pytest.raises(StaleMarketData, match="nobody sells BTC-USDT"):
        binance.get_price(PAIR, is_buy=True)
