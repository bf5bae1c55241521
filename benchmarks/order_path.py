"""The order path: place → acknowledged, one order in flight and 32; the client on one core, the exchange on another.

Each client runs alone in a process. The bare client signs and posts by hand and reads the answer; openoutcry checks,
journals, signs, posts, follows the user stream as well, and counts an order when its OrderCreated event is in the bot's
hands. Orders stay open while they are measured and are ended between the measurements.

    python benchmarks/order_path.py [--orders N] [--warm N] [--clients a,b] [--json]
"""

import argparse
import asyncio
import gc
import hashlib
import hmac
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

HERE = Path(__file__).parent
KEY, SECRET = "benchmark-key", "benchmark-secret"
IN_FLIGHT = 32
CHUNK = 5_000
Place = Callable[[], Awaitable[None]]


class Measured:
    """What one client came to."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}

    async def run(self, place: Place, orders: int) -> None:
        """Round trips one at a time, then throughput with 32 in flight."""
        await self.trips(place, 200)
        self.figures["one_us"] = await self.trips(place, orders // 4)
        await self.many(place, orders // 10)
        self.figures["orders_per_s"], self.figures["cpu_us"] = await self.many(place, orders)

    async def trips(self, place: Place, count: int) -> float:
        gc.collect()
        trips = []
        for _ in range(count):
            before = time.perf_counter()
            await place()
            trips.append(time.perf_counter() - before)
        return statistics.median(trips) * 1e6

    async def many(self, place: Place, count: int) -> tuple[float, float]:
        left = count

        async def worker() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await place()

        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        return count / (time.perf_counter() - wall), (time.process_time() - cpu) / count * 1e6


async def bare_aiohttp(url: str, orders: int, _warm: int) -> dict[str, float]:
    """Signed by hand, posted by aiohttp, answered JSON parsed."""
    import aiohttp
    from yarl import URL

    number = 0
    measured = Measured()
    async with aiohttp.ClientSession(headers={"X-MBX-APIKEY": KEY}) as session:

        async def place() -> None:
            nonlocal number
            number += 1
            query = (
                "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=50000.00"
                f"&newClientOrderId=bare-{number}&recvWindow=5000&timestamp={time.time_ns() // 1_000_000}"
            )
            signature = hmac.digest(SECRET.encode(), query.encode(), hashlib.sha256).hex()
            target = URL(f"{url}/api/v3/order?{query}&signature={signature}", encoded=True)
            async with session.post(target) as response:
                assert orjson.loads(await response.read())["status"] == "NEW"

        await measured.run(place, orders)
    return measured.figures


async def ccxt_async(url: str, orders: int, _warm: int) -> dict[str, float]:
    """ccxt's REST side."""
    import ccxt.async_support as ccxt

    exchange = ccxt.binance({"apiKey": KEY, "secret": SECRET, "enableRateLimit": False})
    exchange.options["fetchCurrencies"] = False
    exchange.options["fetchMargins"] = False
    exchange.options["fetchMarkets"] = {"types": ["spot"]}
    for name, value in exchange.urls["api"].items():
        if isinstance(value, str) and "/api/v3" in value:
            exchange.urls["api"][name] = url + "/api/v3"
    measured = Measured()
    try:
        await exchange.load_markets()

        async def place() -> None:
            await exchange.create_order("BTC/USDT", "limit", "buy", 0.01, 50000.0)

        await measured.run(place, orders)
    finally:
        await exchange.close()
    return measured.figures


