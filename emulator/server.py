"""The emulated Binance spot on a loopback port: REST, market streams and the WebSocket API, with faults by script."""

import asyncio
import errno
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

from aiohttp import web

from openoutcry.emulator.binance.limits import RateLimits
from openoutcry.emulator.engine import Market
from openoutcry.emulator.recording import Recording
from openoutcry.emulator.replay import ReplayStart
from openoutcry.emulator.rest_side import RestSide
from openoutcry.emulator.sessions import WS_API_PATH
from openoutcry.emulator.sockets import reset
from openoutcry.emulator.venue import TEST_ACCOUNT, TEST_API_KEY, TEST_API_SECRET, EmulatedVenue
from openoutcry.emulator.ws_side import WebSocketSide

__all__ = [
    "HOST",
    "TEST_ACCOUNT",
    "TEST_API_KEY",
    "TEST_API_SECRET",
    "EmulatorServer",
    "EmulatorUrls",
    "PortInUse",
    "wall_clock_ms",
]

HOST: Final = "127.0.0.1"


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


class EmulatorServer(EmulatedVenue):
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
        super().__init__(
            clock=clock,
            markets=markets,
            balances=balances,
            flow_seed=flow_seed,
            flow_every_ticks=flow_every_ticks,
            limits=limits,
            ping_interval_s=ping_interval_s,
            lifetime_s=lifetime_s,
            replay=replay,
            replay_speed=replay_speed,
            replay_start=replay_start,
        )
        self._port = port
        self._auto_tick = auto_tick
        self._rest = RestSide(self.respond, self.faults)
        self._ws = WebSocketSide(self.sessions)
        self._web_server: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._urls: EmulatorUrls | None = None

    # Life

    async def start(self) -> EmulatorUrls:
        """Listen. Raises `PortInUse` if another program has the port."""
        self._web_server = web.Server(self._handle, access_log=None)
        await self._listen()
        self.begin(auto_tick=self._auto_tick)
        return self.urls

    async def stop(self) -> None:
        """Close all connections and the port."""
        self.end()
        await self.stop_listening()
        if self.replay is not None:
            await self.replay.stop()
        for socket in tuple(self.sessions.sockets):
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

    # Requests

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if "Upgrade" in request.headers:
            return await self._ws.handle(request)
        return await self._rest.handle(request)


class _Refused(asyncio.Protocol):
    """A connection that is reset as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            reset(transport)
