"""The cryptofeed client of `book_path.py`: its own feed of Binance, with the addresses changed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from cryptofeed import FeedHandler, connection
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import L2_BOOK
from cryptofeed.exchanges import Binance


def feed_at(rest_url: str, ws_url: str) -> Any:
    """Its feed of Binance at other addresses."""

    class Local(Binance):  # type: ignore[misc]  # cryptofeed is untyped
        websocket_endpoints = [WebsocketEndpoint(ws_url.replace("ws://", "wss://"))]  # noqa: RUF012 - its own way
        rest_endpoints = [  # noqa: RUF012
            RestEndpoint(rest_url, routes=Routes("/api/v3/exchangeInfo", l2book="/api/v3/depth?symbol={}&limit={}"))
        ]

    # It insists on TLS; only the address that it is about to connect to is changed.
    connect = connection.connect
    connection.connect = lambda address, **options: connect(address.replace("wss://", "ws://"), **options)
    return Local


async def follow(
    url: str, last_id: int, go: Callable[[], Awaitable[None]], stop: Callable[[], None]
) -> tuple[dict[float, float], dict[float, float]]:
    """Follow the book until `last_id` is applied; the book as it is then."""
    in_step, done = asyncio.Event(), asyncio.Event()
    books: list[Any] = []

    async def on_book(book: Any, _received: float) -> None:
        books[:] = [book.book]
        if book.sequence_number == last_id:
            stop()
            done.set()
        else:
            in_step.set()

    handler = FeedHandler(config={"uvloop": False, "log": {"disabled": True}})
    feed = feed_at(url, url.replace("http", "ws"))
    handler.add_feed(feed(symbols=["BTC-USDT"], channels=[L2_BOOK], callbacks={L2_BOOK: on_book}))
    handler.run(start_loop=False, install_signal_handlers=False)
    async with asyncio.timeout(60):
        await in_step.wait()
        await asyncio.sleep(0.1)
        await go()
        await done.wait()
    await handler.stop_async(loop=asyncio.get_running_loop())
    book = books[0]
    return tuple(  # type: ignore[return-value]  # two sides
        {float(price): float(amount) for price, amount in side.to_dict().items()} for side in (book.bids, book.asks)
    )
