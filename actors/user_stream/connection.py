"""One private WebSocket from its opening to its end, as the user stream handles it."""

from collections.abc import Callable
from functools import partial

import msgspec

from openoutcry.actors.ports.transport import WebSocket
from openoutcry.actors.runtime import ComponentActor, HeldSocket, Timer


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


class Connection(HeldSocket):
    """A connection on its way: opening, logging in, live, closed."""

    def __init__(
        self, owner: ComponentActor, number: int, url: str, on_failed: Callable[["Connection", str], None]
    ) -> None:
        self.number = number
        self.is_ending = False
        """Whether the exchange has said that it is about to close it."""
        self.login_id = ""
        self.logins = 0
        self.login_timer: Timer | None = None
        post = partial(owner.send, owner.myAddress)
        super().__init__(
            owner,
            url,
            opened=lambda websocket: ConnectionOpened(number, websocket),
            on_frame=lambda frame: post(FrameReceived(number, frame)),
            on_closed=lambda reason: post(ConnectionClosed(number, reason)),
            on_failed=lambda reason: on_failed(self, reason),
        )

    def next_login_id(self) -> str:
        """A new id for the next attempt to log in on this connection."""
        self.logins += 1
        self.login_id = f"login-{self.number}-{self.logins}"
        return self.login_id

    def close(self) -> None:
        """Close the socket, or give up opening it. Idempotent."""
        if self.login_timer is not None:
            self.login_timer.cancel()
        super().close()
