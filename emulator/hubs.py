"""Who gets what: market frames to subscribers, user events to sessions. Faults on frames strike here."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import orjson

from openoutcry.emulator.binance.publisher import Payload
from openoutcry.emulator.binance.streams import StreamSession, combined_frame
from openoutcry.emulator.binance.user_events import server_shutdown, stream_terminated
from openoutcry.emulator.binance.ws_api import WsApiSession
from openoutcry.emulator.faults import (
    AnnounceShutdown,
    CrossBook,
    Delay,
    DropConnection,
    Duplicate,
    FaultPlan,
    FrameAction,
    Inject,
    Malform,
    Skip,
    Stall,
    SwapWithNext,
    TerminateStream,
)
from openoutcry.emulator.sockets import encode_frame


class StreamSource(Protocol):
    """What learns which streams have listeners."""

    def listen(self, name: str) -> None:
        """One more listener."""

    def forget(self, name: str) -> None:
        """One listener less."""


class PushSocket(Protocol):
    """The exchange's end of a WebSocket, on a network or in memory."""

    opened_at: float
    """Time of the event loop, in seconds."""
    awaits_pong_since: float | None
    pinged_at: float
    stalled: bool
    """The fault: open, and silent."""

    def send(self, payload: bytes) -> None:
        """Send a text frame."""

    def send_encoded(self, frame: bytes) -> None:
        """Send a frame made by `encode_frame`."""

    def ping(self, now: float) -> None:
        """Send a ping; the pong is awaited from now on."""

    def close(self, code: int = ..., reason: bytes = ...) -> None:
        """Close politely."""

    def drop(self) -> None:
        """Cut the connection without a WebSocket close."""


class MarketConnection:
    """A connection to market streams."""

    def __init__(self, socket: PushSocket, session: StreamSession) -> None:
        self.socket = socket
        self.session = session


