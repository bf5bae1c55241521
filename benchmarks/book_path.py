"""The book path: depth frames from a real socket to a book whose best bid and ask are published, one core a client.

A generator in a process of its own, on another core, plays Binance over loopback: market data and REST. Each client
runs alone in its process on one core: it gets into step, then reads all frames as fast as it can, and its book must
equal the generator's at the end. Frames have 20 changed levels of a book of 2,000, seven in ten a new amount at a
known price, the rest a price that comes or goes near the top. A client whose package is not installed is named.

    python benchmarks/book_path.py [--frames N] [--rounds N] [--clients "a; b"] [--loop asyncio|uvloop] [--json]
"""

import argparse
import asyncio
import base64
import contextlib
import gc
import hashlib
import json
import random
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from rounds import METHOD, best, missing, pin, spread_of, take_turns

PAIR = "BTC-USDT"
SYMBOL = "BTCUSDT"
LEVELS = 1_000
CHANGES = 20
FIRST_ID = 1_000
STREAM = "btcusdt@depth@100ms"
FRAMES_A_WRITE = 32


# The generator


class Generator:
    """A book that changes, the frames that tell it, and a server of both."""

    def __init__(self, frames: int) -> None:
        self._random = random.Random(7)
        self.bids = {6_000_000 - tick: self._amount() for tick in range(1, LEVELS + 1)}
        self.asks = {6_000_000 + tick: self._amount() for tick in range(LEVELS)}
        self.snapshot = orjson.dumps({"lastUpdateId": FIRST_ID, **self._levels()})
        self.frames = [self._frame(FIRST_ID + number) for number in range(1, frames + 1)]
        self.final = orjson.dumps({"lastUpdateId": FIRST_ID + frames, **self._levels()})
        self._go = asyncio.Event()
        self._subscribed = asyncio.Event()

    def _amount(self) -> int:
        return self._random.randint(1, 5_000_000)

    def _levels(self) -> dict[str, list[list[str]]]:
        return {
            "bids": [[_price(tick), _quantity(self.bids[tick])] for tick in sorted(self.bids, reverse=True)],
            "asks": [[_price(tick), _quantity(self.asks[tick])] for tick in sorted(self.asks)],
        }

    def _frame(self, update_id: int) -> bytes:
        bids = self._changes(self.bids, -1, 5_999_999)
        asks = self._changes(self.asks, 1, 6_000_000)
        event = {"e": "depthUpdate", "E": 1_700_000_000_000 + update_id, "s": SYMBOL}
        first_id = update_id - (update_id == FIRST_ID + 1)  # the first reaches back into the snapshot, as live ones do
        return orjson.dumps({**event, "U": first_id, "u": update_id, "b": bids, "a": asks})

    def _changes(self, side: dict[int, int], direction: int, top: int) -> list[list[str]]:
        changes: dict[int, int] = {}
        while len(changes) < CHANGES // 2:
            tick = top + direction * min(int(self._random.expovariate(1 / 60)), 2 * LEVELS)
            if tick in changes:
                continue
            dice = self._random.random()
            if dice < 0.7:
                while tick not in side:
                    tick += direction
                changes[tick] = side[tick] = self._amount()
            elif tick in side and len(side) > LEVELS - 200:
                changes[tick] = 0
                del side[tick]
            elif tick not in side:
                changes[tick] = side[tick] = self._amount()
        return [[_price(tick), _quantity(amount)] for tick, amount in changes.items()]

    async def serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = head.split(" ", 2)[1]
                if "upgrade: websocket" in head.lower():
                    await self._websocket(reader, writer, head, is_combined=path.startswith("/stream"))
                    break
                body = self._answer(path)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    def _answer(self, path: str) -> bytes:
        if "/depth" in path:
            return self.snapshot
        if path.startswith("/final"):
            return self.final
        if path.startswith("/go"):
            self._go.set()
            return b"{}"
        if "exchangeInfo" in path:
            return orjson.dumps(EXCHANGE_INFO)
        return b"{}" if "/time" not in path else b'{"serverTime":1700000000000}'

    async def _websocket(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str, *, is_combined: bool
    ) -> None:
        headers = (line.partition(":") for line in head.split("\r\n"))
        key = next(value.strip() for name, _, value in headers if name.lower() == "sec-websocket-key")
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        accept = base64.b64encode(digest).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self._go = asyncio.Event()
        self._subscribed = asyncio.Event()
        subscribing = asyncio.create_task(self._answer_subscriptions(reader, writer))
        wrap = _combined if is_combined else bytes
        encoded = [_websocket_frame(wrap(frame)) for frame in self.frames]
        if STREAM not in head:
            await self._subscribed.wait()
        # The first frame alone: whoever waits for one before the snapshot gets it, and all begin the work in step.
        writer.write(encoded[0])
        await self._go.wait()
        for start in range(1, len(encoded), FRAMES_A_WRITE):
            writer.write(b"".join(encoded[start : start + FRAMES_A_WRITE]))
            await writer.drain()
        await subscribing

    async def _answer_subscriptions(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            opcode, length = await reader.readexactly(2)
            length &= 127
            if length == 126:
                length = struct.unpack(">H", await reader.readexactly(2))[0]
            mask = await reader.readexactly(4)
            data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(await reader.readexactly(length)))
            if opcode & 15 == 8:
                writer.close()
                return
            if opcode & 15 == 9:
                writer.write(bytes((0x8A, len(data))) + data)
            if opcode & 15 == 1 and b"SUBSCRIBE" in data:
                request = orjson.loads(data)
                writer.write(_websocket_frame(orjson.dumps({"result": None, "id": request["id"]})))
                if STREAM in request["params"]:
                    self._subscribed.set()


