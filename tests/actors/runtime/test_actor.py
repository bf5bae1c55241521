"""The base class of actors, on the real system base in the test's own loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from thespian.actors import ActorExitRequest, ActorSystem, ChildActorExited

from openoutcry.actors.ports.clock import SystemClock
from openoutcry.actors.runtime import ComponentActor, RequestFailed, RequestFailure, StartOutside, Timer, handles
from openoutcry.actors.runtime.actor import DEAD_LETTERS
from openoutcry.actors.runtime.requests import Answer, Ask
from openoutcry.actors.system import AsyncioSystemBase
from openoutcry.messages.lifecycle import ChildFailed, Figures, GetFigures, PeerDown, PeerUp, Undelivered


@dataclass(frozen=True)
class Do:
    """Run a function in the actor, which is how these tests play its handlers."""

    what: Callable[[Any], Any]


@dataclass(frozen=True)
class Question:
    text: str


@dataclass(frozen=True)
class Reply:
    text: str


@dataclass(frozen=True)
class Pass:
    """Forward a question."""

    role: str
    message: Any


class Subject(ComponentActor):
    def on_start(self) -> None:
        self.stopped = 0

    def on_stop(self) -> None:
        self.stopped += 1
        if self._parent is not None:
            self.send(self._parent, ("stopped", self.stopped))

    @handles(Do)
    def _do(self, message: Do, _sender: Any) -> None:
        message.what(self)

    @handles(Pass)
    def _pass(self, message: Pass, sender: Any) -> None:
        assert self.forward(message.role, message.message, sender)

    @handles(Question)
    def _question(self, message: Question, sender: Any) -> None:
        if message.text == "crash":
            raise ValueError("asked to crash")
        if message.text != "silence":
            self.reply(sender, Reply(f"{self.role}: {message.text}"))


class Parent(ComponentActor):
    """Creates subjects and passes on whatever they say to the test."""

    heard: list[Any]
    woken: asyncio.Event

    @handles(Do)
    def _do(self, message: Do, sender: Any) -> None:
        message.what(self)

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - Thespian's name
        if isinstance(message, Do):
            message.what(self)
        elif not isinstance(message, ActorExitRequest):
            self.heard.append(message)
            self.woken.set()


class World:
    """A parent, subjects by role, and what the parent heard."""

    def __init__(self) -> None:
        self.base = AsyncioSystemBase()
        self.system = ActorSystem(systemBase=self.base, transientUnique=True)
        self.heard: list[Any] = []
        self.woken = asyncio.Event()
        self.test = self.base.open_endpoint(lambda message, _: self._hear(message), "test")
        self.parent = self.system.createActor(Parent)
        self._do(self._listen_through)

    def _listen_through(self, parent: Parent) -> None:
        parent.heard, parent.woken = self.heard, self.woken

    def _hear(self, message: Any) -> None:
        self.heard.append(message)
        self.woken.set()

    def _do(self, what: Callable[[Any], Any]) -> None:
        self.base.send_from(self.test, self.parent, Do(what))

    async def spawn(self, role: str, *peers: tuple[str, Any, int], generation: int = 1) -> Any:
        made: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def create(parent: Any) -> None:
            address = parent.createActor(Subject)
            start = StartOutside(role=role, generation=generation, clock=SystemClock(), seed=1, peers=peers)
            parent.send(address, start)
            made.set_result(address)

        self._do(create)
        return await made

    def tell(self, address: Any, message: Any) -> None:
        self.base.send_from(self.test, address, message)

    async def hears(self, matches: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(5):
            while True:
                for message in self.heard:
                    if matches(message):
                        return message
                self.woken.clear()
                await self.woken.wait()

    async def hears_a(self, kind: type) -> Any:
        return await self.hears(lambda message: isinstance(message, kind))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.base.aclose()


def keeping(kept: list[Any], done: asyncio.Event | None = None) -> Callable[[Any], None]:
    def keep(answer: Any) -> None:
        kept.append(answer)
        if done is not None:
            done.set()

    return keep


async def test_a_question_is_answered_to_the_one_who_asked_by_its_id(world: World) -> None:
    subject = await world.spawn("a")
    world.tell(subject, Ask(7, Question("hello")))
    assert await world.hears_a(Answer) == Answer(7, Reply("a: hello"))


async def test_answers_reach_the_question_they_belong_to_in_any_order(world: World) -> None:
    answering = await world.spawn("answering")
    asking = await world.spawn("asking", ("answering", answering, 1))
    first: list[Any] = []
    second: list[Any] = []
    done = asyncio.Event()

    def ask(actor: Subject) -> None:
        actor.ask("answering", Question("silence"), keeping(first), timeout_s=0.05)
        actor.ask("answering", Question("two"), keeping(second))
        actor.after(0.1, done.set)

    world.tell(asking, Do(ask))
    await done.wait()
    assert second == [Reply("answering: two")]
    assert first == [RequestFailed(RequestFailure.TIMED_OUT, "answering", "Question")]


async def test_a_forwarded_question_is_answered_straight_to_who_asked(world: World) -> None:
    owner = await world.spawn("owner")
    front = await world.spawn("front", ("owner", owner, 1))
    world.tell(front, Ask(3, Pass("owner", Question("x"))))
    assert await world.hears_a(Answer) == Answer(3, Reply("owner: x"))


async def test_without_a_peer_a_request_fails_and_its_callback_runs_after_the_handler(world: World) -> None:
    subject = await world.spawn("a")
    order: list[Any] = []
    done = asyncio.Event()

    def ask(actor: Subject) -> None:
        actor.ask("nobody", Question("x"), keeping(order, done))
        order.append("handler ended")

    world.tell(subject, Do(ask))
    await done.wait()
    assert order == ["handler ended", RequestFailed(RequestFailure.NOT_THERE, "nobody", "Question")]


async def test_a_request_to_a_peer_that_goes_down_fails_unless_it_may_be_asked_again(world: World) -> None:
    old = await world.spawn("peer")
    subject = await world.spawn("a", ("peer", old, 1))
    failed: list[Any] = []
    resent: list[Any] = []
    done = asyncio.Event()
    world.tell(subject, Do(lambda actor: actor.ask("peer", Question("silence"), keeping(failed))))
    world.tell(subject, Do(lambda actor: actor.ask("peer", Question("silence"), keeping(resent), resend=True)))
    world.tell(subject, PeerDown(role="peer", generation=1))
    new = world.base.open_endpoint(lambda message, sender: world.tell_answer(message, sender), "new peer")  # type: ignore[attr-defined]

    def answer(message: Any, sender: Any) -> None:
        world.base.send_from(new, sender, Answer(message.request_id, Reply("again")))
        done.set()

    world.tell_answer = answer  # type: ignore[attr-defined]
    world.tell(subject, PeerUp(role="peer", address=new, generation=2))
    await done.wait()
    world.tell(subject, Ask(1, Question("still there")))
    await world.hears_a(Answer)
    assert failed == [RequestFailed(RequestFailure.PEER_DOWN, "peer", "Question")]
    assert resent == [Reply("again")]


async def test_what_an_older_generation_still_sends_is_dropped(world: World) -> None:
    heard: list[str] = []
    old = world.base.open_endpoint(lambda *_: None, "old")
    new = world.base.open_endpoint(lambda *_: None, "new")
    subject = await world.spawn("a", ("peer", old, 1))
    world.tell(subject, PeerUp(role="peer", address=new, generation=2))
    world.base.send_from(old, subject, Do(lambda _: heard.append("from the dead")))
    world.base.send_from(new, subject, Do(lambda _: heard.append("from the living")))
    world.tell(subject, PeerUp(role="peer", address=old, generation=1))
    world.base.send_from(new, subject, Do(lambda _: heard.append("still the living")))
    world.tell(subject, Ask(1, Question("sync")))
    await world.hears_a(Answer)
    assert heard == ["from the living", "still the living"]


async def test_a_handler_that_raises_runs_once_reports_why_and_ends_the_actor(world: World) -> None:
    subject = await world.spawn("a")
    runs: list[int] = []

    def crash(_: Subject) -> None:
        runs.append(1)
        raise RuntimeError("no luck")

    world.tell(subject, Do(crash))
    report = await world.hears_a(ChildFailed)
    exited = await world.hears_a(ChildActorExited)
    assert (report.role, report.generation, report.message_type) == ("a", 1, "Do")
    assert report.error == "RuntimeError: no luck"
    assert "in crash" in report.traceback
    assert exited.childAddress == subject
    assert runs == [1]
    assert ("stopped", 1) in world.heard


async def test_between_crash_and_exit_messages_become_dead_letters(world: World) -> None:
    dead_letters = world.base.open_endpoint(lambda message, _: world._hear(message), "dead letters")
    subject = await world.spawn("a", (DEAD_LETTERS, dead_letters, 1))
    world.tell(subject, Ask(1, Question("crash")))
    world.tell(subject, Ask(2, Question("lost")))
    lost = await world.hears_a(Undelivered)
    assert (lost.recipient, lost.message) == ("a", Question("lost"))


async def test_a_crash_in_an_answer_s_callback_is_a_crash_of_the_actor(world: World) -> None:
    subject = await world.spawn("a")

    def fail(_: Any) -> None:
        raise RuntimeError("in the callback")

    world.tell(subject, Do(lambda actor: actor.ask("nobody", Question("x"), fail)))
    assert (await world.hears_a(ChildFailed)).error == "RuntimeError: in the callback"


async def test_a_cancelled_timer_does_not_call_even_if_its_message_lies_in_the_mailbox(world: World) -> None:
    subject = await world.spawn("a")
    called: list[str] = []
    timers: list[Timer] = []
    world.tell(subject, Do(lambda actor: timers.append(actor.after(0, lambda: called.append("cancelled")))))

    def wait_until_due_then_cancel(actor: Subject) -> None:
        actor.soon(lambda: called.append("soon"))
        timers[0].cancel()

    world.tell(subject, Do(wait_until_due_then_cancel))
    done = asyncio.Event()
    world.tell(subject, Do(lambda actor: actor.after(0.01, done.set)))
    await done.wait()
    assert called == ["soon"]


async def test_a_repeating_timer_calls_until_it_is_cancelled(world: World) -> None:
    subject = await world.spawn("a")
    calls: list[int] = []
    done = asyncio.Event()

    def start(actor: Subject) -> None:
        def tick() -> None:
            calls.append(1)
            if len(calls) == 3:
                timer.cancel()
                actor.after(0.02, done.set)

        timer = actor.every(0.001, tick)

    world.tell(subject, Do(start))
    await done.wait()
    assert len(calls) == 3


async def test_what_a_coroutine_returns_comes_back_as_a_message_and_its_error_too(world: World) -> None:
    subject = await world.spawn("a")
    results: list[Any] = []
    done = asyncio.Event()

    async def give(value: int) -> int:
        await asyncio.sleep(0)
        if value < 0:
            raise ValueError("negative")
        return value

    def start(actor: Subject) -> None:
        actor.run(give(4), results.append)
        actor.run(give(-1), results.append, on_error=keeping(results, done))

    world.tell(subject, Do(start))
    await done.wait()
    assert results[0] == 4
    assert isinstance(results[1], ValueError)


async def test_an_exception_of_a_coroutine_without_on_error_is_a_crash(world: World) -> None:
    subject = await world.spawn("a")

    async def fail() -> None:
        raise OSError("no such file")

    world.tell(subject, Do(lambda actor: actor.run(fail(), lambda _: None)))
    assert (await world.hears_a(ChildFailed)).error == "OSError: no such file"


async def test_figures_count_what_was_handled(world: World) -> None:
    subject = await world.spawn("a")
    for number in range(5):
        world.tell(subject, Ask(number, Question("x")))
    world.tell(subject, Ask(9, GetFigures(sent_ns=SystemClock().monotonic_ns())))
    answer = await world.hears(lambda message: isinstance(message, Answer) and isinstance(message.body, Figures))
    assert answer.body.handled == 6
    assert answer.body.role == "a"
    assert answer.body.mailbox_age_s >= 0


async def test_an_unknown_message_is_dropped_and_counted_not_a_crash(world: World, caplog: Any) -> None:
    subject = await world.spawn("a")
    world.tell(subject, object())
    world.tell(subject, object())
    world.tell(subject, Ask(1, GetFigures(sent_ns=0)))
    figures = (await world.hears_a(Answer)).body
    assert figures.dropped == 2
    assert sum("no handler for object" in record.message for record in caplog.records) == 1


def test_two_handlers_for_one_type_in_a_class_are_refused_at_its_definition() -> None:
    with pytest.raises(TypeError, match="two handlers for Question"):

        class Confused(ComponentActor):
            @handles(Question)
            def one(self, message: Question, sender: Any) -> None: ...

            @handles(Question)
            def two(self, message: Question, sender: Any) -> None: ...
