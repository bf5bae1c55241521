"""A Binance that does as little as it can: so that what is measured is the client. Run as a process of its own.

REST orders are answered NEW at once; the user stream, if one is open, tells each order's NEW. GET /end cancels all open
orders. It matches nothing: for that there is the emulator.
"""

import asyncio
import base64
import hashlib
import itertools
import os
import struct
import sys
import time
from urllib.parse import parse_qsl

import orjson

FIRST_ID = 1_000
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-MBX-USED-WEIGHT-1M: 1\r\nContent-Length: "


def symbols(count: int) -> list[str]:
    """BTCUSDT and made-up ones."""
    return ["BTCUSDT", *(f"A{number:02d}USDT" for number in range(1, count))]


def exchange_info(count: int) -> bytes:
    """exchangeInfo with generous limits."""
    limits = (("REQUEST_WEIGHT", "MINUTE", 1), ("ORDERS", "SECOND", 10), ("ORDERS", "DAY", 1))
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0", "maxQty": "100.0", "stepSize": "0.0"},
        {"filterType": "NOTIONAL", "minNotional": "5.0", "applyMinToMarket": True, "avgPriceMins": 5},
    ]
    return orjson.dumps(
        {
            "timezone": "UTC",
            "serverTime": time.time_ns() // 1_000_000,
            "rateLimits": [
                {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": 1_000_000_000}
                for kind, interval, number in limits
            ],
            "exchangeFilters": [],
            "symbols": [
                {
                    "symbol": symbol,
                    "status": "TRADING",
                    "baseAsset": symbol.removesuffix("USDT"),
                    "baseAssetPrecision": 8,
                    "quoteAsset": "USDT",
                    "quotePrecision": 8,
                    "quoteAssetPrecision": 8,
                    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
                    "icebergAllowed": True,
                    "ocoAllowed": True,
                    "isSpotTradingAllowed": True,
                    "isMarginTradingAllowed": False,
                    "filters": filters,
                    "permissions": [],
                    "permissionSets": [["SPOT"]],
                    "defaultSelfTradePreventionMode": "NONE",
                    "allowedSelfTradePreventionModes": ["NONE"],
                }
                for symbol in symbols(count)
            ],
        }
    )


class LoopbackExchange(asyncio.Protocol):
    """One connection."""

    info = exchange_info(1)
    order_ids = itertools.count(1)
    execution_ids = itertools.count(1)
    streams: "set[LoopbackExchange]" = set()  # noqa: RUF012 - shared by all connections on purpose
    open: list[tuple[dict[str, str], int, str]] = []  # noqa: RUF012 - likewise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._buffer = b""
        self._is_websocket = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.streams.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer:
            taken = self._take_frame() if self._is_websocket else self._take_request()
            if not taken:
                return

    # HTTP

    def _take_request(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self._buffer[:end]
        lowered = head.lower()
        at = lowered.find(b"\r\ncontent-length:")
        length = int(lowered[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return False
        body = self._buffer[end + 4 : end + 4 + length]
        self._buffer = self._buffer[end + 4 + length :]
        if b"upgrade: websocket" in lowered:
            self._upgrade(head, lowered)
            return True
        method, target, _ = head.split(b" ", 2)
        path, _, query = target.partition(b"?")
        answer = self._answer(method, path, query + (b"&" if query and body else b"") + body)
        self._write(_HEAD + str(len(answer)).encode() + b"\r\n\r\n" + answer)
        return True

    def _answer(self, method: bytes, path: bytes, query: bytes) -> bytes:
        if path == b"/api/v3/order" and method == b"POST":
            return self._place(dict(parse_qsl(query.decode())))
        if path == b"/end":
            self._end_orders()
            return b"{}"
        if path == b"/api/v3/exchangeInfo":
            return self.info
        if path == b"/api/v3/depth":
            levels = [[[f"{60000 + sign * step}.00", "1.0"] for step in range(1, 200)] for sign in (-1, 1)]
            return orjson.dumps({"lastUpdateId": FIRST_ID, "bids": levels[0], "asks": levels[1]})
        if path == b"/api/v3/time":
            return orjson.dumps({"serverTime": time.time_ns() // 1_000_000})
        if path == b"/api/v3/account":
            balances = [{"asset": asset, "free": "1000000000", "locked": "0"} for asset in ("BTC", "USDT")]
            return orjson.dumps({"canTrade": True, "canWithdraw": False, "balances": balances})
        if path == b"/api/v3/account/commission":
            rates = {"maker": "0.001", "taker": "0.001", "buyer": "0", "seller": "0"}
            return orjson.dumps({"symbol": "BTCUSDT", "standardCommission": rates})
        return b"[]"

    def _place(self, order: dict[str, str]) -> bytes:
        order_id = next(self.order_ids)
        now_ms = time.time_ns() // 1_000_000
        client_order_id = order.get("newClientOrderId", f"made-up-{order_id}")
        if self.streams:
            self.open.append((order, order_id, client_order_id))
            self._tell(self._report(order, order_id, client_order_id, now_ms, "NEW", ""))
        return orjson.dumps(
            {
                "symbol": order["symbol"],
                "orderId": order_id,
                "orderListId": -1,
                "clientOrderId": client_order_id,
                "transactTime": now_ms,
                "price": order.get("price", "0"),
                "origQty": order["quantity"],
                "executedQty": "0.00000000",
                "origQuoteOrderQty": "0.000000",
                "cummulativeQuoteQty": "0.00000000",
                "status": "NEW",
                "timeInForce": "GTC",
                "type": order["type"],
                "side": order["side"],
                "workingTime": now_ms,
                "selfTradePreventionMode": "NONE",
                "fills": [],
            }
        )

    def _report(
        self, order: dict[str, str], order_id: int, client_id: str, now_ms: int, kind: str, original: str
    ) -> bytes:
        return _frame(
            orjson.dumps(
                {
                    "subscriptionId": 0,
                    "event": {
                        "e": "executionReport",
                        "E": now_ms,
                        "s": order["symbol"],
                        "c": client_id,
                        "S": order["side"],
                        "o": order["type"],
                        "f": "GTC",
                        "q": order["quantity"],
                        "p": order.get("price", "0"),
                        "P": "0",
                        "F": "0",
                        "g": -1,
                        "C": original,
                        "x": kind,
                        "X": kind,
                        "r": "NONE",
                        "i": order_id,
                        "l": "0",
                        "z": "0",
                        "L": "0",
                        "n": "0",
                        "N": None,
                        "T": now_ms,
                        "t": -1,
                        "I": next(self.execution_ids),
                        "w": kind == "NEW",
                        "m": False,
                        "M": False,
                        "O": now_ms,
                        "Z": "0",
                        "Y": "0",
                        "Q": "0",
                        "W": now_ms,
                        "V": "NONE",
                    },
                }
            )
        )

    # WebSocket

    def _tell(self, events: bytes) -> None:
        for stream in self.streams:
            stream._write(events)

    def _end_orders(self) -> None:
        now_ms = time.time_ns() // 1_000_000
        self._tell(
            b"".join(
                self._report(order, order_id, f"c{order_id}", now_ms, "CANCELED", client_order_id)
                for order, order_id, client_order_id in self.open
            )
        )
        self.open.clear()

    def _upgrade(self, head: bytes, lowered: bytes) -> None:
        at = lowered.index(b"\r\nsec-websocket-key:") + 20
        key = head[at:].split(b"\r\n", 1)[0].strip()
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self._is_websocket = True
        self._write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def _take_frame(self) -> bool:
        if len(self._buffer) < 2:
            return False
        opcode, length = self._buffer[0] & 15, self._buffer[1] & 127
        at = 2
        if length == 126:
            if len(self._buffer) < 4:
                return False
            length, at = struct.unpack(">H", self._buffer[2:4])[0], 4
        if len(self._buffer) < at + 4 + length:
            return False
        mask = self._buffer[at : at + 4]
        data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(self._buffer[at + 4 : at + 4 + length]))
        self._buffer = self._buffer[at + 4 + length :]
        if opcode == 8:
            self._write(b"\x88\x00")
            if isinstance(self._transport, asyncio.Transport):
                self._transport.close()
        elif opcode == 9:
            self._write(bytes((0x8A, len(data))) + data)
        elif opcode == 1:
            self._serve(orjson.loads(data))
        return True

    def _serve(self, request: dict[str, object]) -> None:
        method = str(request["method"])
        if method.startswith("userDataStream"):
            self._write(_frame(orjson.dumps({"id": request["id"], "status": 200, "result": {"subscriptionId": 0}})))
            self.streams.add(self)
            return
        self._write(_frame(orjson.dumps({"result": None, "id": request["id"]})))
        names = request.get("params")
        for name in names if isinstance(names, list) else ():
            symbol, _, stream = str(name).partition("@")
            if stream.startswith("depth"):
                level = [["60000.50", "1"]]
                diff = {"e": "depthUpdate", "E": 1, "s": symbol.upper(), "U": FIRST_ID, "u": FIRST_ID + 1}
                self._write(_frame(orjson.dumps({**diff, "b": [], "a": level})))

    def _write(self, data: bytes) -> None:
        if isinstance(self._transport, asyncio.Transport):
            self._transport.write(data)


def _frame(payload: bytes) -> bytes:
    if len(payload) < 126:
        return struct.pack(">BB", 0x81, len(payload)) + payload
    if len(payload) < 65536:
        return struct.pack(">BBH", 0x81, 126, len(payload)) + payload
    return struct.pack(">BBQ", 0x81, 127, len(payload)) + payload


async def serve(symbol_count: int) -> None:
    """Print the port and serve until killed."""
    LoopbackExchange.info = exchange_info(symbol_count)
    server = await asyncio.get_running_loop().create_server(LoopbackExchange, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
