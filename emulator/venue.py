"""An emulated Binance spot without a way in: its state, its time, its faults, and who is sent what.

A server on a socket and a simulation in memory are two ways in.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

import orjson

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
from openoutcry.emulator.sessions import WebSocketSessions

TEST_ACCOUNT: Final = "test"
TEST_API_KEY: Final = "openoutcryTestKey000000000000000000000000000000000000000000000001"
TEST_API_SECRET: Final = "openoutcryTestSecret0000000000000000000000000000000000000000001"  # noqa: S105 - public
_FLOW_ACTIONS_A_STEP: Final = 60
"""Of the background order flow on all symbols together, so that many symbols do not take the whole processor."""
_BEHIND_AT_MOST_S: Final = 1.0


class EmulatedVenue:
    """One emulated exchange.

    Args:
        clock: wall time in milliseconds.
        markets: symbols with their first prices; `default_markets()` if None.
        balances: of the test account (`TEST_ACCOUNT`, `TEST_API_KEY`, `TEST_API_SECRET`).
        flow_seed: of the background order flow; None for none, then books are empty until somebody quotes.
        flow_every_ticks: how many ticks of 100 ms lie between two steps of it.
        flow_actions: how many acts of it a symbol and step has; None: what many symbols leave room for.
        limits: rate limits; those of the live exchange if None.
        ping_interval_s, lifetime_s: of WebSockets, in seconds.
        replay: a recording to serve in place of markets of its own.
        replay_speed: how many recorded seconds go by in one; None or 0 for as fast as possible.
        replay_start: when the replay begins.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], int],
        markets: Mapping[str, tuple[Market, Decimal]] | None = None,
        balances: Mapping[str, Decimal] | None = None,
        flow_seed: int | None = 1,
        flow_every_ticks: int = 1,
        flow_actions: int | None = None,
        limits: RateLimits | None = None,
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
        self._clock = clock
        self._ping_interval_s = ping_interval_s
        self._lifetime_s = lifetime_s
        prices = {symbol: price for symbol, (_, price) in markets.items()}
        actions = flow_actions or max(1, min(12, _FLOW_ACTIONS_A_STEP // max(1, len(prices))))
        self._flow = OrderFlow(flow_seed, prices, actions=actions) if flow_seed is not None and prices else None
        self._flow_every_ticks = flow_every_ticks
        self._publisher = Publisher(self.binance)
        self.replay: Replay | None = None
        """The replay under way, if there is one."""
        if replay is not None:
            self.replay = Replay(replay, self._publish, speed=replay_speed, start=replay_start)
        self._market_hub = MarketHub(self.replay or self._publisher, self.faults, self.now_ms)
        self._user_hub = UserHub(self.faults, self.now_ms)
        self.sessions = WebSocketSessions(
            self.binance, self._market_hub, self._user_hub, self.faults, self.now_ms, self._flush_soon
        )
        self._ticks = 0
        self._flush_is_due = False
        self._tick_handle: asyncio.TimerHandle | None = None

    # Time

    def begin(self, *, auto_tick: bool = True) -> None:
        """Let the order flow quote its first prices and, with `auto_tick`, time go by in the running loop."""
        if self._flow is not None:
            self.binance.record(self._flow.start(self.exchange, self.now_ms()))
        if auto_tick:
            loop = asyncio.get_running_loop()
            self._tick_handle = loop.call_later(TICK_MS / 1000, self._on_tick, loop.time() + TICK_MS / 1000)

    def end(self) -> None:
        """Let time stand still."""
        if self._tick_handle is not None:
            self._tick_handle.cancel()
            self._tick_handle = None

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
        self.sessions.keep_up(asyncio.get_running_loop().time(), self._ping_interval_s, self._lifetime_s)

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

    def respond(self, request: HttpRequest) -> HttpResponse:
        """Answer a REST request; what it moved is sent to streams right after."""
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
