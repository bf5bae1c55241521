"""An HTTP/1.1 client for signed requests: kept connections, and nothing that such a request does not need.

No cookies, redirects, proxies or repetitions; parsing is httptools' (llhttp). A general client spends about three times
as much on a request (docs/decisions.md). What it promises: a request leaves once; what certainly did not leave is
`NotSent`, all else that has no whole answer `OutcomeUnknown`; nothing that came is kept unbounded; no error text holds
a query, a header or a body.
"""

import asyncio
import functools
import math
import os
import re
import socket
import ssl
from collections import deque
from urllib.parse import urlsplit

from openoutcry.actors.ports.http_connection import Broken, HttpConnection
from openoutcry.actors.ports.promise import Promise
from openoutcry.actors.ports.transport import HttpResponse, NotSent, OutcomeUnknown
from openoutcry.messages.rest import SignedRequest

CONNECT_SHARE = 0.9
"""Share of a request's time that may pass before it leaves: what is not connected by then was certainly not sent."""
CONNECTIONS_A_HOST = 64
LONGEST_IDLE_S = 15.0
"""A connection that was idle for longer is not used again: the server may be about to close it."""

_is_target = re.compile(r"/[\x21-\x7e]*").fullmatch
_is_header = re.compile(r"[A-Za-z0-9-]+: [\x20-\x7e]*").fullmatch


class _Exchange:
    """One request on its way to its answer."""

    __slots__ = ("connection", "deadline_s", "end_s", "head", "origin", "promise", "request")

    def __init__(self, origin: "_Origin", request: SignedRequest, head: bytes, now_s: float, timeout_s: float) -> None:
        self.origin = origin
        self.request = request
        self.head = head
        self.end_s = now_s + timeout_s
        self.deadline_s = now_s + timeout_s * CONNECT_SHARE
        self.connection: HttpConnection | None = None
        """The one by which it has left."""
        self.promise: Promise[HttpResponse] = Promise()

    def explain(self, reason: str) -> str:
        return f"{self.request.method} {self.origin.base_url}{self.request.path_and_query.partition('?')[0]}: {reason}"


class _Origin:
    """A server, and the connections to it."""

    __slots__ = ("base_url", "connecting", "fixed_head", "host", "idle", "is_tls", "open", "path", "port", "waiting")

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise ValueError("not a URL that can be reached")
        self.is_tls = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.is_tls else 80)
        self.path = parts.path.rstrip("/")
        self.fixed_head = f"Host: {parts.netloc}\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nUser-Agent: openoutcry\r\n"
        self.idle: deque[tuple[float, HttpConnection]] = deque()
        """Since when, and which; the one used last is at the end, and is used next."""
        self.waiting: deque[_Exchange] = deque()
        self.connecting: dict[asyncio.Task[None], None] = {}
        self.open: dict[HttpConnection, None] = {}