def _price(tick: int) -> str:
    return f"{tick // 100}.{tick % 100:02d}000000"


def _quantity(amount: int) -> str:
    return f"{amount // 100_000}.{amount % 100_000:05d}000"


def _combined(frame: bytes) -> bytes:
    return b'{"stream":"%s","data":%s}' % (STREAM.encode(), frame)


def _websocket_frame(payload: bytes) -> bytes:
    if len(payload) < 126:
        return struct.pack(">BB", 0x81, len(payload)) + payload
    return struct.pack(">BBH", 0x81, 126, len(payload)) + payload


EXCHANGE_INFO = {
    "timezone": "UTC",
    "serverTime": 1_700_000_000_000,
    "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}],
    "exchangeFilters": [],
    "symbols": [
        {
            "symbol": SYMBOL,
            "status": "TRADING",
            "baseAsset": "BTC",
            "baseAssetPrecision": 8,
            "quoteAsset": "USDT",
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "icebergAllowed": True,
            "ocoAllowed": True,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
                {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0", "maxQty": "100.0", "stepSize": "0.0"},
                {"filterType": "NOTIONAL", "minNotional": "5.0", "applyMinToMarket": True, "avgPriceMins": 5},
            ],
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "NONE",
            "allowedSelfTradePreventionModes": ["NONE"],
        }
    ],
}


# What the clients share


class Stopwatch:
    """Wall and CPU time from the start signal to the last frame."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def start(self) -> None:
        gc.collect()
        self.wall = -time.perf_counter()
        self.cpu = -time.process_time()

    def stop(self) -> None:
        self.wall += time.perf_counter()
        self.cpu += time.process_time()


Book = tuple[dict[float, float], dict[float, float]]
Client = Callable[[str, int, Stopwatch], Any]


async def get(url: str) -> bytes:
    """A GET by hand: what the clients ask of the generator beside their own work."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    writer.write(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    return body


async def go(url: str, stopwatch: Stopwatch) -> None:
    stopwatch.start()
    await get(url + "/go")


def by_price(levels: list[Any]) -> dict[float, float]:
    return {float(level[0]): float(level[1]) for level in levels}


# The clients


async def openoutcry_tree(url: str, last_id: int, stopwatch: Stopwatch) -> Book:
    """The whole path: transport, book source, book tracker, best bid and ask published to a subscriber."""
    from book_path_tree import follow

    return await follow(url, last_id, lambda: go(url, stopwatch), stopwatch.stop)


