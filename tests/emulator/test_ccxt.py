"""ccxt trades here, unmodified but for its URLs. If it can't, it is the emulator that is wrong."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ccxt.pro
import pytest
from ccxt.base.errors import AuthenticationError, InsufficientFunds, InvalidOrder, OrderNotFound

from openoutcry.emulator.markets import demo_markets
from openoutcry.emulator.server import TEST_ACCOUNT, TEST_API_KEY, TEST_API_SECRET, EmulatorServer

PAIR = "BTC/USDT"


@pytest.fixture
async def server() -> AsyncIterator[EmulatorServer]:
    async with EmulatorServer() as running:
        yield running


def point_at(client: Any, server: EmulatorServer) -> Any:
    """Override the URLs, and nothing else."""
    api = client.urls["api"]
    for name, url in api.items():
        if isinstance(url, str) and url.startswith("https://"):
            _, _, path = url.removeprefix("https://").partition("/")
            api[name] = f"{server.urls.rest_url}/{path}"
    api["ws"]["spot"] = f"{server.urls.ws_url}/ws"
    api["ws"]["ws-api"]["spot"] = server.urls.ws_api_url
    return client


@pytest.fixture
async def client(server: EmulatorServer) -> AsyncIterator[Any]:
    client = point_at(ccxt.pro.binance({"apiKey": TEST_API_KEY, "secret": TEST_API_SECRET}), server)
    yield client
    await client.close()


async def test_it_reads_markets_books_and_trades(server: EmulatorServer, client: Any) -> None:
    markets = await client.load_markets()
    assert set(markets) == {"BTC/USDT", "ETH/USDT", "ETH/BTC", "BNB/USDT", "SOL/USDT"}
    assert (markets[PAIR]["precision"]["amount"], markets[PAIR]["precision"]["price"]) == (0.00001, 0.01)
    book = await client.fetch_order_book(PAIR)
    assert book["bids"][0][0] < book["asks"][0][0]
    ticker = await client.fetch_ticker(PAIR)
    assert ticker["symbol"] == PAIR
    assert await client.fetch_time() <= server.now_ms()
    assert isinstance(await client.fetch_trades(PAIR), list)
    assert isinstance(await client.fetch_ohlcv(PAIR), list)
    assert set(await client.fetch_bids_asks()) == set(markets)
    assert (await client.fetch_trading_fee(PAIR))["maker"] == 0.001


async def test_it_trades_and_agrees_with_the_exchange(server: EmulatorServer, client: Any) -> None:
    bought = await client.create_order(PAIR, "market", "buy", 0.01)
    assert (bought["status"], bought["filled"]) == ("closed", 0.01)
    resting = await client.create_order(PAIR, "limit", "buy", 0.01, 50_000)
    maker = await client.create_order(PAIR, "limit", "buy", 0.02, 49_000, {"postOnly": True})
    assert {order["id"] for order in await client.fetch_open_orders(PAIR)} == {resting["id"], maker["id"]}
    assert (await client.fetch_order(resting["id"], PAIR))["status"] == "open"
    assert (await client.cancel_order(resting["id"], PAIR))["status"] == "canceled"
    await client.cancel_all_orders(PAIR)
    assert await client.fetch_open_orders(PAIR) == []
    trades = await client.fetch_my_trades(PAIR)
    assert sum(trade["amount"] for trade in trades) == 0.01
    held = await client.fetch_balance()
    truth = server.exchange.balances(TEST_ACCOUNT)
    for asset in ("BTC", "USDT"):
        assert held[asset]["free"] == float(truth[asset].free)
        assert held[asset]["used"] == float(truth[asset].locked)


async def test_it_understands_refusals(server: EmulatorServer, client: Any) -> None:
    await client.load_markets()
    with pytest.raises(InsufficientFunds):
        await client.create_order(PAIR, "limit", "buy", 100, 50_000)
    with pytest.raises(InvalidOrder):
        await client.create_order(PAIR, "limit", "buy", 0.01, 70_000, {"postOnly": True})
    with pytest.raises(OrderNotFound):
        await client.cancel_order("123456789", PAIR)
    client.secret = "not the secret"
    with pytest.raises(AuthenticationError):
        await client.fetch_balance()


async def test_its_streamed_book_equals_the_exchanges_own(server: EmulatorServer, client: Any) -> None:
    truths: dict[int, Any] = {}

    def remember() -> None:
        view = server.exchange.depth("BTCUSDT", 5_000)
        truths[view.last_update_id] = view

    plain_tick = server.tick

    def tick() -> None:
        plain_tick()
        remember()

    server.tick = tick  # type: ignore[method-assign]  # a look at the book after each tick
    compared = 0
    while compared < 5:
        book = await asyncio.wait_for(client.watch_order_book(PAIR), 10)
        view = truths.get(book["nonce"])
        if view is None:
            continue
        assert [level[:2] for level in book["bids"]] == [[float(p), float(q)] for p, q in view.bids]
        assert [level[:2] for level in book["asks"]] == [[float(p), float(q)] for p, q in view.asks]
        compared += 1


async def test_it_watches_trades_orders_fills_and_balances(server: EmulatorServer, client: Any) -> None:
    await client.load_markets()
    watching = [
        asyncio.create_task(coroutine)
        for coroutine in (client.watch_orders(PAIR), client.watch_my_trades(PAIR), client.watch_balance())
    ]
    while not server.binance.listeners[TEST_ACCOUNT]:
        await asyncio.sleep(0.001)
    placed = await client.create_order(PAIR, "market", "sell", 0.01)
    orders, fills, balance = await asyncio.wait_for(asyncio.gather(*watching), 10)
    assert orders[-1]["id"] == placed["id"]
    assert (fills[-1]["order"], fills[-1]["side"], fills[-1]["takerOrMaker"]) == (placed["id"], "sell", "taker")
    assert balance["BTC"]["free"] == float(server.exchange.balances(TEST_ACCOUNT)["BTC"].free)
    trades = await asyncio.wait_for(client.watch_trades(PAIR), 10)
    assert trades[-1]["symbol"] == PAIR
    assert (await asyncio.wait_for(client.watch_ticker(PAIR), 10))["symbol"] == PAIR


async def test_it_trades_over_the_websocket_api(server: EmulatorServer, client: Any) -> None:
    placed = await client.create_order_ws(PAIR, "limit", "buy", 0.01, 50_000)
    assert (await client.fetch_order_ws(placed["id"], PAIR))["status"] == "open"
    assert len(await client.fetch_open_orders_ws(PAIR)) == 1
    assert (await client.cancel_order_ws(placed["id"], PAIR))["status"] == "canceled"
    await client.create_order_ws(PAIR, "limit", "buy", 0.01, 50_000)
    await client.cancel_all_orders_ws(PAIR)
    assert server.exchange.open_orders(TEST_ACCOUNT) == ()


async def test_it_loads_sixty_markets() -> None:
    async with EmulatorServer(markets=demo_markets(60)) as server:
        client = point_at(ccxt.pro.binance(), server)
        try:
            assert len(await client.load_markets()) == 60
        finally:
            await client.close()
