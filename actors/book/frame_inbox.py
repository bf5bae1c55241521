"""From a socket's reader into the mailbox of the actor that owns the stream.

The transport calls back for every frame. To make a message of each would cost a hop a frame; here all frames that come
before the actor's turn wait together, behind one message. Nothing is delayed: it leaves with the first of them.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from openoutcry.actors.ports.clock import Clock
from openoutcry.actors.ports.transport import WebSocket

WAITING_FRAMES = 50_000
"""More than any burst of a stream that can be followed at all."""


class StreamFrames(msgspec.Struct, frozen=True):
    """Frames of this stream wait in its inbox."""

    stream_id: int


class StreamOpened(msgspec.Struct, frozen=True):
    """This stream's socket is open."""

    stream_id: int
    websocket: WebSocket


class StreamClosed(msgspec.Struct, frozen=True):
    """This stream has come to its end, or has to."""

    stream_id: int
    reason: str
    is_overflow: bool = False


class FrameInbox:
    """The frames of one stream that its actor has not read yet. `post` sends a message to the actor itself."""

    __slots__ = ("_frames", "_limit", "_monotonic_ns", "_notice", "_post", "_stream_id")

    def __init__(
        self, stream_id: int, post: Callable[[Any], None], clock: Clock, waiting_frames: int = WAITING_FRAMES
    ) -> None:
        self._stream_id = stream_id
        self._post = post
        self._monotonic_ns = clock.monotonic_ns
        self._limit = waiting_frames
        self._notice = StreamFrames(stream_id)
        self._frames: list[tuple[bytes, int]] = []

    def on_frame(self, frame: bytes) -> None:
        """Keep a frame with the time of its arrival. Called by the transport."""
        frames = self._frames
        frames.append((frame, self._monotonic_ns()))
        if len(frames) == 1:
            self._post(self._notice)
        elif len(frames) == self._limit:
            self._post(StreamClosed(self._stream_id, f"{self._limit} frames wait unread", is_overflow=True))

    def on_closed(self, reason: str) -> None:
        """Called by the transport."""
        self._post(StreamClosed(self._stream_id, reason))

    def stop(self) -> None:
        """Nobody reads any more: whatever still comes is thrown away."""
        self._post = _ignore
        self._frames = []

    def take(self) -> list[tuple[bytes, int]]:
        """All frames that wait, oldest first, each with its arrival in monotonic ns."""
        frames = self._frames
        self._frames = []
        return frames


def _ignore(_message: Any) -> None:
    pass