async def _frames_by_hand(url: str, stopwatch: Stopwatch) -> AsyncIterator[tuple[dict[str, Any], bool]]:
    import aiohttp

    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url.replace("http", "ws") + "/ws/" + STREAM, max_msg_size=0) as websocket,
    ):
        is_first = True
        async for message in websocket:
            yield orjson.loads(message.data), is_first
            if is_first:
                is_first = False
                await go(url, stopwatch)


async def aiohttp_drop(url: str, last_id: int, stopwatch: Stopwatch) -> None:
    """The floor under all: frames are read and dropped."""
    import aiohttp

    count = last_id - FIRST_ID
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url.replace("http", "ws") + "/ws/" + STREAM, max_msg_size=0) as websocket,
    ):
        receive = websocket.receive
        await receive()
        await go(url, stopwatch)
        for _ in range(count - 1):
            await receive()
        stopwatch.stop()


async def aiohttp_dict(url: str, last_id: int, stopwatch: Stopwatch) -> Book:
    snapshot = orjson.loads(await get(url + "/api/v3/depth"))
    bids, asks = by_price(snapshot["bids"]), by_price(snapshot["asks"])
    book_id = snapshot["lastUpdateId"]
    async for event, _ in _frames_by_hand(url, stopwatch):
        assert event["U"] <= book_id + 1
        for side, changes in ((bids, event["b"]), (asks, event["a"])):
            for price, amount in changes:
                number = float(amount)
                if number:
                    side[float(price)] = number
                else:
                    side.pop(float(price), None)
        book_id = event["u"]
        if book_id == last_id:
            stopwatch.stop()
            break
    return bids, asks


async def aiohttp_sorted_dict(url: str, last_id: int, stopwatch: Stopwatch) -> Book:
    from sortedcontainers import SortedDict

    snapshot = orjson.loads(await get(url + "/api/v3/depth"))
    bids, asks = SortedDict(by_price(snapshot["bids"])), SortedDict(by_price(snapshot["asks"]))
    book_id = snapshot["lastUpdateId"]
    async for event, _ in _frames_by_hand(url, stopwatch):
        assert event["U"] <= book_id + 1
        for side, changes in ((bids, event["b"]), (asks, event["a"])):
            for price, amount in changes:
                number = float(amount)
                if number:
                    side[float(price)] = number
                else:
                    side.pop(float(price), None)
        assert bids.peekitem(-1)[0] < asks.peekitem(0)[0]
        book_id = event["u"]
        if book_id == last_id:
            stopwatch.stop()
            break
    return dict(bids), dict(asks)