class MarketHub:
    """Hands market frames to the connections that subscribed their stream."""

    def __init__(self, source: StreamSource, faults: FaultPlan, clock: Callable[[], int]) -> None:
        self.connections: dict[MarketConnection, None] = {}
        self._source = source
        self._faults = faults
        self._clock = clock
        self._by_stream: dict[str, dict[MarketConnection, None]] = {}
        self._held: dict[str, bytes] = {}

    def open(self, connection: MarketConnection) -> None:
        """Take in a connection with the streams of its URL."""
        self.connections[connection] = None
        for name in connection.session.streams:
            self._listen(name, connection)

    def change(self, connection: MarketConnection, before: Iterable[str]) -> None:
        """Follow a change of a connection's subscriptions."""
        old, new = dict.fromkeys(before), connection.session.streams
        for name in old:
            if name not in new:
                self._forget(name, connection)
        for name in new:
            if name not in old:
                self._listen(name, connection)

    def close(self, connection: MarketConnection) -> None:
        """Forget a connection that ended."""
        self.connections.pop(connection, None)
        for name in connection.session.streams:
            self._forget(name, connection)

    def publish(self, payloads: Iterable[Payload]) -> None:
        """Send payloads to whoever subscribed their streams."""
        for stream, payload in payloads:
            action = self._faults.on_market_frame(stream, payload) if self._faults.market_frames else None
            if action is None:
                self._send(stream, payload)
                held = self._held.pop(stream, None) if self._held else None
                if held is not None:
                    self._send(stream, held)
            else:
                self._strike(action, stream, payload)

    def announce_shutdown(self, connections: Iterable[MarketConnection]) -> None:
        """`serverShutdown` to these connections; then they close."""
        event = orjson.dumps(server_shutdown(self._clock()))
        for connection in tuple(connections):
            combined = connection.session.combined
            connection.socket.send(combined_frame("!serverShutdown", event) if combined else event)
            connection.socket.close()

    def _send(self, stream: str, payload: bytes) -> None:
        connections = self._by_stream.get(stream)
        if not connections:
            return
        raw: bytes | None = None
        combined: bytes | None = None
        for connection in connections:
            if connection.session.combined:
                if combined is None:
                    combined = encode_frame(combined_frame(stream, payload))
                connection.socket.send_encoded(combined)
            else:
                if raw is None:
                    raw = encode_frame(payload)
                connection.socket.send_encoded(raw)

    def _strike(self, action: FrameAction, stream: str, payload: bytes) -> None:
        connections = tuple(self._by_stream.get(stream, ()))
        match action:
            case DropConnection():
                for connection in connections:
                    connection.socket.drop()
            case Stall():
                for connection in connections:
                    connection.socket.stalled = True
            case Skip():
                pass
            case Duplicate():
                self._send(stream, payload)
                self._send(stream, payload)
            case SwapWithNext():
                self._held[stream] = payload
            case Delay(seconds):
                asyncio.get_running_loop().call_later(seconds, self._send, stream, payload)
            case CrossBook():
                self._send(stream, _crossed(payload))
            case Malform():
                for connection in connections:
                    connection.socket.send(payload[: len(payload) // 2])
            case Inject(other):
                self._send(stream, other)
                self._send(stream, payload)
            case AnnounceShutdown():
                self.announce_shutdown(connections)
            case TerminateStream():
                raise TypeError("a market stream has no subscription to terminate")

    def _listen(self, name: str, connection: MarketConnection) -> None:
        self._by_stream.setdefault(name, {})[connection] = None
        self._source.listen(name)

    def _forget(self, name: str, connection: MarketConnection) -> None:
        connections = self._by_stream.get(name, {})
        connections.pop(connection, None)
        if not connections:
            self._by_stream.pop(name, None)
        self._source.forget(name)


def _crossed(payload: bytes) -> bytes:
    """The same frame with a bid above every ask."""
    content = orjson.loads(payload)
    if "b" in content and isinstance(content["b"], str):
        content["b"], content["a"] = content["a"], content["b"]
    else:
        for bids, asks in (("b", "a"), ("bids", "asks")):
            if bids in content:
                content[bids] = [["99999999.00000000", "1.00000000"], *content[bids]]
                content[asks] = content.get(asks, [])
    return orjson.dumps(content)


class UserConnection:
    """A connection to the WebSocket API."""

    def __init__(self, socket: PushSocket, session: WsApiSession) -> None:
        self.socket = socket
        self.session = session


class UserHub:
    """Hands the events of an account to the sessions that subscribed it."""

    def __init__(self, faults: FaultPlan, clock: Callable[[], int]) -> None:
        self.connections: dict[UserConnection, None] = {}
        self._faults = faults
        self._clock = clock
        self._held: list[tuple[str, bytes]] = []

    def publish(self, account_id: str, event: str, payload: bytes) -> None:
        """Send one event to every subscription of its account."""
        action = self._faults.on_user_event(event) if self._faults.user_events else None
        if action is not None:
            self._strike(action, account_id, payload)
            return
        self._send(account_id, payload)
        if self._held:
            held, self._held = self._held, []
            for owner, late in held:
                self._send(owner, late)

    def terminate(self, account_id: str | None = None) -> None:
        """`eventStreamTerminated` to the subscriptions of an account (None: all); the connections stay."""
        event = orjson.dumps(stream_terminated(self._clock()))
        for connection in tuple(self.connections):
            for number in connection.session.end_subscriptions(account_id):
                connection.socket.send(_wrapped(number, event))

    def announce_shutdown(self, connections: Iterable[UserConnection]) -> None:
        """`serverShutdown` to these connections; then they close."""
        event = b'{"event":' + orjson.dumps(server_shutdown(self._clock())) + b"}"
        for connection in tuple(connections):
            connection.socket.send(event)
            connection.socket.close()

    def _send(self, account_id: str, payload: bytes) -> None:
        for connection in self.connections:
            for number, owner in connection.session.subscriptions.items():
                if owner == account_id:
                    connection.socket.send(_wrapped(number, payload))

    def _subscribed(self, account_id: str) -> list[UserConnection]:
        return [one for one in self.connections if account_id in one.session.subscriptions.values()]

    def _strike(self, action: FrameAction, account_id: str, payload: bytes) -> None:
        match action:
            case DropConnection():
                for connection in self._subscribed(account_id):
                    connection.socket.drop()
            case Stall():
                for connection in self._subscribed(account_id):
                    connection.socket.stalled = True
            case Skip():
                pass
            case Duplicate():
                self._send(account_id, payload)
                self._send(account_id, payload)
            case SwapWithNext():
                self._held.append((account_id, payload))
            case Delay(seconds):
                asyncio.get_running_loop().call_later(seconds, self._send, account_id, payload)
            case Malform():
                for connection in self._subscribed(account_id):
                    connection.socket.send(_wrapped(0, payload[: len(payload) // 2])[:-1])
            case Inject(other):
                self._send(account_id, other)
                self._send(account_id, payload)
            case TerminateStream():
                self.terminate(account_id)
            case AnnounceShutdown():
                self.announce_shutdown(self._subscribed(account_id))
            case CrossBook():
                raise TypeError("a user stream has no book to cross")


def _wrapped(subscription: int, event: bytes) -> bytes:
    return b'{"subscriptionId":%d,"event":%b}' % (subscription, event)
