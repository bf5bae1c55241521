"""The transport port: HTTP requests and WebSockets, as the actors see them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from openoutcry.actors.ports.promise import Work
from openoutcry.messages.rest import SignedRequest


class TransportError(Exception):
    """Something went wrong on the way. The subclass says what is safe next; the text never shows a query or a key."""


class NotSent(TransportError):
    """The request certainly never reached the exchange: refused, unresolved, not connected in time."""


class OutcomeUnknown(TransportError):
    """The request may have reached the exchange: time-out, reset or truncation after it began to leave."""


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def __repr__(self) -> str:
        return f"HttpResponse({self.status}, {len(self.body)} bytes)"


class WebSocket(Protocol):
    """An open WebSocket."""

    def send(self, text: str) -> None:
        """Queue a text frame; frames leave in order. A closed socket swallows it: `on_closed` has told."""

    def ping(self) -> None:
        """Send a ping; its pong counts as a sign of life for `last_heard_ns`."""

    @property
    def last_heard_ns(self) -> int:
        """Monotonic time of the newest frame of any kind, pings and pongs of the server included."""

    async def close(self) -> None:
        """Close, waiting a short while for the other side. Idempotent; `on_closed` is called if it was not."""


class Transport(Protocol):
    """The only thing in the tree that touches the network."""

    def request(self, base_url: str, request: SignedRequest, timeout_s: float) -> Work[HttpResponse]:
        """Send a request; awaited, it gives the whole answer. Redirects are not followed; TLS is verified.

        Raises:
            NotSent: it certainly never reached the exchange.
            OutcomeUnknown: it may have.
        """

    async def open_websocket(
        self,
        url: str,
        on_frame: Callable[[bytes], Awaitable[None] | None],
        on_closed: Callable[[str], None],
        timeout_s: float = 10.0,
    ) -> WebSocket:
        """Open a WebSocket. `on_frame` gets each text or binary frame, `on_closed` the reason, once.

        Both are called from the loop's thread and must only pass on what they get. An awaitable that `on_frame` returns
        is awaited before the next frame is read: so a reader that lags holds the exchange back, and nothing piles up.

        Raises:
            NotSent: the connection could not be opened.
        """

    async def close(self) -> None:
        """Close all that is open. Idempotent."""
