"""One connection to an HTTP/1.1 server: a request out, its answer back, the next one."""

import asyncio
import zlib
from collections.abc import Callable

import httptools

from openoutcry.actors.ports.transport import HttpResponse

MAX_HEAD_BYTES = 256 * 1024

_CUT_SHORT = "the answer was cut short, damaged or too large"
_NO_ANSWER = "the server closed the connection before it answered"


class Broken(Exception):
    """There will be no whole answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


OnEnd = Callable[[HttpResponse | None, Broken | OSError | None], None]


class HttpConnection(asyncio.Protocol):
    """A connection of an `HttpClient`: carries one request at a time."""

    def __init__(self, max_body_bytes: int, on_gone: "Callable[[HttpConnection], None]") -> None:
        self.gone = asyncio.get_running_loop().create_future()
        """Done when the connection is closed."""
        self.is_usable = False
        """Whether it can carry another request."""
        self._on_gone = on_gone
        self._max_body_bytes = max_body_bytes
        self._on_end: OnEnd | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        """Be ready for the next answer."""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._status = 0
        self._keeps_alive = False
        self._size = 0
        self._received = 0
        self._inflater: zlib._Decompress | None = None
        self._failure = ""
        self._are_headers_complete = False
        self._ends_with_connection = False
        self._is_complete = False
        self._has_surplus = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # of a stream socket
        self.is_usable = True

    def send(self, data: bytes, on_end: OnEnd) -> None:
        """Let a request leave; `on_end` gets the answer, or why there will be none."""
        self._on_end = on_end
        self._received = 0
        self._transport.write(data)

    def abort(self) -> None:
        """Close at once; nobody is told of an answer any more."""
        self.is_usable = False
        self._on_end = None
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        if self._on_end is None:
            # Nobody has asked: whatever it is, the next answer could not be told from it.
            self.abort()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._failure = self._failure or _CUT_SHORT
        if not self._are_headers_complete and self._received > MAX_HEAD_BYTES:
            self._failure = _CUT_SHORT
        if self._failure:
            self._end(None, Broken(self._failure))
        elif self._is_complete:
            self._end_well()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed: an answer whose end is the connection's end is whole now."""
        self.is_usable = False
        self.gone.set_result(None)
        self._on_gone(self)
        if self._on_end is None:
            return
        if exc is None and self._are_headers_complete and self._ends_with_connection and not self._failure:
            self._status = self._parser.get_status_code()
            self._keeps_alive = False
            self._end_well()
        elif isinstance(exc, OSError):
            self._end(None, exc)
        else:
            self._end(None, Broken(_CUT_SHORT if self._received else _NO_ANSWER))

    # Called by the parser

    def on_message_begin(self) -> None:
        """An answer begins."""
        if self._is_complete:
            self._has_surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """All headers are there."""
        if self._is_complete:
            return
        headers = self._headers
        self._are_headers_complete = True
        self._ends_with_connection = "content-length" not in headers and "transfer-encoding" not in headers
        encoding = headers.get("content-encoding")
        if encoding is not None and encoding.lower() != "identity":
            if encoding.lower() in ("gzip", "x-gzip"):
                self._inflater = zlib.decompressobj(wbits=31)
            else:
                self._failure = "the answer is in an encoding that was not asked for"

    def on_body(self, chunk: bytes) -> None:
        """Part of the body."""
        if self._failure or self._is_complete:
            return
        room = self._max_body_bytes - self._size
        if self._inflater is not None:
            try:
                chunk = self._inflater.decompress(chunk, room + 1)
            except zlib.error:
                self._failure = _CUT_SHORT
                return
        if len(chunk) > room:
            self._failure = _CUT_SHORT
            return
        self._size += len(chunk)
        self._body.append(chunk)

    def on_message_complete(self) -> None:
        """The answer is whole, unless it only announces another one (1xx)."""
        if self._is_complete:
            return
        self._status = self._parser.get_status_code()
        if self._status < 200:
            self._reset()
        else:
            self._is_complete = True
            self._keeps_alive = self._parser.should_keep_alive()

    # The inside

    def _end_well(self) -> None:
        inflater, body = self._inflater, self._body
        if inflater is not None and body and not inflater.eof:
            self._end(None, Broken(_CUT_SHORT))
            return
        response = HttpResponse(
            status=self._status, headers=self._headers, body=body[0] if len(body) == 1 else b"".join(body)
        )
        if self._has_surplus or not self._keeps_alive:
            self.is_usable = False
            self._transport.close()
        self._end(response, None)

    def _end(self, response: HttpResponse | None, broken: Broken | OSError | None) -> None:
        on_end, self._on_end = self._on_end, None
        self._reset()
        if on_end is not None:
            on_end(response, broken)
