"""The network of a simulation: the transport port in memory, onto the emulated exchange.

Latency comes from the seed. Each direction of each connection keeps its order; different connections overtake each
other. What has left arrives, whatever becomes of its sender: an order may be in though the process that sent it died.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from openoutcry.actors.ports.transport import HttpResponse, NotSent, OutcomeUnknown
from openoutcry.emulator.binance.rest import HttpRequest
from openoutcry.emulator.binance.rest import HttpResponse as Answered
from openoutcry.emulator.faults import (
    Answer,
    DelayAnswer,
    ReplaceBody,
    RequestAction,
    ResetConnection,
    TruncateBody,
    When,
)
from openoutcry.emulator.sessions import Connection, TooManyMessages
from openoutcry.emulator.venue import EmulatedVenue
from openoutcry.messages.rest import SignedRequest
from openoutcry.simulation.trace import Trace

_IP = "127.0.0.1"
_A_MOMENT_S = 1e-6
"""Between two frames of one direction, so that no two have the same time."""


class BanWatch:
    """Sees to it that nothing is sent in a ban that the process was told of."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.violations: list[str] = []
        self._now_s = now_s
        self._until_s = 0.0

    def told(self, retry_after_s: float) -> None:
        """The process got a 418."""
        self._until_s = max(self._until_s, self._now_s() + retry_after_s)

    def forget(self) -> None:
        """The gateway or its process is a new one: it can't know."""
        self._until_s = 0.0

    def left(self, what: str) -> None:
        """A request leaves."""
        if self._now_s() < self._until_s - _A_MOMENT_S:
            self.violations.append(f"{what} left at {self._now_s():.3f} s, in a ban until {self._until_s:.3f} s")


@dataclass(frozen=True, slots=True)
class Wire:
    """What all connections of a run share."""

    venue: EmulatedVenue
    trace: Trace
    generator: random.Random
    bans: BanWatch

    def latency_s(self) -> float:
        """How long one message takes: mostly some ms, now and then much longer."""
        drawn = self.generator.random()
        return 0.002 + 0.02 * drawn if drawn < 0.97 else 0.05 + 10.0 * (drawn - 0.97)


