"""The transport port on real sockets: WebSockets by aiohttp, requests by our own client (`http_client`).

What it promises beyond the port: a request leaves once, nothing that came is kept unbounded, and no error text holds a
query, a header or a body.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from openoutcry.actors.ports.http_client import HttpClient, connecting_reason
from openoutcry.actors.ports.promise import Promise
from openoutcry.actors.ports.transport import HttpResponse, NotSent
from openoutcry.messages.rest import SignedRequest

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Largest answer that is read, after decompression. The longest known one, all trading rules, has about 20 MB."""
MAX_FRAME_BYTES = 16 * 1024 * 1024
CLOSE_TIMEOUT_S = 1.0

_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY
_PING = WSMsgType.PING
_PONG = WSMsgType.PONG


class AiohttpTransport:
    """REST requests and WebSockets, opened at their first use in the running loop."""

    def __init__(self) -> None:
        self._http = HttpClient(MAX_BODY_BYTES)
        self._session: aiohttp.ClientSession | None = None
        self._websockets: set[AiohttpWebSocket] = set()
        self._is_closed = False

    def request(self, base_url: str, request: SignedRequest, timeout_s: float) -> Promise[HttpResponse]:
        """Send a request; awaited, it gives the whole answer. Redirects are not followed; TLS is verified.

        Raises:
            NotSent: it certainly never reached the exchange.
            OutcomeUnknown: it may have.
        """
        return self._http.request(base_url, request, timeout_s)

    async def open_websocket(
        self,
        url: str,
        on_frame: Callable[[bytes], Awaitable[None] | None],
        on_closed: Callable[[str], None],
        timeout_s: float = 10.0,
    ) -> "AiohttpWebSocket":
        """Open a WebSocket. `on_frame` gets each text or binary frame, `on_closed` the reason, once.

        What `on_frame` returns, if anything, is awaited before the next frame is read.

        Raises:
            NotSent: the connection could not be opened.
        """
        session = self._session or self._open_session()
        try:
            async with asyncio.timeout(timeout_s):
                connection = await session.ws_connect(
                    url,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                    autoping=False,  # answered by hand, so that the server's pings count as signs of life
                    compress=0,
                    max_msg_size=MAX_FRAME_BYTES,
                    decode_text=False,
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotSent(f"WebSocket {_without_query(url)} did not open: {_reason(error)}") from None
        websocket = AiohttpWebSocket(connection, on_frame, on_closed, self._websockets.discard)
        self._websockets.add(websocket)
        return websocket

    async def close(self) -> None:
        """Close all that is open. Idempotent."""
        self._is_closed = True
        await asyncio.gather(*(websocket.close() for websocket in tuple(self._websockets)))
        await self._http.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise NotSent("the transport is closed")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self._session


class AiohttpWebSocket:
    """An open WebSocket: one task reads, one writes."""

    def __init__(
        self,
        connection: "aiohttp.ClientWebSocketResponse[bool]",
        on_frame: Callable[[bytes], Awaitable[None] | None],
        on_closed: Callable[[str], None],
        on_gone: Callable[["AiohttpWebSocket"], None],
    ) -> None:
        self._connection = connection
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._on_gone = on_gone
        self._last_heard_ns = time.monotonic_ns()
        self._outgoing: deque[tuple[WSMsgType, bytes]] = deque()
        self._has_outgoing = asyncio.Event()
        self._closing_reason = ""
        self._closing: asyncio.Task[None] | None = None
        self._writer = asyncio.create_task(self._write())
        self._reader = asyncio.create_task(self._read())

    def send(self, text: str) -> None:
        """Queue a text frame; frames leave in order. A closed socket swallows it: `on_closed` has told."""
        self._queue(_TEXT, text.encode())

    def ping(self) -> None:
        """Send a ping; its pong counts as a sign of life for `last_heard_ns`."""
        self._queue(_PING, b"")

    @property
    def last_heard_ns(self) -> int:
        """Monotonic time of the newest frame of any kind, pings and pongs of the server included."""
        return self._last_heard_ns

    async def close(self) -> None:
        """Close, waiting a short while for the other side. Idempotent; `on_closed` is called if it was not."""
        if self._closing is None:
            if self._reader.done():
                return
            self._closing = asyncio.create_task(self._close())
        # Who waits may be cancelled. aiohttp, left in the middle of its closing, would never let the connection go.
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._closing_reason = self._closing_reason or "closed by us"
        try:
            await self._connection.close()
            # Nothing that came before the end may be delivered after it: the reader ends before we return.
            await asyncio.wait([self._reader], timeout=CLOSE_TIMEOUT_S)
            self._reader.cancel()
        finally:
            self._on_gone(self)

    def _queue(self, kind: WSMsgType, data: bytes) -> None:
        if not self._reader.done():
            self._outgoing.append((kind, data))
            self._has_outgoing.set()

    async def _write(self) -> None:
        outgoing = self._outgoing
        try:
            while True:
                await self._has_outgoing.wait()
                self._has_outgoing.clear()
                while outgoing:
                    kind, data = outgoing.popleft()
                    await self._connection.send_frame(data, kind)
        except (aiohttp.ClientError, OSError):
            # The reader hears of the lost connection too, and tells; one that only lost its way out is ended here.
            self._closing_reason = self._closing_reason or "connection lost while sending"
            await self._connection.close()

    async def _read(self) -> None:
        receive = self._connection.receive
        on_frame = self._on_frame
        monotonic_ns = time.monotonic_ns
        reason = "connection lost"
        try:
            while True:
                message = await receive()
                kind = message[0]
                if kind is _TEXT or kind is _BINARY:
                    self._last_heard_ns = monotonic_ns()
                    hold = on_frame(message[1])
                    if hold is not None:
                        await hold
                elif kind is _PING:
                    self._last_heard_ns = monotonic_ns()
                    self._queue(_PONG, bytes(message[1]))
                elif kind is _PONG:
                    self._last_heard_ns = monotonic_ns()
                else:
                    reason = self._why_closed(message)
                    break
        finally:
            self._writer.cancel()
            if self._closing is None:
                self._on_gone(self)
            self._on_closed(self._closing_reason or reason)

    def _why_closed(self, message: Any) -> str:
        if message.type is WSMsgType.CLOSE:
            text = f" {message.extra}" if message.extra else ""
            return f"closed by the exchange with code {message.data}{text}"
        if message.type is WSMsgType.ERROR:
            return f"protocol error: {message.data}"
        return "connection lost"


def _without_query(url: str) -> str:
    return url.partition("?")[0]


def _reason(error: BaseException) -> str:
    """What happened, in words that cannot hold a query: aiohttp's own texts show the whole URL."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"the server answered {error.status} instead of switching to WebSocket"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return connecting_reason(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return connecting_reason(error.os_error)
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, aiohttp.InvalidURL):
        return "not a URL"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection before it answered"
    if isinstance(error, OSError):
        return connecting_reason(error)
    return type(error).__name__
