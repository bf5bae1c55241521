"""One private WebSocket from its opening to its end, as the user stream handles it.

The socket belongs to one coroutine of the actor. When the actor ends, for whatever reason, the system base cancels its
coroutines, and this one closes the socket on its way out.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from openoutcry.actors.ports.transport import Transport, TransportError, WebSocket
from openoutcry.actors.runtime import ComponentActor, Timer
from openoutcry.exchanges.dialect import StreamTimings


class ConnectionOpened(msgspec.Struct, frozen=True):
    """This connection's socket is open."""

    number: int
    websocket: WebSocket


class ConnectionClosed(msgspec.Struct, frozen=True):
    """This connection's socket is closed."""

    number: int
    reason: str


class FrameReceived(msgspec.Struct, frozen=True):
    """A frame came on this connection."""

    number: int
    frame: bytes


class Connection:
    """A connection on its way: opening, logging in, live, closed."""

    def __init__(
        self, owner: ComponentActor, number: int, url: str, on_failed: Callable[["Connection", str], None]
    ) -> None:
        self.number = number
        self.is_live = False
        self.is_closed = False
        self.is_ending = False
        """Whether the exchange has said that it is about to close it."""
        self.websocket: WebSocket | None = None
        self.login_id = ""
        self.logins = 0
        self.login_timer: Timer | None = None
        self._on_failed = on_failed
        post = partial(owner.send, owner.myAddress)
        self._hold = owner.run(
            self._hold_socket(owner.environment.transport, url, post),
            lambda _: None,
            self._hold_failed,
        )

    def next_login_id(self) -> str:
        """A new id for the next attempt to log in on this connection."""
        self.logins += 1
        self.login_id = f"login-{self.number}-{self.logins}"
        return self.login_id

    def is_silent(self, now_ns: int, timings: StreamTimings) -> bool:
        """Whether nothing was heard for too long; one that is halfway there is probed."""
        if self.websocket is None:
            return False
        silent_s = (now_ns - self.websocket.last_heard_ns) / 1e9
        if silent_s > timings.longest_silence_s:
            return True
        if silent_s > timings.longest_silence_s / 2:
            if timings.probe is None:
                self.websocket.ping()
            else:
                self.websocket.send(timings.probe)
        return False

    def close(self) -> None:
        """Close the socket, or give up opening it. Idempotent."""
        self.is_closed = True
        self.is_live = False
        if self.login_timer is not None:
            self.login_timer.cancel()
        self._hold.cancel()

    def _hold_failed(self, error: BaseException) -> None:
        if not isinstance(error, TransportError):
            raise error
        self._on_failed(self, str(error))

    async def _hold_socket(self, transport: Transport, url: str, post: Callable[[Any], None]) -> None:
        number = self.number
        websocket = await transport.open_websocket(
            url,
            lambda frame: post(FrameReceived(number, frame)),
            lambda reason: post(ConnectionClosed(number, reason)),
        )
        try:
            post(ConnectionOpened(number, websocket))
            await asyncio.Event().wait()
        finally:
            await websocket.close()