class MemoryTransport:
    """The transport of one process."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[ClientSocket, None] = {}
        self._is_dead = False

    async def request(self, base_url: str, request: SignedRequest, timeout_s: float) -> HttpResponse:
        """Send a request and wait for the whole answer.

        Raises:
            NotSent: refused.
            OutcomeUnknown: timed out, reset or cut short.
        """
        wire, loop = self._wire, self._loop
        path, _, query = request.path_and_query.partition("?")
        what = f"{request.method} {path}{_facts(query or request.body.decode())}"
        faults = wire.venue.faults
        if faults.connections and faults.on_accept():
            wire.trace.note("network", f"{what} is refused")
            await asyncio.sleep(wire.latency_s())
            raise NotSent(f"{request.method} {base_url}{path}: Connection refused")
        wire.trace.note("network", f"{what} leaves")
        wire.bans.left(what)
        key = next((value for name, value in request.headers if name.upper() == "X-MBX-APIKEY"), None)
        asked = HttpRequest(request.method, path, query, request.body.decode(), key, _IP)
        answered: asyncio.Future[HttpResponse] = loop.create_future()
        loop.call_later(wire.latency_s(), self._arrived, asked, what, answered)
        try:
            async with asyncio.timeout(timeout_s):
                return await answered
        except TimeoutError:
            wire.trace.note("network", f"{what} timed out")
            raise OutcomeUnknown(f"{request.method} {base_url}{path}: timed out") from None

    async def open_websocket(
        self,
        url: str,
        on_frame: Callable[[bytes], Awaitable[None] | None],
        on_closed: Callable[[str], None],
        timeout_s: float = 10.0,
    ) -> "ClientSocket":
        """Open a WebSocket.

        Raises:
            NotSent: the connection could not be opened.
        """
        wire = self._wire
        venue = wire.venue
        parts = urlsplit(url)
        await asyncio.sleep(wire.latency_s())
        refused = bool(venue.faults.connections) and venue.faults.on_accept()
        status = None if refused else venue.sessions.refusal(parts.path, _IP)
        if refused or status is not None:
            wire.trace.note("network", f"WebSocket {parts.path} is refused")
            reason = "Connection refused" if refused else f"the server answered {status}"
            raise NotSent(f"WebSocket {parts.path} did not open: {reason}")
        client = ClientSocket(wire, on_frame, on_closed, self._sockets)
        server = ServerEnd(wire, client)
        server.connection = venue.sessions.open(server, parts.path, parts.query, _IP)
        client.server = server
        self._sockets[client] = None
        wire.trace.note("network", f"WebSocket {parts.path} opens")
        await asyncio.sleep(wire.latency_s())
        return client

    async def close(self) -> None:
        """Close all that is open. Idempotent."""
        for socket in tuple(self._sockets):
            await socket.close()

    def die(self) -> None:
        """The process is gone: its sockets end, and nothing reaches it any more."""
        self._is_dead = True
        for socket in tuple(self._sockets):
            socket.die()

    # The exchange's side of HTTP

    def _arrived(self, asked: HttpRequest, what: str, answered: "asyncio.Future[HttpResponse]") -> None:
        faults = self._wire.venue.faults
        action = faults.on_request(asked) if faults.requests else None
        if action is None:
            self._back(what, answered, self._wire.venue.respond(asked))
        else:
            self._wire.trace.note("fault", f"{what}: {type(action).__name__}{_when(action)}")
            self._strike(action, asked, what, answered)

    def _strike(
        self, action: RequestAction, asked: HttpRequest, what: str, answered: "asyncio.Future[HttpResponse]"
    ) -> None:
        respond, back = self._wire.venue.respond, partial(self._back, what, answered)
        match action:
            case ResetConnection(when):
                if when is When.AFTER:
                    respond(asked)
                self._break(what, answered, "Connection reset by peer")
            case DelayAnswer(seconds, When.BEFORE):
                self._loop.call_later(seconds, lambda: back(respond(asked)))
            case DelayAnswer(seconds, When.AFTER):
                self._loop.call_later(seconds, back, respond(asked))
            case Answer(status, body, headers, when):
                if when is When.AFTER:
                    respond(asked)
                back(Answered(status, body, headers))
            case TruncateBody():
                respond(asked)
                self._break(what, answered, "the answer was cut short, damaged or too large")
            case ReplaceBody(body):
                response = respond(asked)
                back(Answered(response.status, body, response.headers))

    def _back(self, what: str, answered: "asyncio.Future[HttpResponse]", response: Answered) -> None:
        headers = {name.lower(): value for name, value in response.headers.items()}
        answer = HttpResponse(status=response.status, headers=headers, body=response.body)

        def arrive() -> None:
            if self._is_dead or answered.done():
                return
            self._wire.trace.note("network", f"{what} -> {response.status}")
            if response.status == 418:
                self._wire.bans.told(float(headers.get("retry-after", "0")))
            answered.set_result(answer)

        self._loop.call_later(self._wire.latency_s(), arrive)

    def _break(self, what: str, answered: "asyncio.Future[HttpResponse]", reason: str) -> None:
        def arrive() -> None:
            if not (self._is_dead or answered.done()):
                self._wire.trace.note("network", f"{what}: {reason}")
                answered.set_exception(OutcomeUnknown(f"{what.partition(' [')[0]}: {reason}"))

        self._loop.call_later(self._wire.latency_s(), arrive)


class _Line:
    """One direction of a connection: everything arrives later, in order."""

    __slots__ = ("_deliver", "_last_s", "_loop", "_wire")

    def __init__(self, wire: Wire, deliver: Callable[..., None]) -> None:
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        self._last_s = 0.0

    def put(self, kind: str, data: bytes = b"") -> None:
        self._last_s = max(self._last_s + _A_MOMENT_S, self._loop.time() + self._wire.latency_s())
        self._loop.call_at(self._last_s, self._deliver, kind, data)


class ServerEnd:
    """The exchange's end of a WebSocket in memory."""

    connection: Connection

    def __init__(self, wire: Wire, client: "ClientSocket") -> None:
        self._loop = asyncio.get_running_loop()
        self.opened_at = self.pinged_at = self._loop.time()
        self.awaits_pong_since: float | None = None
        self.stalled = False
        self._wire = wire
        self._down = _Line(wire, client.heard)
        self._is_open = True
        self._busy: asyncio.Task[None] | None = None
        self._waiting: deque[bytes] = deque()

    def send(self, payload: bytes) -> None:
        """Send a text frame."""
        if self._is_open and not self.stalled:
            self._down.put("text", payload)

    def send_encoded(self, frame: bytes) -> None:
        """Send what a frame made by `encode_frame` holds."""
        length = frame[1]
        self.send(frame[2 if length < 126 else 4 if length == 126 else 10 :])

    def ping(self, now: float) -> None:
        """Send a ping; the pong is awaited from now on."""
        self.pinged_at = now
        if self.awaits_pong_since is None:
            self.awaits_pong_since = now
        if self._is_open and not self.stalled:
            self._down.put("ping")

    def close(self, code: int = 1001, reason: bytes = b"") -> None:
        """Close politely."""
        text = f" {reason.decode()}" if reason else ""
        self._end(f"closed by the exchange with code {int(code)}{text}")

    def drop(self) -> None:
        """Cut the connection."""
        self._end("connection lost")

    def heard(self, kind: str, data: bytes) -> None:
        """Something came from the client."""
        if not self._is_open or (self.stalled and kind != "end"):
            return
        sessions = self._wire.venue.sessions
        if kind == "end":
            self._is_open = False
            sessions.close(self.connection)
            return
        try:
            sessions.arrived(self.connection)
        except TooManyMessages:
            self.close(1008, b"Too many requests")
            return
        if kind == "ping":
            self._down.put("pong")
        elif kind == "pong":
            self.awaits_pong_since = None
        else:
            self._waiting.append(data)
            if self._busy is None:
                self._answer_next()

    def _answer_next(self) -> None:
        self._busy = None
        while self._waiting and self._is_open:
            waiting = self._wire.venue.sessions.message(self.connection, self._waiting.popleft())
            if waiting is not None:
                self._busy = self._loop.create_task(waiting)
                self._busy.add_done_callback(lambda _task: self._answer_next())
                return

    def _end(self, reason: str) -> None:
        if self._is_open:
            self._is_open = False
            self._down.put("end", reason.encode())
            # The hubs may be in the middle of their connections.
            self._loop.call_soon(self._wire.venue.sessions.close, self.connection)


