"""The emulated Binance spot on a loopback port: REST, market streams and the WebSocket API, with faults by script."""

import asyncio
import errno
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

import orjson
from aiohttp import web

from openoutcry.emulator.binance.auth import hmac_key
from openoutcry.emulator.binance.exchange import BinanceExchange
from openoutcry.emulator.binance.limits import RateLimits
from openoutcry.emulator.binance.publisher import TICK_MS, Payload, Publisher
from openoutcry.emulator.binance.rest import HttpRequest, HttpResponse, http
from openoutcry.emulator.binance.user_events import user_event
from openoutcry.emulator.engine import Market, OrderFlow
from openoutcry.emulator.faults import FaultPlan
from openoutcry.emulator.hubs import MarketHub, UserHub
from openoutcry.emulator.markets import default_balances, default_markets
from openoutcry.emulator.recording import Recording
from openoutcry.emulator.replay import Replay, ReplayStart
from openoutcry.emulator.rest_side import RestSide
from openoutcry.emulator.sockets import reset
from openoutcry.emulator.ws_side import WS_API_PATH, WebSocketSide

HOST: Final = "127.0.0.1"
TEST_ACCOUNT: Final = "test"
TEST_API_KEY: Final = "openoutcryTestKey000000000000000000000000000000000000000000000001"
TEST_API_SECRET: Final = "openoutcryTestSecret0000000000000000000000000000000000000000001"  # noqa: S105 - public
_FLOW_ACTIONS_A_STEP: Final = 60
"""Of the background order flow on all symbols together, so that many symbols do not take the whole processor."""
_BEHIND_AT_MOST_S: Final = 1.0


class PortInUse(OSError):
    """Another program listens on the port already."""

    def __init__(self, port: int) -> None:
        super().__init__(
            errno.EADDRINUSE,
            f"port {port} on {HOST} is in use: stop the program that listens there, or choose another port "
            "(0 takes any free one)",
        )
        self.port = port