async def ccxt_pro(url: str, last_id: int, stopwatch: Stopwatch) -> Book:
    import ccxt.pro

    exchange = ccxt.pro.binance({"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}}})
    _redirect(exchange.urls["api"], url)
    exchange.options["fetchCurrencies"] = False
    try:
        book = await exchange.watch_order_book("BTC/USDT")
        await go(url, stopwatch)
        while book["nonce"] != last_id:
            book = await exchange.watch_order_book("BTC/USDT")
        stopwatch.stop()
        book = exchange.orderbooks["BTC/USDT"]
        return by_price(book["bids"]), by_price(book["asks"])
    finally:
        await exchange.close()


def _redirect(urls: dict[str, Any], url: str) -> None:
    for name, value in urls.items():
        if isinstance(value, dict):
            _redirect(value, url)
        elif value.startswith("ws"):
            urls[name] = url.replace("http", "ws") + "/ws"
        elif "/api/v3" in value:
            urls[name] = url + "/api/v3"


async def cryptofeed_book(url: str, last_id: int, stopwatch: Stopwatch) -> Book:
    from book_path_cryptofeed import follow

    return await follow(url, last_id, lambda: go(url, stopwatch), stopwatch.stop)


CLIENTS: dict[str, tuple[Client, str, str | None]] = {
    "openoutcry": (openoutcry_tree, "own", None),
    "aiohttp, frames dropped": (aiohttp_drop, "by hand", None),
    "aiohttp + orjson + dict": (aiohttp_dict, "by hand", None),
    "aiohttp + orjson + SortedDict": (aiohttp_sorted_dict, "by hand", "sortedcontainers"),
    "ccxt.pro": (ccxt_pro, "peer", "ccxt"),
    "cryptofeed": (cryptofeed_book, "peer", "cryptofeed"),
}
"""Name → the client, what it is, and the package that it needs beyond our own."""


# The run


def run_client(name: str, url: str, frames: int, loop: str) -> None:
    """Run one client in this process, and print what it came to as JSON."""
    pin(0)
    stopwatch = Stopwatch()

    async def run() -> str:
        book = await CLIENTS[name][0](url, FIRST_ID + frames, stopwatch)
        if book is None:
            return "not kept"
        final = orjson.loads(await get(url + "/final"))
        is_equal = book == (by_price(final["bids"]), by_price(final["asks"]))
        return "equal" if is_equal else "DIFFERS"

    if loop == "uvloop":
        import uvloop

        book = uvloop.run(run())
    else:
        book = asyncio.run(run())
    count = frames - 1
    print(
        json.dumps(
            {
                "frames_a_second": round(count / stopwatch.wall),
                "cpu_us_a_frame": round(stopwatch.cpu / count * 1e6, 2),
                "book": book,
            }
        )
    )


def run_generator(frames: int) -> None:
    pin(-1)
    generator = Generator(frames)
    gc.freeze()
    asyncio.run(generator.serve())


def _measure(name: str, url: str, frames: int, loop: str) -> dict[str, Any]:
    if row := missing(CLIENTS[name][2]):
        return row
    command = [sys.executable, __file__, "--client", name, "--url", url, "--frames", str(frames), "--loop", loop]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return {"missing": "did not end within 120 s"}
    if done.returncode:
        return {"missing": "failed: " + (done.stderr.strip().splitlines() or ["?"])[-1]}
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _one(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The best of the rounds; the book must have been right in all of them."""
    row = {"kind": CLIENTS[name][1], **best(rows, more_is_better={"frames_a_second"})}
    if any(of_round.get("book") == "DIFFERS" for of_round in rows):
        row["book"] = "DIFFERS"
    return row


def table(report: dict[str, Any]) -> str:
    lines = [
        f"Book path: {report['frames']:,} frames of {CHANGES} changed levels, a core a client, {report['loop']}",
        f"{'':32}{'frames/s':>10}{'CPU µs/frame':>14}{'speed':>8}  {'final book':10}  frames/s of the rounds",
    ]
    rows = report["rows"]
    base = next((row["frames_a_second"] for row in rows.values() if "missing" not in row), 1)
    for name, row in rows.items():
        if "missing" in row:
            lines.append(f"{name:32}{row['missing']}")
        else:
            speed = row["frames_a_second"] / base
            lines.append(
                f"{name:32}{row['frames_a_second']:>10,}{row['cpu_us_a_frame']:>14.1f}{speed:>8.2f}  {row['book']:10}"
                f"  {spread_of(row, 'frames_a_second')}"
            )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure the clients in turns; 1 if one ended with a wrong book."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=50_000, help="frames in a round (default: 50000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each client is measured (default: 3)")
    parser.add_argument("--clients", help=f"of: {'; '.join(CLIENTS)}")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        run_generator(options.frames)
        return 0
    if options.client:
        run_client(options.client, options.url, options.frames, options.loop)
        return 0
    names = [name.strip() for name in options.clients.split(";")] if options.clients else list(CLIENTS)
    if unknown := [name for name in names if name not in CLIENTS]:
        parser.error(f"no client {unknown[0]!r}; there are: {'; '.join(CLIENTS)}")
    generator = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--frames", str(options.frames)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert generator.stdout is not None
        url = f"http://127.0.0.1:{int(generator.stdout.readline())}"
        rows = take_turns(names, options.rounds, lambda name: _measure(name, url, options.frames, options.loop))
    finally:
        generator.terminate()
        generator.wait()
    report = {
        "benchmark": "book_path",
        "method": METHOD,
        "frames": options.frames,
        "loop": options.loop,
        "rows": {name: _one(name, of_one) for name, of_one in rows.items()},
    }
    print(json.dumps(report) if options.json else table(report))
    return 1 if any(row.get("book") == "DIFFERS" for row in report["rows"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
