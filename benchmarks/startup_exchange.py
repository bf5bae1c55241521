"""The exchanges of `startup.py`: the emulator with many deep books, a fresh copy of it for each measurement."""

import asyncio
import gc
import json
import os
import signal
import sys
from dataclasses import replace
from decimal import Decimal

from rounds import pin

from openoutcry.emulator.engine import Market, NewOrder, OrderType, Side, TimeInForce
from openoutcry.emulator.markets import demo_markets
from openoutcry.emulator.server import TEST_API_KEY, TEST_API_SECRET, EmulatorServer, wall_clock_ms

MARKETS = 60
LEVELS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
TRADED_S = 0.5
"""How long the exchange has traded when a client comes."""


def main() -> None:
    """Build one exchange, and at each line of stdin fork a fresh copy of it; the copy before it is ended."""
    pin(-1)
    server = EmulatorServer(markets=markets())
    deepen(server)
    gc.freeze()
    copy = 0
    for _ in sys.stdin:
        if copy:
            os.kill(copy, signal.SIGKILL)
            os.waitpid(copy, 0)
        copy = os.fork()
        if not copy:
            asyncio.run(serve(server))
    if copy:
        os.kill(copy, signal.SIGKILL)


async def serve(server: EmulatorServer) -> None:
    async with server:
        await asyncio.sleep(TRADED_S)
        urls = server.urls
        where = {
            "rest_url": urls.rest_url,
            "ws_url": urls.ws_url,
            "ws_api_url": urls.ws_api_url,
            "api_key": TEST_API_KEY,
            "api_secret": TEST_API_SECRET,
            "pairs": [f"{market.base_asset}-{market.quote_asset}" for market, _ in demo_markets(MARKETS).values()],
        }
        print(json.dumps(where), flush=True)
        await asyncio.Event().wait()


def markets() -> dict[str, tuple[Market, Decimal]]:
    """The emulator's, with room for the resting orders of one account."""
    return {
        symbol: (replace(market, max_num_orders=2 * LEVELS + 200), price)
        for symbol, (market, price) in demo_markets(MARKETS).items()
    }


def deepen(server: EmulatorServer) -> None:
    """Put resting orders behind those of the order flow: a real book has a snapshot's full depth."""
    exchange = server.exchange
    assets = {asset for market in exchange.markets.values() for asset in (market.base_asset, market.quote_asset)}
    exchange.open_account("depth", dict.fromkeys(assets, Decimal(10**15)))
    for symbol, (market, price) in demo_markets(MARKETS).items():
        for side, direction in ((Side.BUY, -1), (Side.SELL, 1)):
            first = price + direction * max(price * Decimal("0.01"), 50 * market.tick_size)
            first = first.quantize(market.tick_size)
            for level in range(LEVELS):
                at = first + direction * level * market.tick_size
                if not price / 4 < at < price * 4:
                    break
                quantity = (Decimal(level % 7 + 1) * 100 / price).quantize(market.step_size) + market.step_size
                order = NewOrder(symbol, side, OrderType.LIMIT, TimeInForce.GTC, quantity, price=at)
                exchange.place("depth", order, wall_clock_ms())


if __name__ == "__main__":
    main()
