"""HTTP answers written in one piece, past aiohttp's header machinery: the order path is short this way."""

from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from openoutcry.emulator.binance.rest import HttpResponse

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n"
    "Server: nginx\r\n"
    "Content-Type: application/json;charset=UTF-8\r\n".encode()
    for status in HTTPStatus
}
_KEEP_ALIVE: Final = b"Connection: keep-alive\r\n\r\n"
_CLOSE: Final = b"Connection: close\r\n\r\n"


class WholeAnswer(web.StreamResponse):
    """An answer that is sent as it stands. Without a response nothing is sent and the connection ends."""

    def __init__(self, response: HttpResponse | None, *, cut_at: int | None = None) -> None:
        super().__init__()
        self._response = response
        self._cut_at = cut_at
        self._keeps = False

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open for more requests."""
        return self._keeps

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write everything."""
        response, transport = self._response, request.transport
        if response is None or transport is None or transport.is_closing():
            return None
        body, cut_at = response.body, self._cut_at
        self._keeps = cut_at is None and bool(request.keep_alive)
        head = _STATUS_LINES.get(response.status, b"HTTP/1.1 %d Unknown\r\n" % response.status)
        lines = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
        head += f"{lines}Content-Length: {len(body)}\r\n".encode()
        transport.write(head + (_KEEP_ALIVE if self._keeps else _CLOSE) + body[:cut_at])
        return None

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """All is written."""
