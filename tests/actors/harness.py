"""Runs single actors on the real system base, with the test in the place of everybody around them.

    async with Stage(transport=…) as stage:
        stage.play(SIGNER, answer_signing)              # a peer, and what it answers; what it hears is kept
        rest = await stage.start(RestGateway, REST)
        answer = await stage.ask(rest, ExecuteRest(…))

`in_virtual_time` runs a test in a loop whose clock jumps to the next timer whenever nothing else is to do: a minute of
waiting takes no time, and the same test takes the same course each time.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, ParamSpec, Self, TypeVar

from thespian.actors import ActorExitRequest, ActorSystem

from openoutcry.actors.ports.clock import Clock
from openoutcry.actors.ports.transport import HttpResponse, NotSent, Transport, TransportError, WebSocket
from openoutcry.actors.roles import FACADE
from openoutcry.actors.runtime import ComponentActor, Environment, Start
from openoutcry.actors.runtime.requests import Answer, Ask
from openoutcry.actors.system import AsyncioSystemBase
from openoutcry.config.schema import ConnectorSettings
from openoutcry.exchanges.binance.dialect import BinanceSpot
from openoutcry.exchanges.dialect import Endpoints, SpotDialect
from openoutcry.messages.lifecycle import ChildFailed, ComponentStatus, PeerDown, PeerUp, Readiness
from openoutcry.messages.rest import SignedRequest
from openoutcry.simulation.loop import LoopClock, VirtualTimeLoop

_P = ParamSpec("_P")
_T = TypeVar("_T")

PATIENCE_S = 5.0

NOWHERE = Endpoints(rest_url="https://rest.test", ws_url="wss://stream.test", ws_api_url="wss://api.test")


def in_virtual_time(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """Run an asynchronous test in a loop of virtual time."""

    @functools.wraps(test)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


class MemorySocket:
    """A WebSocket without a network: `texts` is what the actor sent, `push` is what the server sends."""

    def __init__(
        self,
        url: str,
        on_frame: Callable[[bytes], Awaitable[None] | None],
        on_closed: Callable[[str], None],
    ) -> None:
        self.url = url
        self.texts: list[str] = []
        self.on_text: Callable[[str], None] = lambda _text: None
        self.answers_pings = True
        self.pings = 0
        self.is_open = True
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._last_heard_ns = self._now_ns()

    def send(self, text: str) -> None:
        if self.is_open:
            self.texts.append(text)
            self.on_text(text)

    def ping(self) -> None:
        self.pings += 1
        if self.answers_pings:
            self._last_heard_ns = self._now_ns()

    @property
    def last_heard_ns(self) -> int:
        return self._last_heard_ns

    async def close(self) -> None:
        self.drop("closed by us")

    def push(self, frame: bytes) -> None:
        """The server sends a frame."""
        if self.is_open:
            self._last_heard_ns = self._now_ns()
            self._on_frame(frame)

    def drop(self, reason: str) -> None:
        """The connection ends."""
        if self.is_open:
            self.is_open = False
            self._on_closed(reason)

    def _now_ns(self) -> int:
        return int(self._loop.time() * 1e9)


Respond = Callable[[SignedRequest], HttpResponse | TransportError | Awaitable[HttpResponse]]


def refuse(_request: SignedRequest) -> TransportError:
    """A server that is not there."""
    return NotSent("GET https://rest.test/: Connection refused")


@dataclass
class ScriptedTransport:
    """The transport port in memory: the server is a function for requests, and one for each socket that opens."""

    respond: Respond = refuse
    on_open: Callable[[MemorySocket], None] = lambda _socket: None
    latency_s: float = 0.001
    requests: list[tuple[float, SignedRequest]] = field(default_factory=list)
    """(loop time, request) of each that left."""
    sockets: list[MemorySocket] = field(default_factory=list)
    refuses_sockets: bool = False

    async def request(self, base_url: str, request: SignedRequest, timeout_s: float) -> HttpResponse:
        self.requests.append((asyncio.get_running_loop().time(), request))
        await asyncio.sleep(self.latency_s)
        outcome = self.respond(request)
        if isinstance(outcome, TransportError):
            raise outcome
        return outcome if isinstance(outcome, HttpResponse) else await outcome

    async def open_websocket(
        self,
        url: str,
        on_frame: Callable[[bytes], Awaitable[None] | None],
        on_closed: Callable[[str], None],
        timeout_s: float = 10.0,
    ) -> WebSocket:
        await asyncio.sleep(self.latency_s)
        if self.refuses_sockets:
            raise NotSent("WebSocket did not open: Connection refused")
        socket = MemorySocket(url, on_frame, on_closed)
        self.sockets.append(socket)
        self.on_open(socket)
        return socket

    async def close(self) -> None:
        for socket in self.sockets:
            await socket.close()


class Stage:
    """A system base in the test's loop, actors under test, and endpoints that stand for their peers."""

    def __init__(
        self,
        *,
        transport: Transport | None = None,
        settings: ConnectorSettings | None = None,
        dialect: SpotDialect | None = None,
        endpoints: Endpoints = NOWHERE,
        clock: Clock | None = None,
    ) -> None:
        self.base = AsyncioSystemBase()
        self.system = ActorSystem(systemBase=self.base, transientUnique=True)
        self.clock = clock or LoopClock()
        self.transport: Transport = transport or ScriptedTransport()
        self.environment = Environment(
            connector="test",
            settings=settings or ConnectorSettings(exchange="binance", trading_pairs=("BTC-USDT",)),
            dialect=dialect or BinanceSpot(),
            endpoints=endpoints,
            transport=self.transport,
            clock=self.clock,
            seed=1,
        )
        self.heard: dict[str, list[Any]] = {}
        """What each played role was told or asked, oldest first; the facade's is what the parent heard."""
        self._news = asyncio.Event()
        self._addresses: dict[str, tuple[Any, int]] = {}
        self._on_stage: set[str] = set()
        """Roles of actors under test."""
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self.play(FACADE)
        self._asker = self.base.open_endpoint(self._answered, "asker")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.base.aclose()
        await self.transport.close()

    def play(self, role: str, answer: Callable[[Any], Any] | None = None) -> None:
        """Stand for a role. `answer` gets the body of each question; what it returns is the answer, None is silence."""
        self.heard.setdefault(role, [])
        generation = self._addresses[role][1] + 1 if role in self._addresses else 1

        def receive(message: Any, sender: Any) -> None:
            body = message.body if isinstance(message, Ask) else message
            self.heard[role].append(body)
            self._news.set()
            if isinstance(message, Ask) and answer is not None:
                reply = answer(body)
                if reply is not None:
                    target = message.reply_to or sender
                    self.base.send_from(address, target, Answer(message.request_id, reply))

        address = self.base.open_endpoint(receive, role)
        self._addresses[role] = (address, generation)

    async def start(self, actor: type[ComponentActor], role: str, *, generation: int = 1) -> Any:
        """Create an actor and start it, with all roles known so far as its peers; they are told of it."""
        address = self.system.createActor(actor)
        peers = tuple((other, where, number) for other, (where, number) in self._addresses.items() if other != role)
        start = Start(role=role, generation=generation, environment=self.environment, peers=peers)
        parent = self._addresses[FACADE][0]
        self.base.send_from(parent, address, start)
        self._addresses[role] = (address, generation)
        self._on_stage.add(role)
        self._tell_actors(PeerUp(role=role, address=address, generation=generation), but=role)
        return address

    def announce(self, role: str) -> None:
        """Tell all actors under test that this role is up, at its newest address."""
        address, generation = self._addresses[role]
        self._tell_actors(PeerUp(role=role, address=address, generation=generation), but=role)

    def lose(self, role: str) -> None:
        """Tell all actors under test that this role is gone."""
        self._tell_actors(PeerDown(role=role, generation=self._addresses[role][1]), but=role)

    def stop(self, actor: Any) -> None:
        """End an actor under test."""
        self.base.send_from(self._asker, actor, ActorExitRequest())

    def tell(self, target: Any, message: Any, *, as_role: str = FACADE) -> None:
        """Send a message in the place of a role."""
        self.base.send_from(self._addresses[as_role][0], target, message)

    def ask_later(self, target: Any, question: Any) -> "asyncio.Future[Any]":
        """Ask an actor; the future gets the answer."""
        self._asked += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[self._asked] = future
        self.base.send_from(self._asker, target, Ask(self._asked, question))
        return future

    async def ask(self, target: Any, question: Any, patience_s: float = 600.0) -> Any:
        """Ask an actor and wait for the answer."""
        async with asyncio.timeout(patience_s):
            return await self.ask_later(target, question)

    async def hears(self, role: str, matches: Callable[[Any], bool], *, patience_s: float = PATIENCE_S) -> Any:
        """The first message to a played role that matches, waiting for it if need be."""
        async with asyncio.timeout(patience_s):
            while True:
                for message in self.heard[role]:
                    if matches(message):
                        return message
                self._news.clear()
                await self._news.wait()

    async def hears_a(self, role: str, kind: type[_T], *, patience_s: float = PATIENCE_S) -> _T:
        """The first message of a type to a played role."""
        found: _T = await self.hears(role, lambda message: isinstance(message, kind), patience_s=patience_s)
        return found

    async def is_told(self, readiness: Readiness, *, patience_s: float = PATIENCE_S) -> ComponentStatus:
        """Wait until the newest status that the facade heard is this one."""
        async with asyncio.timeout(patience_s):
            while True:
                last = self.last_status
                if last is not None and last.readiness is readiness:
                    return last
                self._news.clear()
                await self._news.wait()

    @property
    def last_status(self) -> ComponentStatus | None:
        """The newest status that the facade heard."""
        told = [message for message in self.heard[FACADE] if isinstance(message, ComponentStatus)]
        return told[-1] if told else None

    @property
    def crashes(self) -> list[ChildFailed]:
        """What the facade heard of handlers that raised."""
        return [message for message in self.heard[FACADE] if isinstance(message, ChildFailed)]

    async def settle(self) -> None:
        """Let everything happen that needs no time: in virtual time, up to the next timer."""
        for _ in range(50):
            await asyncio.sleep(0)

    def _answered(self, message: Any, _sender: Any) -> None:
        if isinstance(message, Answer):
            future = self._answers.pop(message.request_id)
            if not future.done():
                future.set_result(message.body)

    def _tell_actors(self, message: Any, *, but: str) -> None:
        for role in self._on_stage - {but}:
            self.base.send_from(self._asker, self._addresses[role][0], message)
