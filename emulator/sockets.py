"""Server ends of WebSockets, written to directly: no task a frame, one encoding for all who get it."""

import asyncio
import contextlib
import socket
import struct
from typing import Final

from aiohttp import WSCloseCode, web

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
SLOW_READER_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""A reader with more than this unread is cut off."""


def encode_frame(payload: bytes, opcode: int = 1) -> bytes:
    """A whole frame as a server sends it (RFC 6455, section 5.2). Opcodes: 1 text, 8 close, 9 ping, 10 pong."""
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    if length < 65_536:
        return struct.pack("!BBH", 0x80 | opcode, 126, length) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, length) + payload


def reset(transport: asyncio.Transport | None) -> None:
    """End a TCP connection with RST, as a crashed peer or a middlebox would."""
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):  # it may be closed already
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


class ServerSocket:
    """One accepted WebSocket."""

    def __init__(self, response: web.WebSocketResponse, transport: asyncio.Transport, opened_at: float) -> None:
        self.response = response
        self.opened_at = opened_at
        """Time of the event loop, in seconds."""
        self.awaits_pong_since: float | None = None
        self.pinged_at = opened_at
        self.stalled = False
        """The fault: open, and silent."""
        self._transport = transport

    def send(self, payload: bytes) -> None:
        """Send a text frame."""
        self.send_encoded(encode_frame(payload))

    def send_encoded(self, frame: bytes) -> None:
        """Send a frame made by `encode_frame`. Who does not read is cut off, not waited for."""
        transport = self._transport
        if self.stalled or transport.is_closing():
            return
        transport.write(frame)
        if transport.get_write_buffer_size() > SLOW_READER_LIMIT_BYTES:
            reset(transport)

    def ping(self, now: float) -> None:
        """Send a ping; the pong is awaited from now on."""
        self.pinged_at = now
        if self.awaits_pong_since is None:
            self.awaits_pong_since = now
        self.send_encoded(encode_frame(str(int(now * 1000)).encode(), 9))

    def pong(self, payload: bytes) -> None:
        """Answer a ping."""
        self.send_encoded(encode_frame(payload, 10))

    def close(self, code: int = WSCloseCode.GOING_AWAY, reason: bytes = b"") -> None:
        """Close politely: a close frame, then the end of the stream."""
        transport = self._transport
        if transport.is_closing():
            return
        transport.write(encode_frame(struct.pack("!H", code) + reason, 8))
        transport.close()

    def drop(self) -> None:
        """Cut the connection without a WebSocket close."""
        reset(self._transport)
