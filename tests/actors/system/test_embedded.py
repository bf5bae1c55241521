"""An AsyncioSystemBase inside a running loop: endpoints, fairness, timers, coroutines, overflow, the end."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from thespian.actors import Actor, ActorExitRequest, ActorSystem, ActorSystemMessage, DeadEnvelope, WakeupMessage

from openoutcry.actors.system import AsyncioSystemBase, Cell


class Receiver(Actor):  # type: ignore[misc]  # Thespian is untyped
    """An actor whose handler is called `receive`."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 (Thespian's name)
        self.receive(message, sender)

    def receive(self, message: Any, sender: Any) -> None:
        raise NotImplementedError


class Performer(Receiver):
    """Runs whatever function it is sent, with itself and the sender, and keeps all else."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def receive(self, message: Any, sender: Any) -> None:
        if callable(message):
            message(self, sender)
        else:
            self.heard.append(message)


@pytest.fixture
async def base() -> AsyncIterator[AsyncioSystemBase]:
    made = AsyncioSystemBase()
    yield made
    await made.aclose()


@pytest.fixture
def system(base: AsyncioSystemBase) -> Any:
    return ActorSystem(base, transientUnique=True)


class Inbox:
    """An endpoint that can be awaited."""

    def __init__(self, base: AsyncioSystemBase) -> None:
        self.base = base
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self.address = base.open_endpoint(lambda message, sender: self._messages.put_nowait(message), "inbox")

    def send(self, target: Any, message: Any) -> None:
        self.base.send_from(self.address, target, message)

    async def next(self) -> Any:
        return await self._messages.get()


async def test_an_endpoint_talks_with_actors_in_the_same_loop(base: AsyncioSystemBase, system: Any) -> None:
    inbox = Inbox(base)
    performer = system.createActor(Performer)
    inbox.send(performer, lambda actor, sender: actor.send(sender, threading.get_ident()))
    assert await inbox.next() == threading.get_ident()


async def test_a_failing_endpoint_is_logged_and_goes_on(
    base: AsyncioSystemBase, system: Any, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[object] = []

    def receive(message: object, sender: Any) -> None:
        heard.append(message)
        raise RuntimeError("the endpoint's own fault")

    endpoint = base.open_endpoint(receive, "clumsy")
    inbox = Inbox(base)
    inbox.send(endpoint, 1)
    inbox.send(endpoint, 2)
    inbox.send(inbox.address, "after")
    assert await inbox.next() == "after"
    assert heard == [1, 2]
    assert "clumsy" in caplog.text


async def test_what_is_sent_to_a_closed_endpoint_is_a_dead_letter(base: AsyncioSystemBase, system: Any) -> None:
    heard: list[object] = []
    endpoint = base.open_endpoint(lambda message, sender: heard.append(message))
    handler = system.createActor(Performer)
    inbox = Inbox(base)
    inbox.send(handler, lambda actor, sender: actor.handleDeadLetters())
    inbox.send(handler, lambda actor, sender: actor.send(sender, "ready"))
    await inbox.next()
    base.close_endpoint(endpoint)
    base.close_endpoint(endpoint)
    inbox.send(endpoint, "too late")
    inbox.send(handler, lambda actor, sender: actor.send(sender, list(actor.heard)))
    [letter] = await inbox.next()
    assert isinstance(letter, DeadEnvelope)
    assert (letter.deadAddress, letter.deadMessage) == (endpoint, "too late")
    assert heard == []


async def test_ask_in_the_loops_own_thread_hands_out_messages_and_wakeups_itself(system: Any) -> None:
    def wake_then_answer(actor: Any, sender: Any) -> None:
        actor.asker = sender
        actor.heard = WhenWoken(actor)
        actor.wakeupAfter(timedelta(milliseconds=1), "answer")

    class WhenWoken(list[Any]):
        def __init__(self, actor: Any) -> None:
            super().__init__()
            self.actor = actor

        def append(self, message: Any) -> None:
            assert isinstance(message, WakeupMessage)
            self.actor.send(self.actor.asker, message.payload)

    assert system.ask(system.createActor(Performer), wake_then_answer, 20) == "answer"


async def test_ask_without_an_answer_returns_none_and_leaves_the_rest_of_the_loop_alone(system: Any) -> None:
    performer = system.createActor(Performer)
    assert system.ask(performer, "no answer", 0.001) is None
    # Without a time-out it does not wait for what may never come: the loop would stand still for ever.
    assert system.ask(performer, "no answer") is None


async def test_an_actor_that_asks_an_actor_that_needs_it_gets_none_and_no_deadlock(
    base: AsyncioSystemBase, system: Any
) -> None:
    inbox = Inbox(base)
    one, other = system.createActor(Performer), system.createActor(Performer)

    def ask_other(actor: Any, sender: Any) -> None:
        # The other can only answer when this handler has returned.
        answer = system.ask(other, lambda it, _: it.send(one, lambda me, asker: me.send(asker, "hello")), 0.001)
        actor.send(sender, ("answer", answer))

    inbox.send(one, ask_other)
    assert await inbox.next() == ("answer", None)


async def test_other_threads_may_ask_an_embedded_system(system: Any) -> None:
    performer = system.createActor(Performer)

    def ask(number: int) -> list[Any]:
        with system.private() as mine:
            private_performer = mine.createActor(Performer)
            answers = [
                mine.ask(address, lambda actor, sender: actor.send(sender, number), 20)
                for address in (performer, private_performer)
                for _ in range(20)
            ]
            mine.tell(private_performer, ActorExitRequest())
            return answers

    threads = [asyncio.to_thread(ask, number) for number in range(8)]
    assert await asyncio.gather(*threads) == [[number] * 40 for number in range(8)]


async def test_a_thread_that_asks_in_vain_is_told_so_when_its_time_is_over(system: Any) -> None:
    performer = system.createActor(Performer)
    assert await asyncio.to_thread(system.ask, performer, "no answer", 0.001) is None


class Busy(Receiver):
    """Sends itself the next message for as long as it lives."""

    turns = 0

    def receive(self, message: Any, sender: Any) -> None:
        if not isinstance(message, ActorSystemMessage):
            self.turns += 1
            for _ in range(message):
                self.send(self.myAddress, 1)


async def test_a_mailbox_that_never_empties_starves_no_timer_no_socket_and_no_actor(
    base: AsyncioSystemBase, system: Any
) -> None:
    system.tell(system.createActor(Busy), 1000)
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.001)

    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.setblocking(False)
        await loop.sock_sendall(one, b"through")
        assert await loop.sock_recv(other, 100) == b"through"

    inbox = Inbox(base)
    inbox.send(system.createActor(Performer), lambda actor, sender: actor.send(sender, "served"))
    assert await inbox.next() == "served"


async def test_one_turn_of_the_loop_handles_a_bounded_number_of_messages(base: AsyncioSystemBase, system: Any) -> None:
    busy = system.createActor(Busy)
    system.tell(busy, 1)
    instance = base.actorRegistry[busy.actorAddressString].instance
    before = instance.turns
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 0 < instance.turns - before <= 2 * 256


async def test_a_long_mailbox_gives_way_after_its_turn(base: AsyncioSystemBase, system: Any) -> None:
    order: list[str] = []
    long = base.open_endpoint(lambda message, sender: order.append("long"))
    short = base.open_endpoint(lambda message, sender: order.append("short"))
    inbox = Inbox(base)
    for _ in range(200):
        inbox.send(long, None)
    inbox.send(short, None)
    while len(order) < 201:
        await asyncio.sleep(0)
    assert order.index("short") <= 64


async def test_a_cancelled_timer_delivers_nothing_and_others_keep_their_order(
    base: AsyncioSystemBase, system: Any
) -> None:
    inbox = Inbox(base)
    performer = system.createActor(Performer)

    def set_timers(actor: Any, sender: Any) -> None:
        handles = [actor._myRef.call_later(0.0, number) for number in range(200)]
        for handle in handles[::2]:
            handle.cancel()
            handle.cancel()
        actor._myRef.call_later(0.001, lambda me, myself: me.send(sender, (list(me.heard), myself == me.myAddress)))

    inbox.send(performer, set_timers)
    assert await inbox.next() == (list(range(1, 200, 2)), True)


async def test_the_timers_of_an_actor_go_with_it(base: AsyncioSystemBase, system: Any) -> None:
    performer = system.createActor(Performer)
    for _ in range(100):
        base.call_later(performer, 1000.0, "never")
    assert len(base._kernel.timers) == 100
    system.tell(performer, ActorExitRequest())
    await asyncio.sleep(0)
    assert len(base._kernel.timers) == 0


async def test_the_result_of_a_coroutine_comes_back_as_a_message(base: AsyncioSystemBase, system: Any) -> None:
    inbox = Inbox(base)

    async def fetch(fails: bool) -> str:
        await asyncio.sleep(0)
        if fails:
            raise ValueError("no such thing")
        return "fetched"

    def run(fails: bool) -> Callable[[Any, Any], None]:
        def perform(actor: Any, sender: Any) -> None:
            def done(result: Any, error: BaseException | None) -> object:
                return lambda me, myself: me.send(sender, (result, repr(error), myself == me.myAddress))

            assert actor._myRef.loop is asyncio.get_running_loop()
            assert actor._myRef.base is base
            actor._myRef.run_coroutine(fetch(fails), done)

        return perform

    performer = system.createActor(Performer)
    inbox.send(performer, run(False))
    assert await inbox.next() == ("fetched", "None", True)
    inbox.send(performer, run(True))
    assert await inbox.next() == (None, "ValueError('no such thing')", True)


async def test_a_cancelled_coroutine_delivers_nothing(base: AsyncioSystemBase, system: Any) -> None:
    inbox = Inbox(base)
    cancelled = asyncio.Event()

    async def wait_for_ever() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ""

    async def returns_though_cancelled() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "I did not listen"
        return ""

    def start(actor: Any, sender: Any) -> None:
        reference = actor._myRef
        actor.handles = [
            reference.run_coroutine(coroutine, lambda result, error: ("delivered", result, error))
            for coroutine in (wait_for_ever(), returns_though_cancelled())
        ]
        reference.call_later(0.001, lambda me, _: [handle.cancel() for handle in me.handles])
        reference.call_later(0.002, lambda me, _: me.send(sender, me.heard))

    inbox.send(system.createActor(Performer), start)
    assert await inbox.next() == []
    assert cancelled.is_set()


async def test_the_coroutines_of_an_actor_are_cancelled_when_it_exits(base: AsyncioSystemBase, system: Any) -> None:
    ended = asyncio.Event()
    started = asyncio.Event()

    async def wait_for_ever() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    performer = system.createActor(Performer)
    system.tell(performer, lambda actor, sender: actor._myRef.run_coroutine(wait_for_ever(), lambda *_: "never"))
    await started.wait()
    system.tell(performer, ActorExitRequest())
    await ended.wait()


class Bounded(Receiver):
    """Keeps the newest two of what is waiting."""

    mailbox_limit = 2

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def mailbox_overflow(self, mailbox: deque[tuple[Any, Any]], message: Any, sender: Any) -> None:
        mailbox.popleft()
        mailbox.append((message, sender))

    def receive(self, message: Any, sender: Any) -> None:
        self.heard.append(message)


async def test_a_full_mailbox_asks_its_actor_and_system_messages_always_enter(
    base: AsyncioSystemBase, system: Any
) -> None:
    bounded = system.createActor(Bounded)
    inbox = Inbox(base)
    for number in range(5):
        inbox.send(bounded, number)
    assert base.mailbox_depth(bounded) == 2
    inbox.send(bounded, WakeupMessage(timedelta(0), "wake up"))
    assert base.mailbox_depth(bounded) == 3
    instance = base.actorRegistry[bounded.actorAddressString].instance
    while base.mailbox_depth(bounded):
        await asyncio.sleep(0)
    assert instance.heard[:2] == [3, 4]
    assert isinstance(instance.heard[2], WakeupMessage)


class LastFirst:
    """Always picks whoever became ready last."""

    def pick(self, ready: Sequence[Cell]) -> int:
        return len(ready) - 1


async def test_a_scheduler_decides_who_is_next_but_never_the_order_in_a_mailbox() -> None:
    base = AsyncioSystemBase(scheduler=LastFirst())
    order: list[tuple[str, object]] = []

    def note(name: str) -> Callable[[object, Any], None]:
        return lambda message, sender: order.append((name, message))

    first, second = (base.open_endpoint(note(name), name) for name in ("first", "second"))
    for number in range(2):
        base.send_from(first, first, number)
        base.send_from(first, second, number)
    await asyncio.sleep(0)
    assert order == [("second", 0), ("second", 1), ("first", 0), ("first", 1)]
    await base.aclose()


async def test_after_the_end_no_actor_no_task_and_no_timer_is_left() -> None:
    base = AsyncioSystemBase()
    system = ActorSystem(base, transientUnique=True)
    before = asyncio.all_tasks()
    exits: list[str] = []

    class Leaver(Performer):
        def receive(self, message: Any, sender: Any) -> None:
            if isinstance(message, ActorExitRequest):
                exits.append(str(self.myAddress))
            super().receive(message, sender)

    def grow(actor: Any, sender: Any) -> None:
        actor.createActor(Leaver)
        actor._myRef.run_coroutine(asyncio.Event().wait(), lambda *_: "never")
        actor.wakeupAfter(1000.0)

    for _ in range(3):
        system.tell(system.createActor(Leaver), grow)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks() - before) == 3
    await base.aclose()
    assert len(exits) == 6
    assert asyncio.all_tasks() == before
    assert len(base._kernel.timers) == 0
    base.shutdown()
    await base.aclose()


async def test_an_actor_may_end_the_system_it_lives_in(base: AsyncioSystemBase, system: Any) -> None:
    performer = system.createActor(Performer)
    system.tell(performer, lambda actor, sender: actor.actorSystemShutdown())
    while performer.actorAddressString in base.actorRegistry:
        await asyncio.sleep(0)
    base.tell(performer, "nobody hears this")
