"""An AsyncioSystemBase without a loop around it: its own thread, time-outs, private contexts, the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from thespian.actors import Actor, ActorExitRequest, ActorSystem, ActorSystemFailure, Thespian_StatusReq

from openoutcry.actors.system import AsyncioSystemBase

PATIENCE_S = 20


class Performer(Actor):  # type: ignore[misc]  # Thespian is untyped
    """Runs whatever function it is sent, with itself and the sender."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 (Thespian's name)
        if callable(message):
            message(self, sender)


@pytest.fixture
def base() -> AsyncioSystemBase:
    return AsyncioSystemBase()


@pytest.fixture
def system(base: AsyncioSystemBase) -> Iterator[Any]:
    made = ActorSystem(base, transientUnique=True)
    yield made
    made.shutdown()


def own_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "AsyncioSystemBase"]


def test_the_thread_starts_at_first_use_and_ends_with_the_system() -> None:
    before = own_threads()
    base = AsyncioSystemBase()
    system = ActorSystem(base, transientUnique=True)
    assert own_threads() == before
    performer = system.createActor(Performer)
    assert len(own_threads()) == len(before) + 1
    system.tell(performer, lambda actor, sender: actor.createActor(Performer))
    system.shutdown()
    assert own_threads() == before
    assert base.loop.is_closed()
    assert not [cell for cell in base.actorRegistry.values() if cell.mortal]
    base.shutdown()


def test_a_system_that_was_never_used_ends_too() -> None:
    base = AsyncioSystemBase()
    base.shutdown()
    assert base.loop.is_closed()


def test_actors_are_built_and_run_in_the_loops_thread(system: Any) -> None:
    built_in: list[str] = []

    class Nosy(Performer):
        def __init__(self) -> None:
            built_in.append(threading.current_thread().name)

    ask = system.ask(
        system.createActor(Nosy), lambda actor, sender: actor.send(sender, threading.current_thread().name), PATIENCE_S
    )
    assert [*built_in, ask] == ["AsyncioSystemBase"] * 2


def test_an_ask_that_times_out_returns_none_and_the_late_answer_is_for_the_next_listener(system: Any) -> None:
    performer = system.createActor(Performer)
    gate = threading.Event()

    def answer_late(actor: Any, sender: Any) -> None:
        gate.wait()
        actor.send(sender, "late")

    assert system.ask(performer, answer_late, 0.001) is None
    gate.set()
    assert system.listen(PATIENCE_S) == "late"
    assert system.listen(0) is None


def test_a_wakeup_comes_before_a_time_out_that_is_later(system: Any) -> None:
    performer = system.createActor(Performer)

    def arrange(actor: Any, sender: Any) -> None:
        actor._myRef.call_later(0.001, lambda me, _: me.send(sender, "woken"))

    assert system.ask(performer, arrange, PATIENCE_S) == "woken"


def test_each_private_context_hears_only_its_own_answers(system: Any) -> None:
    shared = system.createActor(Performer)
    together = threading.Barrier(8)

    def ask(number: int) -> list[Any]:
        with system.private() as mine:
            together.wait()
            return [mine.ask(shared, lambda actor, sender: actor.send(sender, number), PATIENCE_S) for _ in range(50)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [[number] * 50 for number in range(8)]


def test_a_private_context_leaves_nothing_behind(base: AsyncioSystemBase, system: Any) -> None:
    before = set(base.actorRegistry)
    with system.private() as mine:
        assert set(base.actorRegistry) != before
        mine._systemBase.updateCapability("Cows Allowed", True)
    assert set(base.actorRegistry) == before
    assert base.capabilities["Cows Allowed"] is True


def test_messages_of_a_helper_thread_of_an_actor_all_arrive(system: Any) -> None:
    performer = system.createActor(Performer)

    def count(actor: Any, sender: Any) -> None:
        actor.count = getattr(actor, "count", 0) + 1

    def start_helpers(actor: Any, sender: Any) -> None:
        def help_out() -> None:
            for _ in range(2000):
                actor.send(actor.myAddress, count)

        actor.helpers = [threading.Thread(target=help_out) for _ in range(3)]
        for helper in actor.helpers:
            helper.start()
        actor.send(sender, actor.helpers)

    for helper in system.ask(performer, start_helpers, PATIENCE_S):
        helper.join()
    # Whoever asks now is behind all of them in the mailbox.
    assert system.ask(performer, lambda actor, sender: actor.send(sender, actor.count), PATIENCE_S) == 6000


def test_an_actor_may_use_the_actor_system_in_its_handler(system: Any) -> None:
    one, other = system.createActor(Performer), system.createActor(Performer)

    def ask_other(actor: Any, sender: Any) -> None:
        with system.private() as mine:
            answer = mine.ask(other, lambda it, asker: it.send(asker, "hello"), PATIENCE_S)
            made = mine.createActor(Performer)
            actor.send(sender, (answer, made != one))

    assert system.ask(one, ask_other, PATIENCE_S) == ("hello", True)


def test_the_status_of_an_actor_tells_its_children_and_wakeups(system: Any) -> None:
    performer = system.createActor(Performer)

    def grow(actor: Any, sender: Any) -> None:
        actor.wakeupAfter(1000.0)
        actor.send(sender, actor.createActor(Performer))

    child = system.ask(performer, grow, PATIENCE_S)
    status = system.ask(performer, Thespian_StatusReq(), PATIENCE_S)
    assert status.childActors == [child]
    assert len(status.pendingWakeups) == 1


def test_an_actor_may_end_its_system_from_inside(base: AsyncioSystemBase, system: Any) -> None:
    performer = system.createActor(Performer)
    [thread] = own_threads()
    system.tell(performer, lambda actor, sender: actor.actorSystemShutdown())
    thread.join()
    assert not own_threads()
    with pytest.raises(ActorSystemFailure):
        base.newPrimaryActor(Performer)


def test_whoever_waits_for_an_answer_waits_no_longer_when_the_system_ends(base: AsyncioSystemBase, system: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        listening = pool.submit(base.listen)
        system.createActor(Performer)
        base.shutdown()
        assert listening.result() is None


def test_an_exit_that_fails_is_an_exit_all_the_same(base: AsyncioSystemBase, system: Any) -> None:
    class Reluctant(Performer):
        def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 (Thespian's name)
            if isinstance(message, ActorExitRequest):
                raise RuntimeError("I would rather not")  # noqa: TRY004 (no type is wrong)
            super().receiveMessage(message, sender)

    system.createActor(Reluctant)
    system.shutdown()
    assert not [cell for cell in base.actorRegistry.values() if cell.mortal]
