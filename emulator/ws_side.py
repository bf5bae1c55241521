"""The WebSocket side of the server: connections to market streams and to the WebSocket API, pings and lifetimes."""

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import parse_qs, unquote

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from openoutcry.emulator.binance.errors import unknown_error
from openoutcry.emulator.binance.exchange import BinanceExchange
from openoutcry.emulator.binance.rest import HttpResponse
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
from openoutcry.emulator.http_answer import WholeAnswer
from openoutcry.emulator.hubs import MarketConnection, MarketHub, UserConnection, UserHub
from openoutcry.emulator.sockets import ServerSocket

_logger = logging.getLogger(__name__)
WS_API_PATH = "/ws-api/v3"
_PONG_WITHIN_S = 60.0
_API_CONNECTION_WEIGHT = 2


class WebSocketSide:
    """Accepts WebSockets and serves them until they end."""

    def __init__(
        self,
        exchange: BinanceExchange,
        market: MarketHub,
        user: UserHub,
        faults: FaultPlan,
        clock: Callable[[], int],
        flush_soon: Callable[[], None],
    ) -> None:
        self.sockets: set[ServerSocket] = set()
        self._exchange = exchange
        self._market = market
        self._user = user
        self._faults = faults
        self._clock = clock
        self._flush_soon = flush_soon

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one WebSocket to its end."""
        path, _, query = request.raw_path.partition("?")
        refusal = self._refusal(request, path)
        if refusal is not None:
            return WholeAnswer(HttpResponse(refusal, b"{}"))
        response = web.WebSocketResponse(autoping=False, compress=False)
        await response.prepare(request)
        transport = request.transport
        if transport is None:
            return response
        socket = ServerSocket(response, transport, asyncio.get_running_loop().time())
        self.sockets.add(socket)
        try:
            if path == WS_API_PATH:
                await self._serve_api(socket, request, query)
            else:
                await self._serve_streams(socket, _url_streams(path, query), combined=path == "/stream")
        finally:
            self.sockets.discard(socket)
        return response

    def keep_up(self, now: float, ping_interval_s: float, lifetime_s: float) -> None:
        """Send the pings that are due, and end connections that are too old or answer no pings."""
        for socket in tuple(self.sockets):
            if now - socket.opened_at >= lifetime_s:
                socket.close()
            elif socket.awaits_pong_since is not None and now - socket.awaits_pong_since > _PONG_WITHIN_S:
                socket.drop()
            elif now - socket.pinged_at >= ping_interval_s:
                socket.ping(now)

    def _refusal(self, request: web.BaseRequest, path: str) -> int | None:
        """The HTTP status under which a handshake is refused, None if it isn't."""
        if not (path in (WS_API_PATH, "/ws", "/stream") or path.startswith("/ws/")):
            return 404
        rejection = self._faults.on_handshake(path) if self._faults.connections else None
        if rejection is not None:
            return rejection.status
        weight = _API_CONNECTION_WEIGHT if path == WS_API_PATH else 0
        if not self._exchange.ip_usage(request.remote or "").connect(self._clock(), weight):
            return 429
        return None

    async def _serve_streams(self, socket: ServerSocket, streams: list[str], *, combined: bool) -> None:
        connection = MarketConnection(socket, StreamSession(self._exchange.limits, streams, combined=combined))
        self._market.open(connection)
        session = connection.session
        try:
            async for message in socket.response:
                if socket.stalled:
                    continue
                session.count_message(self._clock())
                if self._is_control(socket, message.type, message.data):
                    continue
                before = tuple(session.streams)
                socket.send(session.answer(message.data))
                self._market.change(connection, before)
        except TooManyMessages:
            socket.close(WSCloseCode.POLICY_VIOLATION, b"Too many requests")
        finally:
            self._market.close(connection)

    async def _serve_api(self, socket: ServerSocket, request: web.BaseRequest, query: str) -> None:
        shows = "returnRateLimits=false" not in query
        session = WsApiSession(self._exchange, request.remote or "", self._clock(), return_rate_limits=shows)
        connection = UserConnection(socket, session)
        self._user.connections[connection] = None
        try:
            async for message in socket.response:
                if socket.stalled or self._is_control(socket, message.type, message.data):
                    continue
                if self._faults.ws_api_requests:
                    action = self._faults.on_ws_api_request(_method_of(message.data))
                    if action is not None:
                        await self._strike(action, socket, session, message.data)
                        continue
                socket.send(self._answer(session, message.data))
        finally:
            del self._user.connections[connection]
            session.close()

    def _answer(self, session: WsApiSession, frame: str | bytes) -> bytes:
        try:
            return session.answer(frame, self._clock())
        except Exception:
            _logger.exception("a WebSocket API request failed")
            return orjson.dumps({"id": None, "status": 500, "error": unknown_error().body()})
        finally:
            self._flush_soon()

    async def _strike(
        self, action: RequestAction, socket: ServerSocket, session: WsApiSession, frame: str | bytes
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

    @staticmethod
    def _is_control(socket: ServerSocket, kind: WSMsgType, data: bytes) -> bool:
        """Deal with pings, pongs and closing; False for a message proper."""
        if kind is WSMsgType.PING:
            socket.pong(data)
        elif kind is WSMsgType.PONG:
            socket.awaits_pong_since = None
        return kind not in (WSMsgType.TEXT, WSMsgType.BINARY)


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