@dataclass(frozen=True, slots=True)
class EmulatorUrls:
    """Where the emulator listens, in the form of Binance's own endpoints."""

    rest_url: str
    """Goes before "/api/v3/…"."""
    ws_url: str
    """Goes before "/ws" and "/stream"."""
    ws_api_url: str
    """The whole URL of the WebSocket API."""


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class EmulatorServer:
    """One emulated exchange. Use it as an async context manager, or with `start` and `stop`.

    Args:
        markets: symbols with their first prices; `default_markets()` if None.
        balances: of the test account (`TEST_ACCOUNT`, `TEST_API_KEY`, `TEST_API_SECRET`).
        flow_seed: of the background order flow; None for none, then books are empty until somebody quotes.
        flow_every_ticks: how many ticks of 100 ms lie between two steps of it.
        limits: rate limits; those of the live exchange if None.
        clock: wall time in milliseconds.
        auto_tick: False: time-driven work (order flow, depth diffs, pings) happens only in calls of `tick`.
        ping_interval_s, lifetime_s: of WebSockets, in seconds.
        replay: a recording to serve in place of markets of its own.
        replay_speed: how many recorded seconds go by in one; None or 0 for as fast as possible.
        replay_start: when the replay begins.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        markets: Mapping[str, tuple[Market, Decimal]] | None = None,
        balances: Mapping[str, Decimal] | None = None,
        flow_seed: int | None = 1,
        flow_every_ticks: int = 1,
        limits: RateLimits | None = None,
        clock: Callable[[], int] = wall_clock_ms,
        auto_tick: bool = True,
        ping_interval_s: float = 20.0,
        lifetime_s: float = 86_400.0,
        replay: Recording | None = None,
        replay_speed: float | None = 1.0,
        replay_start: ReplayStart = ReplayStart.ON_SUBSCRIBE,
    ) -> None:
        if replay is not None:
            markets = {}
        elif markets is None:
            markets = default_markets()
        self.binance = BinanceExchange([market for market, _ in markets.values()], limits)
        self.exchange = self.binance.engine
        """The truth, for comparisons."""
        self.binance.create_account(
            TEST_ACCOUNT,
            default_balances() if balances is None else balances,
            hmac_key(TEST_API_KEY, TEST_API_SECRET, TEST_ACCOUNT),
        )
        self.faults = FaultPlan()
        self.clock_skew_ms = 0
        """Added to every reading of the clock: a server that is ahead (or, if negative, behind)."""
        self._port = port
        self._clock = clock
        self._auto_tick = auto_tick
        self._ping_interval_s = ping_interval_s
        self._lifetime_s = lifetime_s
        prices = {symbol: price for symbol, (_, price) in markets.items()}
        actions = max(1, min(12, _FLOW_ACTIONS_A_STEP // max(1, len(prices))))
        self._flow = OrderFlow(flow_seed, prices, actions=actions) if flow_seed is not None and prices else None
        self._flow_every_ticks = flow_every_ticks
        self._publisher = Publisher(self.binance)
        self.replay: Replay | None = None
        """The replay under way, if there is one."""
        if replay is not None:
            self.replay = Replay(replay, self._publish, speed=replay_speed, start=replay_start)
        self._market_hub = MarketHub(self.replay or self._publisher, self.faults, self.now_ms)
        self._user_hub = UserHub(self.faults, self.now_ms)
        self._rest = RestSide(self._respond, self.faults)
        self._ws = WebSocketSide(
            self.binance, self._market_hub, self._user_hub, self.faults, self.now_ms, self._flush_soon
        )
        self._ticks = 0
        self._flush_is_due = False
        self._web_server: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._tick_handle: asyncio.TimerHandle | None = None
        self._urls: EmulatorUrls | None = None

    # Life

    async def start(self) -> EmulatorUrls:
        """Listen. Raises `PortInUse` if another program has the port."""
        if self._flow is not None:
            self.binance.record(self._flow.start(self.exchange, self.now_ms()))
        self._web_server = web.Server(self._handle, access_log=None)
        await self._listen()
        if self._auto_tick:
            loop = asyncio.get_running_loop()
            self._tick_handle = loop.call_later(TICK_MS / 1000, self._on_tick, loop.time() + TICK_MS / 1000)
        return self.urls

    async def stop(self) -> None:
        """Close all connections and the port."""
        if self._tick_handle is not None:
            self._tick_handle.cancel()
            self._tick_handle = None
        await self.stop_listening()
        if self.replay is not None:
            await self.replay.stop()
        for socket in tuple(self._ws.sockets):
            socket.close()
        if self._web_server is not None:
            await self._web_server.shutdown(1.0)
            self._web_server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def urls(self) -> EmulatorUrls:
        """Where it listens. Raises RuntimeError before `start`."""
        if self._urls is None:
            raise RuntimeError("the emulator was not started")
        return self._urls

    @property
    def is_listening(self) -> bool:
        """Whether it accepts connections now."""
        return self._listener is not None

    async def stop_listening(self) -> None:
        """Refuse new connections at the TCP level (ECONNREFUSED); open ones live on."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            await asyncio.sleep(0)

    async def resume_listening(self) -> None:
        """Accept connections again, on the same port."""
        if self._listener is None:
            await self._listen()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(self._accept, HOST, self._port, backlog=1024)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(self._port) from error
            raise
        self._port = self._listener.sockets[0].getsockname()[1]
        self._urls = EmulatorUrls(
            f"http://{HOST}:{self._port}", f"ws://{HOST}:{self._port}", f"ws://{HOST}:{self._port}{WS_API_PATH}"
        )

    def _accept(self) -> asyncio.BaseProtocol:
        if self._web_server is None or (self.faults.connections and self.faults.on_accept()):
            return _Refused()
        return self._web_server()

    # Time

    def now_ms(self) -> int:
        """The exchange's wall time, in milliseconds since the epoch."""
        return self._clock() + self.clock_skew_ms

    def tick(self) -> None:
        """Let a tenth of a second pass: order flow, diffs, periodic streams, pings."""
        self._ticks += 1
        now_ms = self.now_ms()
        if self._flow is not None and self._ticks % self._flow_every_ticks == 0:
            self.binance.record(self._flow.step(self.exchange, now_ms))
        self.flush()
        self._market_hub.publish(self._publisher.periodic(now_ms, self._ticks))
        self._ws.keep_up(asyncio.get_running_loop().time(), self._ping_interval_s, self._lifetime_s)

    def _on_tick(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        next_due = due + TICK_MS / 1000
        if loop.time() - next_due > _BEHIND_AT_MOST_S:
            next_due = loop.time()  # the process was held up; what was missed is not made up for
        self._tick_handle = loop.call_at(next_due, self._on_tick, next_due)
        self.tick()

    # Acts for tests, beside the scripted faults

    def deposit(self, asset: str, amount: Decimal, account_id: str = TEST_ACCOUNT) -> None:
        """Credit an account (negative: debit it); its user streams hear of it."""
        self.binance.deposit(account_id, asset, amount, self.now_ms())
        self._flush_soon()

    def stop_flow(self) -> None:
        """No more background orders: books come to rest."""
        self._flow = None

    def drop_connections(self, *, market: bool = True, user: bool = True) -> None:
        """Cut WebSockets without a close."""
        chosen = [one.socket for one in self._market_hub.connections] if market else []
        chosen += [one.socket for one in self._user_hub.connections] if user else []
        for socket in chosen:
            socket.drop()

    def stall_connections(self, *, market: bool = True, user: bool = True) -> None:
        """Let open WebSockets fall silent, pongs and all."""
        for market_connection in self._market_hub.connections if market else ():
            market_connection.socket.stalled = True
        for user_connection in self._user_hub.connections if user else ():
            user_connection.socket.stalled = True

    def announce_shutdown(self) -> None:
        """`serverShutdown` on every WebSocket, which then closes."""
        self._market_hub.announce_shutdown(self._market_hub.connections)
        self._user_hub.announce_shutdown(self._user_hub.connections)

    def terminate_user_streams(self, account_id: str | None = None) -> None:
        """`eventStreamTerminated` to the user streams of an account (None: all)."""
        self._user_hub.terminate(account_id)

    @property
    def market_connections(self) -> int:
        """Open connections to market streams."""
        return len(self._market_hub.connections)

    @property
    def user_connections(self) -> int:
        """Open connections to the WebSocket API."""
        return len(self._user_hub.connections)

    # Requests

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if "Upgrade" in request.headers:
            return await self._ws.handle(request)
        return await self._rest.handle(request)

    def _respond(self, request: HttpRequest) -> HttpResponse:
        if self.replay is not None:
            recorded = self.replay.respond(request, self.now_ms())
            if recorded is not None:
                return recorded
        response = http(self.binance, request, self.now_ms())
        if request.method != "GET":
            self._flush_soon()
        return response

    def _publish(self, payloads: Iterable[Payload]) -> None:
        self._market_hub.publish(payloads)

    def _flush_soon(self) -> None:
        """Send what happened once the answer under way is written."""
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Send what happened to user streams, and trades and best prices to market streams."""
        self._flush_is_due = False
        for event in self.binance.take_user_events():
            shown = user_event(event)
            self._user_hub.publish(event.account_id, str(shown["e"]), orjson.dumps(shown))
        payloads = self._publisher.at_once(self.now_ms())
        if payloads:
            self._market_hub.publish(payloads)


class _Refused(asyncio.Protocol):
    """A connection that is reset as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            reset(transport)
