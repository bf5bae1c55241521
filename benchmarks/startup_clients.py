"""The clients of `startup.py`: each keeps the order books of some trading pairs, and says when it has them all."""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import orjson

WITHIN_S = 50.0
LEVELS = 5_000


@dataclass(frozen=True, slots=True)
class Where:
    """An exchange, and a key for it."""

    rest_url: str
    ws_url: str
    ws_api_url: str
    api_key: str
    api_secret: str


@dataclass(frozen=True, slots=True)
class Ready:
    """What it took."""

    wall_s: float
    """Since the client began, its modules imported."""
    cpu_s: float
    """Of this process, since the same moment."""
    at_s: float
    """Seconds since the epoch: when it was ready."""
    levels: int = 0
    """Of all books, both sides: what was fetched."""


Pairs = tuple[str, ...]


class Stopwatch:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self) -> Ready:
        return Ready(time.perf_counter() - self._wall, time.process_time() - self._cpu, time.time())


async def openoutcry_tree(where: Where, pairs: Pairs) -> Ready:
    """The whole tree, with keys."""
    return await _openoutcry(where, pairs, with_keys=True)


async def openoutcry_market_data(where: Where, pairs: Pairs) -> Ready:
    """The tree without keys: what the others do."""
    return await _openoutcry(where, pairs, with_keys=False)


async def _openoutcry(where: Where, pairs: Pairs, *, with_keys: bool) -> Ready:
    from openoutcry import Runtime

    os.environ.update(BENCHMARK_KEY=where.api_key, BENCHMARK_SECRET=where.api_secret)
    keys = {"api_key": {"env": "BENCHMARK_KEY"}, "api_secret": {"env": "BENCHMARK_SECRET"}} if with_keys else {}
    with tempfile.TemporaryDirectory() as folder:
        stopwatch = Stopwatch()
        settings = {
            "state_directory": folder,
            "connectors": {
                "binance": {
                    "exchange": "binance",
                    "trading_pairs": list(pairs),
                    "rest_url": where.rest_url,
                    "ws_url": where.ws_url,
                    "ws_api_url": where.ws_api_url,
                    **keys,
                }
            },
        }
        async with Runtime(settings, drain_timeout_s=0.1) as runtime:
            binance = runtime.connector("binance")
            await binance.wait_ready(timeout=WITHIN_S)
            ready = stopwatch.stop()
            books = [await binance.order_book(pair, depth=LEVELS) for pair in pairs]
    return replace(ready, levels=sum(len(book.bids) + len(book.asks) for book in books))


async def by_hand(where: Where, pairs: Pairs) -> Ready:
    """aiohttp and orjson: one socket for all diffs, all snapshots at once, each diff applied to a dictionary."""
    import aiohttp

    stopwatch = Stopwatch()
    books: dict[str, tuple[dict[float, float], dict[float, float]]] = {}
    async with aiohttp.ClientSession(where.rest_url) as session, asyncio.timeout(WITHIN_S):

        async def get(path: str) -> Any:
            async with session.get(path) as response:
                assert response.status == 200, await response.text()
                return orjson.loads(await response.read())

        async def snapshot(symbol: str) -> None:
            told = await get(f"/api/v3/depth?symbol={symbol}&limit=1000")
            book = [{float(price): float(amount) for price, amount in told[side]} for side in ("bids", "asks")]
            books[symbol] = book[0], book[1]

        listed = {market["symbol"] for market in (await get("/api/v3/exchangeInfo"))["symbols"]}
        symbols = [pair.replace("-", "") for pair in pairs]
        assert listed.issuperset(symbols)
        async with session.ws_connect(where.ws_url + "/ws") as websocket:

            async def read() -> None:
                async for message in websocket:
                    event = orjson.loads(message.data)
                    book = books.get(event.get("s", ""))
                    if book is not None:
                        for side, changes in zip(book, (event["b"], event["a"]), strict=True):
                            side.update((float(price), float(amount)) for price, amount in changes)

            streams = [f"{symbol.lower()}@depth@100ms" for symbol in symbols]
            await websocket.send_bytes(orjson.dumps({"method": "SUBSCRIBE", "params": streams, "id": 1}))
            reading = asyncio.create_task(read())
            await asyncio.gather(*(snapshot(symbol) for symbol in symbols))
            ready = stopwatch.stop()
            reading.cancel()
    return replace(ready, levels=sum(len(side) for book in books.values() for side in book))


async def ccxt_pro(where: Where, pairs: Pairs) -> Ready:
    """ccxt's books of several symbols; its own throttle is off: it would be most of the time."""
    import ccxt.pro

    stopwatch = Stopwatch()
    exchange = ccxt.pro.binance({"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}}})
    exchange.options["fetchCurrencies"] = False
    _point_at(exchange.urls["api"], where)
    symbols = [pair.replace("-", "/") for pair in pairs]
    try:
        async with asyncio.timeout(WITHIN_S):
            await exchange.load_markets()
            while not all(exchange.orderbooks.get(symbol, {}).get("nonce") for symbol in symbols):
                await exchange.watch_order_book_for_symbols(symbols)
        ready = stopwatch.stop()
        books = [exchange.orderbooks[symbol] for symbol in symbols]
        return replace(ready, levels=sum(len(book["bids"]) + len(book["asks"]) for book in books))
    finally:
        await exchange.close()


def _point_at(urls: dict[str, Any], where: Where) -> None:
    for name, value in urls.items():
        if isinstance(value, dict):
            _point_at(value, where)
        elif value.startswith("ws"):
            urls[name] = where.ws_url + "/ws"
        elif "/api/v3" in value:
            urls[name] = where.rest_url + "/api/v3"


async def cryptofeed_feed(where: Where, pairs: Pairs) -> Ready:
    """cryptofeed's own feed, with the addresses changed; it fetches the symbols by a request that blocks."""
    from book_path_cryptofeed import feed_at
    from cryptofeed import FeedHandler
    from cryptofeed.defines import L2_BOOK

    stopwatch = Stopwatch()
    books: dict[str, Any] = {}
    done = asyncio.Event()

    async def on_book(book: Any, _received: float) -> None:
        books[book.symbol] = book.book
        if len(books) == len(pairs):
            done.set()

    handler = FeedHandler(config={"uvloop": False, "log": {"disabled": True}})
    feed = feed_at(where.rest_url, where.ws_url)
    handler.add_feed(feed(symbols=list(pairs), channels=[L2_BOOK], callbacks={L2_BOOK: on_book}))
    handler.run(start_loop=False, install_signal_handlers=False)
    async with asyncio.timeout(WITHIN_S):
        await done.wait()
    ready = stopwatch.stop()
    await handler.stop_async(loop=asyncio.get_running_loop())
    return replace(ready, levels=sum(len(book.bids) + len(book.asks) for book in books.values()))


CLIENTS: dict[str, tuple[Callable[[Where, Pairs], Coroutine[Any, Any, Ready]], str, str | None]] = {
    "openoutcry": (openoutcry_tree, "own", None),
    "openoutcry, market data only": (openoutcry_market_data, "own", None),
    "aiohttp + orjson by hand": (by_hand, "by hand", None),
    "ccxt.pro": (ccxt_pro, "peer", "ccxt"),
    "cryptofeed": (cryptofeed_feed, "peer", "cryptofeed"),
}
"""Name → the client, what it is, and the package that it needs beyond our own."""
