"""A pure exchange with keys of every kind, and a signer written from the documents, not from the code under test."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from yarl import URL

from openoutcry.emulator.binance.auth import Permission, hmac_key, public_key
from openoutcry.emulator.binance.exchange import BinanceExchange
from openoutcry.emulator.binance.limits import RateLimits
from openoutcry.emulator.binance.rest import HttpRequest, HttpResponse, http
from openoutcry.emulator.binance.ws_api import WsApiSession
from openoutcry.emulator.engine import NewOrder, OrderType, Side, TimeInForce
from openoutcry.emulator.markets import default_markets
from openoutcry.emulator.server import TEST_API_KEY, TEST_API_SECRET, EmulatorServer

NOW = 1_767_225_600_000
SEED = bytes(range(32))


class Bench:
    """A pure exchange at a time of our own."""

    def __init__(self, limits: RateLimits | None = None) -> None:
        self.now = NOW
        self.exchange = BinanceExchange([market for market, _ in default_markets().values()], limits)
        balances = {"USDT": Decimal(100_000), "BTC": Decimal(2)}
        self.exchange.create_account("alice", balances, hmac_key("aliceKey", "aliceSecret", "alice"))
        self.exchange.create_account("bob", balances, hmac_key("bobKey", "bobSecret", "bob"))
        readonly = frozenset({Permission.READ})
        self.exchange.keys.add(hmac_key("readKey", "readSecret", "alice", readonly))
        self.ed25519 = Ed25519PrivateKey.from_private_bytes(SEED)
        pem = self.ed25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.exchange.keys.add(public_key("edKey", pem, "alice"))
        self.secrets = {"aliceKey": "aliceSecret", "bobKey": "bobSecret", "readKey": "readSecret"}

    def sign(self, key: str, payload: str) -> str:
        if key == "edKey":
            return base64.b64encode(self.ed25519.sign(payload.encode())).decode()
        return hmac.new(self.secrets[key].encode(), payload.encode(), hashlib.sha256).hexdigest()

    def signed_query(self, query: str, key: str = "aliceKey") -> str:
        query = f"{query}&timestamp={self.now}" if query else f"timestamp={self.now}"
        signature = self.sign(key, query).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        return f"{query}&signature={signature}"

    def rest(self, method: str, path: str, query: str = "", *, key: str | None = "aliceKey") -> HttpResponse:
        if key is not None:
            query = self.signed_query(query, key)
        return self.raw(method, path, query, key=key)

    def raw(
        self, method: str, path: str, query: str = "", body: str = "", *, key: str | None = None, ip: str = "10.0.0.1"
    ) -> HttpResponse:
        return http(self.exchange, HttpRequest(method, path, query, body, key, ip), self.now)

    def order(self, query: str, *, key: str = "aliceKey") -> Any:
        response = self.rest("POST", "/api/v3/order", query, key=key)
        return json.loads(response.body)

    def quote(self, side: Side, price: str, quantity: str, account: str = "bob") -> None:
        """Put a resting order into the engine, past the wire."""
        placed = self.exchange.engine.place(
            account,
            NewOrder(
                symbol="BTCUSDT",
                side=side,
                type=OrderType.LIMIT,
                time_in_force=TimeInForce.GTC,
                quantity=Decimal(quantity),
                price=Decimal(price),
            ),
            self.now,
        )
        self.exchange.record(placed.events)

    def session(self) -> WsApiSession:
        return WsApiSession(self.exchange, "10.0.0.1", self.now)

    def ask(self, session: WsApiSession, method: str, params: dict[str, Any] | None = None, *, key: str = "") -> Any:
        params = dict(params or {})
        if key:
            params |= {"apiKey": key, "timestamp": self.now}
            params["signature"] = self.sign(key, "&".join(f"{name}={params[name]}" for name in sorted(params)))
        return json.loads(session.answer(json.dumps({"id": "q", "method": method, "params": params}), self.now))


class Trader:
    """A client over real sockets, as plain as can be."""

    def __init__(self, server: EmulatorServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.http = session

    async def call(self, method: str, path: str, query: str = "", *, signed: bool = True) -> tuple[int, Any]:
        """Send a request, and return its status and its parsed answer."""
        status, body, _ = await self.call_raw(method, path, query, signed=signed)
        return status, json.loads(body)

    async def call_raw(
        self, method: str, path: str, query: str = "", *, signed: bool = True
    ) -> tuple[int, bytes, Mapping[str, str]]:
        if signed:
            query = f"{query}&timestamp={self.server.now_ms()}".lstrip("&")
            query += "&signature=" + hmac.new(TEST_API_SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self.server.urls.rest_url}{path}" + (f"?{query}" if query else "")
        async with self.http.request(method, URL(url, encoded=True), headers={"X-MBX-APIKEY": TEST_API_KEY}) as answer:
            return answer.status, await answer.read(), answer.headers

    async def buy(self, client_order_id: str, price: str = "50000") -> tuple[int, Any]:
        """Place a small limit order on BTCUSDT, far below the market unless told otherwise."""
        query = f"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={price}"
        return await self.call("POST", "/api/v3/order", f"{query}&newClientOrderId={client_order_id}")

    def streams(self, path: str) -> Any:
        """Open market streams: `async with trader.streams("/ws") as ws`."""
        return self.http.ws_connect(self.server.urls.ws_url + path, autoping=False)

    async def user_stream(self) -> aiohttp.ClientWebSocketResponse:
        """Open the WebSocket API and subscribe to the account."""
        ws = await self.http.ws_connect(self.server.urls.ws_api_url, autoping=False)
        answer = await self.ask(ws, "userDataStream.subscribe.signature", {"apiKey": TEST_API_KEY})
        assert answer["status"] == 200
        return ws

    async def ask(self, ws: aiohttp.ClientWebSocketResponse, method: str, params: dict[str, Any]) -> Any:
        """Send one signed request on the WebSocket API, and return its answer."""
        params = params | {"apiKey": TEST_API_KEY, "timestamp": self.server.now_ms()}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = hmac.new(TEST_API_SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
        await ws.send_json({"id": 7, "method": method, "params": params})
        return await ws.receive_json(timeout=5)