async def openoutcry_tree(url: str, orders: int, warm: int) -> dict[str, float]:
    """The whole tree."""
    import aiohttp

    from openoutcry import OrderCreated, OrderFailed, OrderType, Runtime
    from openoutcry.actors.order_tracker.journal import Journal
    from openoutcry.exchanges.binance import BinanceSpot

    shares = {"journal": 0.0, "signer": 0.0}
    _clocked(Journal, "commit", shares, "journal")
    _clocked(BinanceSpot, "sign", shares, "signer")
    measured = Measured()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(BENCHMARK_KEY=KEY, BENCHMARK_SECRET=SECRET)
        settings = {
            "state_directory": folder,
            "connectors": {
                "binance": {
                    "exchange": "binance",
                    "trading_pairs": ["BTC-USDT"],
                    "api_key": {"env": "BENCHMARK_KEY"},
                    "api_secret": {"env": "BENCHMARK_SECRET"},
                    "rest_url": url,
                    "ws_url": url.replace("http", "ws"),
                    "ws_api_url": url.replace("http", "ws") + "/ws-api/v3",
                }
            },
        }
        async with Runtime(settings, drain_timeout_s=1.0) as runtime:
            binance = runtime.connector("binance")
            await binance.wait_ready(timeout=10)
            created: dict[str, asyncio.Event] = {}
            amount, price = Decimal("0.01"), Decimal(50000)

            async def follow() -> None:
                async for event in binance.events():
                    if type(event) is OrderCreated:
                        created.setdefault(event.client_order_id, asyncio.Event()).set()
                    elif type(event) is OrderFailed:
                        raise AssertionError(event)

            async def place() -> None:
                order_id = await binance.buy("BTC-USDT", amount, OrderType.LIMIT, price)
                await created.setdefault(order_id, asyncio.Event()).wait()
                del created[order_id]

            async def end_orders() -> None:
                async with aiohttp.ClientSession() as session, session.get(url + "/end") as response:
                    await response.read()
                while binance.in_flight_orders:  # noqa: ASYNC110 - between measurements, where no event may be followed
                    await asyncio.sleep(0.02)

            following = asyncio.create_task(follow())
            await measured.run(place, orders)
            await end_orders()
            shares.update(journal=0.0, signer=0.0)
            await measured.many(place, orders)
            measured.figures["journal_us"] = shares["journal"] / orders * 1e6
            measured.figures["signer_us"] = shares["signer"] / orders * 1e6
            for _ in range(warm // CHUNK):
                await end_orders()
                await measured.many(place, CHUNK)
            if warm:
                await end_orders()
                warm_figures = await measured.many(place, orders)
                measured.figures["warm_orders_per_s"], measured.figures["warm_cpu_us"] = warm_figures
            await end_orders()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    return measured.figures


def _clocked(owner: type, name: str, shares: dict[str, float], share: str) -> None:
    """Add up the time that a method takes."""
    inner = getattr(owner, name)

    def clocked(*args: Any, **kwargs: Any) -> Any:
        before = time.perf_counter()
        try:
            return inner(*args, **kwargs)
        finally:
            shares[share] += time.perf_counter() - before

    setattr(owner, name, clocked)


CLIENTS: dict[str, tuple[Callable[[str, int, int], Awaitable[dict[str, float]]], str | None]] = {
    "bare aiohttp": (bare_aiohttp, None),
    "openoutcry": (openoutcry_tree, None),
    "ccxt": (ccxt_async, "ccxt"),
}


def main() -> None:
    """Measure every client that is installed, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=10_000, help="orders in each measurement (default: 10000)")
    parser.add_argument("--warm", type=int, default=100_000, help="orders before openoutcry is measured again")
    parser.add_argument("--clients", default=",".join(CLIENTS), help="which of: " + ", ".join(CLIENTS))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
        warm = arguments.warm if arguments.run == "openoutcry" else 0
        figures = asyncio.run(_run(arguments.run, arguments.url, arguments.orders, warm))
        print(json.dumps(figures))
        return
    rows = {name: measure(name, arguments) for name in arguments.clients.split(",")}
    if arguments.json:
        print(json.dumps({"order_path": rows}))
    else:
        show(rows, arguments)


async def _run(name: str, url: str, orders: int, warm: int) -> dict[str, float]:
    return await CLIENTS[name][0](url, orders, warm)


def measure(name: str, arguments: argparse.Namespace) -> dict[str, float] | None:
    """One client in a process of its own, against an exchange in another; None when it isn't installed."""
    package = CLIENTS[name][1]
    if package is not None and importlib.util.find_spec(package) is None:
        return None
    server = subprocess.Popen([sys.executable, str(HERE / "loopback_exchange.py")], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        command = [sys.executable, __file__, "--run", name, "--url", url]
        options = ["--orders", str(arguments.orders), "--warm", str(arguments.warm)]
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        output = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE).stdout
        figures: dict[str, float] = json.loads(output.splitlines()[-1])
        return figures
    finally:
        server.kill()
        server.wait()


def show(rows: dict[str, dict[str, float] | None], arguments: argparse.Namespace) -> None:
    """A table, and the ratios to the bare client."""
    bare = rows.get("bare aiohttp")
    print(f"order path, place → acknowledged, {arguments.orders:,} orders, client on one core\n")
    print(f"{'client':<16}{'one in flight':>16}{'ratio':>8}{'32 in flight':>16}{'ratio':>8}{'CPU':>12}")
    for name, figures in rows.items():
        if figures is None:
            print(f"{name:<16}{'not installed':>16}")
            continue
        ratio_one = f"{figures['one_us'] / bare['one_us']:.2f}" if bare else ""
        ratio_many = f"{figures['orders_per_s'] / bare['orders_per_s']:.2f}" if bare else ""
        print(
            f"{name:<16}{figures['one_us']:>13,.0f} µs{ratio_one:>8}{figures['orders_per_s']:>14,.0f}/s{ratio_many:>8}"
            f"{figures['cpu_us']:>9,.0f} µs"
        )
    ours = rows.get("openoutcry")
    if ours:
        print(
            f"\nof openoutcry's CPU: journal {ours['journal_us']:.1f} µs an order "
            f"({ours['journal_us'] / ours['cpu_us']:.0%}),"
            f" signer {ours['signer_us']:.1f} µs ({ours['signer_us'] / ours['cpu_us']:.0%})"
        )
        if "warm_orders_per_s" in ours:
            print(
                f"after {arguments.warm:,} orders more: {ours['warm_orders_per_s']:,.0f}/s, "
                f"{ours['warm_cpu_us']:,.0f} µs CPU an order"
            )


if __name__ == "__main__":
    main()
