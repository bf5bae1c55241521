"""From a socket's reader into the mailbox of the actor that owns the stream.

The transport calls back for every frame. To make a message of each would cost a hop a frame; here all frames that come
before the actor's turn wait together, behind one message. Nothing is delayed: it leaves with the first of them.

When as many wait as the tracker takes in one turn, reading pauses until the actor has taken them. So frames that the
tree cannot follow wait in the socket, where the exchange sees them, and not in a mailbox that would have to drop them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from openoutcry.actors.ports.clock import Clock
from openoutcry.actors.ports.transport import WebSocket

MOST_WAITING = 64
"""Frames. The system base hands an actor as many messages before it turns to the next actor."""


class StreamFrames(msgspec.Struct, frozen=True):
    """Frames of this stream wait in its inbox."""

    stream_id: int


class StreamOpened(msgspec.Struct, frozen=True):
    """This stream's socket is open."""

    stream_id: int
    websocket: WebSocket


class StreamClosed(msgspec.Struct, frozen=True):
    """This stream has come to its end."""

    stream_id: int
    reason: str


class FrameInbox:
    """The frames of one stream that its actor has not read yet. `post` sends a message to the actor itself."""

    __slots__ = ("_frames", "_hold", "_is_stopped", "_monotonic_ns", "_most_waiting", "_notice", "_post", "_stream_id")

    def __init__(
        self, stream_id: int, post: Callable[[Any], None], clock: Clock, most_waiting: int = MOST_WAITING
    ) -> None:
        self._stream_id = stream_id
        self._post = post
        self._monotonic_ns = clock.monotonic_ns
        self._most_waiting = most_waiting
        self._notice = StreamFrames(stream_id)
        self._frames: list[tuple[bytes, int]] = []
        self._is_stopped = False
        self._hold: asyncio.Future[None] | None = None

    def on_frame(self, frame: bytes) -> Awaitable[None] | None:
        """Keep a frame with the time of its arrival; what to wait for before the next. Called by the transport."""
        frames = self._frames
        if not frames:
            self._post(self._notice)
        frames.append((frame, self._monotonic_ns()))
        if len(frames) < self._most_waiting:
            return None
        if self._is_stopped:
            frames.clear()
            return None
        if self._hold is None:
            self._hold = asyncio.get_running_loop().create_future()
        return self._hold

    def on_closed(self, reason: str) -> None:
        """Called by the transport."""
        self._post(StreamClosed(self._stream_id, reason))

    def stop(self) -> None:
        """Nobody reads any more: whatever still comes is thrown away."""
        self._post = _ignore
        self._is_stopped = True
        self._most_waiting = 0
        self.take()

    def take(self) -> list[tuple[bytes, int]]:
        """All frames that wait, oldest first, each with its arrival in monotonic ns. Reading goes on."""
        frames = self._frames
        self._frames = []
        hold = self._hold
        if hold is not None:
            self._hold = None
            if not hold.done():
                hold.set_result(None)
        return frames


def _ignore(_message: Any) -> None:
    pass