class HttpClient:
    """Requests to any number of servers, over connections that are kept. Lives in the running loop."""

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._origins: dict[str, _Origin] = {}
        self._under_way: dict[_Exchange, None] = {}
        self._next_look_s = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def request(self, base_url: str, request: SignedRequest, timeout_s: float) -> Promise[HttpResponse]:
        """Send a request; it leaves at once where a connection is idle. The whole answer or a `TransportError` comes.

        Cancelling gives up the connection with it.
        """
        try:
            origin = self._origins.get(base_url) or self._new_origin(base_url)
            head = _head(origin, request)
        except ValueError as error:
            failed: Promise[HttpResponse] = Promise()
            path = request.path_and_query.partition("?")[0]
            failed.settle(None, NotSent(f"{request.method} {base_url}{path}: {error}"))
            return failed
        now_s = asyncio.get_running_loop().time()
        exchange = _Exchange(origin, request, head, now_s, timeout_s)
        exchange.promise = Promise(functools.partial(self._cancelled, exchange))
        self._under_way[exchange] = None
        connection = _idle_connection(origin, now_s)
        if connection is not None:
            self._send(exchange, connection)
        else:
            origin.waiting.append(exchange)
            self._connect_as_needed(origin)
        if exchange.deadline_s < self._next_look_s:
            self._look_at(exchange.deadline_s)
        return exchange.promise

    async def close(self) -> None:
        """End everything, and wait until it has ended; then nothing is sent any more. Idempotent."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for exchange in tuple(self._under_way):
            self._fail(exchange, "the transport was closed")
        origins = self._origins.values()
        tasks = [task for origin in origins for task in origin.connecting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        connections = [connection for origin in origins for connection in origin.open]
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.gone for connection in connections))
        # A connection whose making was cancelled closes its socket in a turn of the loop that nobody else waits for.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._origins.clear()

    # On the way out

    def _new_origin(self, base_url: str) -> _Origin:
        if self._is_closed:
            raise ValueError("the transport is closed")
        origin = self._origins[base_url] = _Origin(base_url)
        return origin

    def _send(self, exchange: _Exchange, connection: HttpConnection) -> None:
        exchange.connection = connection
        exchange.deadline_s = exchange.end_s
        request = exchange.request
        connection.send(
            exchange.head + request.body if request.body else exchange.head, functools.partial(self._ended, exchange)
        )

    def _connect_as_needed(self, origin: _Origin) -> None:
        while len(origin.connecting) < len(origin.waiting):
            if len(origin.open) + len(origin.connecting) >= CONNECTIONS_A_HOST:
                return
            task = asyncio.get_running_loop().create_task(self._connect(origin))
            origin.connecting[task] = None
            task.add_done_callback(functools.partial(self._connecting_ended, origin))

    async def _connect(self, origin: _Origin) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: HttpConnection(self._max_body_bytes, functools.partial(self._gone, origin)),
                origin.host,
                origin.port,
                # No happy eyeballs: asyncio's race leaves a connected socket open when it is cancelled at that moment.
                ssl=_tls() if origin.is_tls else None,
            )
        except (OSError, UnicodeError, OverflowError) as error:
            # A UnicodeError: the host's name can be no name.
            if origin.waiting:
                self._fail(origin.waiting[0], connecting_reason(error))
            return
        origin.open[connection] = None
        if self._is_closed:
            connection.abort()
        else:
            self._is_free(origin, connection)

    def _gone(self, origin: _Origin, connection: HttpConnection) -> None:
        origin.open.pop(connection, None)
        if not self._is_closed:
            self._connect_as_needed(origin)

    def _connecting_ended(self, origin: _Origin, task: asyncio.Task[None]) -> None:
        del origin.connecting[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
        if not self._is_closed:
            self._connect_as_needed(origin)

    def _is_free(self, origin: _Origin, connection: HttpConnection) -> None:
        if origin.waiting:
            self._send(origin.waiting.popleft(), connection)
        else:
            origin.idle.append((asyncio.get_running_loop().time(), connection))

    # On the way back

    def _ended(self, exchange: _Exchange, response: HttpResponse | None, broken: Broken | OSError | None) -> None:
        """The connection has the whole answer, or never will."""
        connection = exchange.connection
        if response is None:
            self._fail(exchange, broken.reason if isinstance(broken, Broken) else operating_system_reason(broken))
            return
        self._under_way.pop(exchange, None)
        exchange.promise.settle(response)
        if connection is not None and connection.is_usable:
            self._is_free(exchange.origin, connection)

    def _fail(self, exchange: _Exchange, reason: str) -> None:
        """Once it is sent nobody knows what became of it; before, certainly nothing."""
        self._under_way.pop(exchange, None)
        text = exchange.explain(reason)
        promise = exchange.promise
        if exchange.connection is None:
            self._leave_line(exchange)
            promise.settle(None, NotSent(text))
        else:
            exchange.connection.abort()
            promise.settle(None, OutcomeUnknown(text))

    def _cancelled(self, exchange: _Exchange) -> None:
        self._under_way.pop(exchange, None)
        if exchange.connection is None:
            self._leave_line(exchange)
        else:
            exchange.connection.abort()

    def _leave_line(self, exchange: _Exchange) -> None:
        origin = exchange.origin
        if exchange in origin.waiting:
            origin.waiting.remove(exchange)
        # Whoever has tried to connect for longest is the one that it waited for.
        for task in tuple(origin.connecting)[: max(0, len(origin.connecting) - len(origin.waiting))]:
            if task is not asyncio.current_task():
                task.cancel()

    # Time

    def _look_at(self, when_s: float) -> None:
        """One timer for all requests, at the earliest deadline: one for each costs more than it may."""
        self._next_look_s = when_s
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when_s, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        # The loop's timers may fire as much early as its clock's resolution.
        now_s = loop.time() + 0.001
        for exchange in [one for one in self._under_way if one.deadline_s <= now_s]:
            self._fail(exchange, "not connected in time" if exchange.connection is None else "timed out")
        self._next_look_s = math.inf
        earliest = min((exchange.deadline_s for exchange in self._under_way), default=math.inf)
        if earliest < math.inf:
            self._look_at(earliest)


def _idle_connection(origin: _Origin, now_s: float) -> HttpConnection | None:
    idle = origin.idle
    while idle and now_s - idle[0][0] > LONGEST_IDLE_S:
        idle.popleft()[1].abort()
    while idle:
        connection = idle.pop()[1]
        if connection.is_usable:
            return connection
    return None


def _head(origin: _Origin, request: SignedRequest) -> bytes:
    """The request up to its body.

    Raises:
        ValueError: it holds what no request may hold.
    """
    target = origin.path + request.path_and_query
    if not _is_target(target):
        raise ValueError("not a URL that can be reached")
    length = f"Content-Length: {len(request.body)}\r\n" if request.body or request.method != "GET" else ""
    headers = _header_lines(request.headers) if request.headers else ""
    return f"{request.method} {target} HTTP/1.1\r\n{origin.fixed_head}{headers}{length}\r\n".encode("ascii")


@functools.lru_cache(maxsize=16)
def _header_lines(headers: tuple[tuple[str, str], ...]) -> str:
    lines = [f"{name}: {value}" for name, value in headers]
    if not all(map(_is_header, lines)):
        raise ValueError("a header holds characters that no header may hold")
    return "".join(f"{line}\r\n" for line in lines)


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def connecting_reason(error: BaseException) -> str:
    """Why there is no connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the server's TLS certificate could not be verified"
    if isinstance(error, ssl.SSLError):
        return "no TLS connection could be made"
    if isinstance(error, (UnicodeError, OverflowError)):
        return "not a URL that can be reached"
    return operating_system_reason(error)


def operating_system_reason(error: BaseException | None) -> str:
    """The operating system's words."""
    if isinstance(error, socket.gaierror):
        return "the host's name could not be resolved"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return type(error).__name__
