"""What happens on WebSockets, whatever carries them: who may connect, what frames do, pings and lifetimes."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import parse_qs, unquote

import orjson

from openoutcry.emulator.binance.errors import unknown_error
from openoutcry.emulator.binance.exchange import BinanceExchange
from openoutcry.emulator.binance.streams import StreamSession, TooManyMessages
from openoutcry.emulator.binance.ws_api import WsApiSession
from openoutcry.emulator.faults import (
    Answer,
    DelayAnswer,
    FaultPlan,
    ReplaceBody,
    RequestAction,
    ResetConnection,
    TruncateBody,
    When,
)
from openoutcry.emulator.hubs import MarketConnection, MarketHub, PushSocket, UserConnection, UserHub

__all__ = ["WS_API_PATH", "Connection", "TooManyMessages", "WebSocketSessions"]

_logger = logging.getLogger(__name__)
WS_API_PATH: Final = "/ws-api/v3"
_PONG_WITHIN_S: Final = 60.0
_API_CONNECTION_WEIGHT: Final = 2

Connection = MarketConnection | UserConnection


class WebSocketSessions:
    """All WebSockets of an exchange: connections to market streams and to the WebSocket API."""

    def __init__(
        self,
        exchange: BinanceExchange,
        market: MarketHub,
        user: UserHub,
        faults: FaultPlan,
        clock: Callable[[], int],
        flush_soon: Callable[[], None],
    ) -> None:
        self.sockets: dict[PushSocket, None] = {}
        self._exchange = exchange
        self._market = market
        self._user = user
        self._faults = faults
        self._clock = clock
        self._flush_soon = flush_soon

    def refusal(self, path: str, ip: str) -> int | None:
        """The HTTP status under which a handshake is refused, None if it isn't."""
        if not (path in (WS_API_PATH, "/ws", "/stream") or path.startswith("/ws/")):
            return 404
        rejection = self._faults.on_handshake(path) if self._faults.connections else None
        if rejection is not None:
            return rejection.status
        weight = _API_CONNECTION_WEIGHT if path == WS_API_PATH else 0
        if not self._exchange.ip_usage(ip).connect(self._clock(), weight):
            return 429
        return None

    def open(self, socket: PushSocket, path: str, query: str, ip: str) -> Connection:
        """Take in a socket whose handshake was not refused."""
        self.sockets[socket] = None
        if path == WS_API_PATH:
            shows = "returnRateLimits=false" not in query
            api = WsApiSession(self._exchange, ip, self._clock(), return_rate_limits=shows)
            user = UserConnection(socket, api)
            self._user.connections[user] = None
            return user
        streams = StreamSession(self._exchange.limits, _url_streams(path, query), combined=path == "/stream")
        market = MarketConnection(socket, streams)
        self._market.open(market)
        return market

    def close(self, connection: Connection) -> None:
        """Forget a connection that ended."""
        self.sockets.pop(connection.socket, None)
        if isinstance(connection, MarketConnection):
            self._market.close(connection)
        else:
            self._user.connections.pop(connection, None)
            connection.session.close()

    def arrived(self, connection: Connection) -> None:
        """Count anything that a client sent, pings and pongs included.

        Raises:
            TooManyMessages: the exchange disconnects this client.
        """
        if isinstance(connection, MarketConnection):
            connection.session.count_message(self._clock())

    def message(self, connection: Connection, frame: str | bytes) -> Coroutine[Any, Any, None] | None:
        """Answer a message; what is returned, if anything, is to be awaited before the next one."""
        if isinstance(connection, MarketConnection):
            before = tuple(connection.session.streams)
            connection.socket.send(connection.session.answer(frame))
            self._market.change(connection, before)
            return None
        if self._faults.ws_api_requests:
            action = self._faults.on_ws_api_request(_method_of(frame))
            if action is not None:
                return self._strike(action, connection.socket, connection.session, frame)
        connection.socket.send(self._answer(connection.session, frame))
        return None

    def keep_up(self, now: float, ping_interval_s: float, lifetime_s: float) -> None:
        """Send the pings that are due, and end connections that are too old or answer no pings."""
        for socket in tuple(self.sockets):
            if now - socket.opened_at >= lifetime_s:
                socket.close()
            elif socket.awaits_pong_since is not None and now - socket.awaits_pong_since > _PONG_WITHIN_S:
                socket.drop()
            elif now - socket.pinged_at >= ping_interval_s:
                socket.ping(now)

    def _answer(self, session: WsApiSession, frame: str | bytes) -> bytes:
        try:
            return session.answer(frame, self._clock())
        except Exception:
            _logger.exception("a WebSocket API request failed")
            return orjson.dumps({"id": None, "status": 500, "error": unknown_error().body()})
        finally:
            self._flush_soon()

    async def _strike(
        self, action: RequestAction, socket: PushSocket, session: WsApiSession, frame: str | bytes
    ) -> None:
        match action:
            case ResetConnection(when):
                if when is When.AFTER:
                    self._answer(session, frame)
                socket.drop()
            case DelayAnswer(seconds, When.BEFORE):
                await asyncio.sleep(seconds)
                socket.send(self._answer(session, frame))
            case DelayAnswer(seconds, When.AFTER):
                answer = self._answer(session, frame)
                asyncio.get_running_loop().call_later(seconds, socket.send, answer)
            case Answer(status, body, _, when):
                if when is When.AFTER:
                    self._answer(session, frame)
                socket.send(_error_envelope(frame, status, body))
            case TruncateBody(keep_bytes):
                socket.send(self._answer(session, frame)[:keep_bytes])
            case ReplaceBody(body):
                self._answer(session, frame)
                socket.send(body)


def _url_streams(path: str, query: str) -> list[str]:
    """The streams that a URL names: /ws/a/b or /stream?streams=a/b."""
    if path == "/stream":
        names = "/".join(parse_qs(query).get("streams", []))
    else:
        names = unquote(path.removeprefix("/ws"))
    return [name for name in names.split("/") if name]


def _method_of(frame: str | bytes) -> str:
    try:
        request = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return ""
    return str(request.get("method", "")) if isinstance(request, dict) else ""


def _error_envelope(frame: str | bytes, status: int, body: bytes) -> bytes:
    try:
        error = orjson.loads(body)
    except orjson.JSONDecodeError:
        error = unknown_error().body()
    request = orjson.loads(frame)
    return orjson.dumps({"id": request.get("id"), "status": status, "error": error, "rateLimits": []})
