"""A WebSocket from its opening to its end, held by an actor.

The socket belongs to one coroutine of the actor. When the actor ends, for whatever reason, the system base cancels its
coroutines, and this one closes the socket on its way out.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from openoutcry.actors.ports.transport import Transport, TransportError, WebSocket
from openoutcry.exchanges.dialect import StreamTimings

if TYPE_CHECKING:
    from openoutcry.actors.runtime.actor import ComponentActor


class HeldSocket:
    """A socket on its way: opening, open, closed. A subclass adds what its stream has to say before it is live."""

    def __init__(
        self,
        owner: "ComponentActor",
        url: str,
        *,
        opened: Callable[[WebSocket], Any],
        on_frame: Callable[[bytes], Awaitable[None] | None],
        on_closed: Callable[[str], None],
        on_failed: Callable[[str], None],
    ) -> None:
        """Open it. `opened` makes the message that the owner gets when it is open; `on_failed` says why it is not."""
        self.is_live = False
        self.is_closed = False
        self.websocket: WebSocket | None = None
        self._owner = owner
        self._on_failed_to_open = on_failed
        transport = owner.environment.transport
        self._hold = owner.run(
            self._hold_socket(transport, url, opened, on_frame, on_closed), lambda _: None, self._not_opened
        )

    def is_silent(self, now_ns: int, timings: StreamTimings) -> bool:
        """Whether nothing was heard for too long; a socket that is halfway there is probed."""
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
        """Close the socket, open or still opening. Idempotent."""
        self.is_closed = True
        self.is_live = False
        self._hold.cancel()

    def _not_opened(self, error: BaseException) -> None:
        if not isinstance(error, TransportError):
            raise error
        if not self.is_closed:
            self._on_failed_to_open(str(error))

    async def _hold_socket(
        self,
        transport: Transport,
        url: str,
        opened: Callable[[WebSocket], Any],
        on_frame: Callable[[bytes], Awaitable[None] | None],
        on_closed: Callable[[str], None],
    ) -> None:
        websocket = await transport.open_websocket(url, on_frame, on_closed)
        try:
            self._owner.send(self._owner.myAddress, opened(websocket))
            await asyncio.get_running_loop().create_future()
        finally:
            await websocket.close()