class ClientSocket:
    """A process's end of a WebSocket in memory: the port's `WebSocket`."""

    def __init__(
        self,
        wire: Wire,
        on_frame: Callable[[bytes], Awaitable[None] | None],
        on_closed: Callable[[str], None],
        open_sockets: dict["ClientSocket", None],
    ) -> None:
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._open_sockets = open_sockets
        self._up = _Line(wire, self._reach_server)
        self._last_heard_s = self._loop.time()
        self._is_open = True
        self._inbox: deque[tuple[str, bytes]] = deque()
        self._held: asyncio.Task[Any] | None = None
        self.server: ServerEnd | None = None

    @property
    def last_heard_ns(self) -> int:
        """When the newest frame of any kind came, in monotonic ns."""
        return int(self._last_heard_s * 1e9)

    def send(self, text: str) -> None:
        """Send a text frame."""
        if self._is_open:
            self._up.put("text", text.encode())

    def ping(self) -> None:
        """Send a ping."""
        if self._is_open:
            self._up.put("ping")

    async def close(self) -> None:
        """Close. Idempotent."""
        if self._is_open:
            self._up.put("end")
            self._end("closed by us")
            await asyncio.sleep(0)

    def die(self) -> None:
        """The process is gone: the exchange sees the end of the connection, and nobody here hears of it."""
        if self._is_open:
            self._is_open = False
            self._up.put("end")
        if self._held is not None:
            self._held.cancel()

    def heard(self, kind: str, data: bytes) -> None:
        """Something came from the exchange."""
        if not self._is_open:
            return
        self._inbox.append((kind, data))
        if self._held is None:
            self._read()

    def _read(self) -> None:
        inbox = self._inbox
        while inbox and self._is_open:
            kind, data = inbox.popleft()
            self._last_heard_s = self._loop.time()
            if kind == "text":
                hold = self._on_frame(data)
                if hold is not None:
                    self._held = asyncio.ensure_future(_wait_for(hold))
                    self._held.add_done_callback(self._go_on)
                    return
            elif kind == "ping":
                self._up.put("pong")
            elif kind == "end":
                self._end(data.decode())

    def _go_on(self, _task: "asyncio.Task[Any]") -> None:
        self._held = None
        self._read()

    def _reach_server(self, kind: str, data: bytes) -> None:
        if self.server is not None:
            self.server.heard(kind, data)

    def _end(self, reason: str) -> None:
        self._is_open = False
        self._open_sockets.pop(self, None)
        self._wire.trace.note("network", f"WebSocket ends: {reason}")
        self._on_closed(reason)


async def _wait_for(hold: Awaitable[None]) -> None:
    await hold


def _when(action: RequestAction) -> str:
    when = getattr(action, "when", None)
    status = getattr(action, "status", None)
    return f"{f' {status}' if status is not None else ''}{f' {when.value}' if when is not None else ''}"


def _facts(query: str) -> str:
    """What a person wants to know of a request's parameters; never the signature."""
    found = parse_qs(query)
    names = ("symbol", "newClientOrderId", "origClientOrderId", "side", "type", "quantity", "price")
    facts = " ".join(found[name][0] for name in names if name in found)
    return f" [{facts}]" if facts else ""
