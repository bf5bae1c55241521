"""AsyncioSystemBase keeps Thespian's contract, also where Thespian's own suite does not look."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thespian.actors import (
    Actor,
    ActorAddress,
    ActorExitRequest,
    ActorSystem,
    ActorSystemMessage,
    ChildActorExited,
    DeadEnvelope,
    InvalidActorAddress,
    InvalidActorSpecification,
    PoisonMessage,
    WakeupMessage,
)

from openoutcry.actors.system import AsyncioSystemBase, CellAddress

PATIENCE_S = 20


@pytest.fixture
def system() -> Iterator[Any]:
    made = ActorSystem(AsyncioSystemBase({"Cows Allowed": True}), transientUnique=True)
    yield made
    made.shutdown()


class Receiver(Actor):  # type: ignore[misc]  # Thespian is untyped
    """An actor whose handler is called `receive`."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 (Thespian's name)
        self.receive(message, sender)

    def receive(self, message: Any, sender: Any) -> None:
        raise NotImplementedError


class Recorder(Receiver):
    """Keeps all it hears, and tells when asked."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def receive(self, message: Any, sender: Any) -> None:
        if message == "report":
            self.send(sender, list(self.heard))
        elif message == "handle dead letters":
            self.handleDeadLetters()
            self.send(sender, "ready")
        else:
            self.heard.append(message)


class Parent(Receiver):
    """Creates children on request and keeps the exits it is told of."""

    def __init__(self) -> None:
        self.exits: list[Any] = []

    def receive(self, message: Any, sender: Any) -> None:
        if message == "spawn":
            self.send(sender, self.createActor(Parent))
        elif message == "exits":
            self.send(sender, list(self.exits))
        elif message == "stay behind":
            self.stay_behind = True
        elif isinstance(message, ChildActorExited):
            self.exits.append(message.childAddress)
        elif isinstance(message, ActorExitRequest) and hasattr(self, "stay_behind"):
            message.notRecursive()


class Relay(Receiver):
    """Sends each number of a list on to a target, in order."""

    def receive(self, message: Any, sender: Any) -> None:
        if isinstance(message, tuple):
            target, name, numbers = message
            for number in numbers:
                self.send(target, (name, number))


@settings(max_examples=25, deadline=None)
@given(bursts=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 200)), max_size=12))
def test_messages_of_one_sender_arrive_in_their_order(bursts: list[tuple[int, int]]) -> None:
    system = ActorSystem(AsyncioSystemBase(), transientUnique=True)
    try:
        recorder = system.createActor(Recorder)
        relays = [system.createActor(Relay) for _ in range(4)]
        sent: dict[int, int] = dict.fromkeys(range(4), 0)
        for relay, count in bursts:
            system.tell(relays[relay], (recorder, relay, range(sent[relay], sent[relay] + count)))
            sent[relay] += count
        for relay in relays:
            system.tell(relay, ActorExitRequest())
        heard = ask_until(system, recorder, "report", sum(sent.values()))
        for name, count in sent.items():
            assert [number for who, number in heard if who == name] == list(range(count))
    finally:
        system.shutdown()


@settings(max_examples=40, deadline=None)
@given(
    growth=st.lists(st.integers(0, 30), max_size=25),
    kills=st.lists(st.integers(0, 25), max_size=10),
)
def test_every_exit_is_told_to_a_living_parent_exactly_once(growth: list[int], kills: list[int]) -> None:
    base = AsyncioSystemBase()
    system = ActorSystem(base, transientUnique=True)
    try:
        tree: list[Any] = [system.createActor(Parent)]
        parent_of: dict[Any, Any] = {}
        for index in growth:
            parent = tree[index % len(tree)]
            child = system.ask(parent, "spawn", PATIENCE_S)
            parent_of[child] = parent
            tree.append(child)
        dead: set[Any] = set()
        killed = {tree[index % len(tree)] for index in kills} - {tree[0]}
        for address in killed:
            # Twice: the second request finds nobody.
            system.tell(address, ActorExitRequest())
            system.tell(address, ActorExitRequest())
        for address in tree[1:]:
            if address in killed or parent_of[address] in dead:
                dead.add(address)
        wait_until(lambda: len([cell for cell in base.actorRegistry.values() if cell.mortal]) == len(tree) - len(dead))
        for address in tree:
            if address not in dead:
                expected = [child for child in tree if child in dead and parent_of[child] == address]
                exits = ask_until(system, address, "exits", len(expected))
                assert sorted(map(str, exits)) == sorted(map(str, expected))
    finally:
        system.shutdown()


def ask_until(system: Any, address: Any, question: str, enough: int) -> list[Any]:
    """Ask until the answer, a list, is long enough: between different senders there is no order to rely on."""
    while True:
        answer: list[Any] = system.ask(address, question, PATIENCE_S)
        if len(answer) >= enough:
            return answer


def wait_until(condition: Any) -> None:
    """Give the loop's thread the processor until `condition` holds; the test's own time-out ends a vain wait."""
    pause = threading.Event()
    while not condition():
        pause.wait(0.001)


def test_a_parent_hears_of_an_exit_after_the_whole_subtree_is_gone(system: Any) -> None:
    top = system.createActor(Parent)
    middle = system.ask(top, "spawn", PATIENCE_S)
    system.ask(middle, "spawn", PATIENCE_S)
    system.tell(middle, ActorExitRequest())
    assert ask_until(system, top, "exits", 1) == [middle]
    assert [cell for cell in system._systemBase.actorRegistry.values() if cell.mortal] == [
        system._systemBase.actorRegistry[top.actorAddressString]
    ]


def test_children_stay_when_the_exit_is_not_recursive(system: Any) -> None:
    top = system.createActor(Parent)
    child = system.ask(top, "spawn", PATIENCE_S)
    system.tell(top, "stay behind")
    system.tell(top, ActorExitRequest())
    wait_until(lambda: top.actorAddressString not in system._systemBase.actorRegistry)
    assert system.ask(child, "exits", PATIENCE_S) == []
    assert top.actorAddressString not in system._systemBase.actorRegistry


class Clumsy(Receiver):
    attempts = 0

    def receive(self, message: Any, sender: Any) -> None:
        if message == "attempts":
            self.send(sender, self.attempts)
        elif not isinstance(message, ActorSystemMessage):
            self.attempts += 1
            raise ValueError(message)


class ClumsyOnce(Clumsy):
    never_retry = True


def test_a_message_that_fails_three_times_comes_back_as_poison(system: Any) -> None:
    clumsy = system.createActor(Clumsy)
    poison = system.ask(clumsy, "hot", PATIENCE_S)
    assert isinstance(poison, PoisonMessage)
    assert poison.poisonMessage == "hot"
    assert "ValueError: hot" in poison.details
    assert system.ask(clumsy, "attempts", PATIENCE_S) == 3


def test_an_actor_that_never_retries_fails_once_and_poisons_nobody(system: Any) -> None:
    clumsy = system.createActor(ClumsyOnce)
    system.tell(clumsy, "hot")
    assert system.ask(clumsy, "attempts", PATIENCE_S) == 1
    assert system.listen(0) is None


class FailsOnItsFirst(Receiver):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def receive(self, message: Any, sender: Any) -> None:
        if message == "report":
            self.send(sender, self.heard)
        elif not isinstance(message, ActorSystemMessage):
            self.heard.append(message)
            if self.heard == [0]:
                raise ValueError(message)


def test_a_message_tried_again_is_not_overtaken(system: Any) -> None:
    actor = system.createActor(FailsOnItsFirst)
    for number in range(3):
        system.tell(actor, number)
    assert system.ask(actor, "report", PATIENCE_S) == [0, 0, 1, 2]


def test_what_is_sent_to_the_dead_reaches_the_handler_of_dead_letters(system: Any) -> None:
    handler = system.createActor(Recorder)
    assert system.ask(handler, "handle dead letters", PATIENCE_S) == "ready"
    gone = system.createActor(Recorder)
    system.tell(gone, ActorExitRequest())
    system.tell(gone, "too late")
    heard = ask_until(system, handler, "report", 1)
    assert [(type(letter), letter.deadAddress, letter.deadMessage) for letter in heard] == [
        (DeadEnvelope, gone, "too late")
    ]
    # When the handler itself is gone, dead letters are dropped.
    system.tell(handler, ActorExitRequest())
    wait_until(lambda: handler.actorAddressString not in system._systemBase.actorRegistry)
    system.tell(gone, "later still")
    assert system.ask(system.createActor(Recorder), "report", PATIENCE_S) == []


class Slow(Receiver):
    """Holds the first message until it is let go."""

    gate = threading.Event()
    entered = threading.Event()

    def receive(self, message: Any, sender: Any) -> None:
        if message == "hold":
            self.entered.set()
            self.gate.wait()


def test_what_waits_in_the_mailbox_of_an_actor_that_exits_is_dead_letters(system: Any) -> None:
    Slow.gate.clear()
    handler = system.createActor(Recorder)
    system.ask(handler, "handle dead letters", PATIENCE_S)
    slow = system.createActor(Slow)
    system.tell(slow, "hold")
    Slow.entered.wait()
    system.tell(slow, ActorExitRequest())
    system.tell(slow, "never heard")
    Slow.gate.set()
    assert [letter.deadMessage for letter in ask_until(system, handler, "report", 1)] == ["never heard"]


def test_a_global_name_is_free_again_after_its_actor_has_gone(system: Any) -> None:
    first = system.createActor(Recorder, globalName="only one")
    assert system.createActor(Recorder, globalName="only one") == first
    system.tell(first, ActorExitRequest())
    wait_until(lambda: first.actorAddressString not in system._systemBase.actorRegistry)
    assert system.createActor(Recorder, globalName="only one") != first


class NeedsArguments(Receiver):
    def __init__(self, capabilities: dict[str, Any], requirements: dict[str, Any]) -> None:
        self.given = (capabilities["Cows Allowed"], requirements)

    def receive(self, message: Any, sender: Any) -> None:
        if message == "given":
            self.send(sender, self.given)


class Unbuildable(Receiver):
    def __init__(self) -> None:
        raise RuntimeError("not today")


def test_capabilities_and_requirements_reach_a_constructor_that_names_them(system: Any) -> None:
    actor = system.createActor(NeedsArguments, {"milk": 1})
    assert system.ask(actor, "given", PATIENCE_S) == (True, {"milk": 1})


def test_what_the_construction_raises_the_caller_gets(system: Any) -> None:
    with pytest.raises(RuntimeError, match="not today"):
        system.createActor(Unbuildable)
    with pytest.raises(InvalidActorSpecification):
        system.createActor("unqualified")
    with pytest.raises(ImportError):
        system.createActor("there_is_no_such.module")


class ParentOfUnbuildable(Receiver):
    asked: Any = None

    def receive(self, message: Any, sender: Any) -> None:
        if message == "go":
            self.asked = sender
            self.child = self.createActor(Unbuildable)
        elif isinstance(message, ChildActorExited):
            self.send(self.asked, message.childAddress == self.child)


def test_a_child_that_cannot_be_built_is_a_child_that_exited(system: Any) -> None:
    assert system.ask(system.createActor(ParentOfUnbuildable), "go", PATIENCE_S) is True


def test_an_exited_actor_leaves_nothing_behind(system: Any) -> None:
    base = system._systemBase
    address = system.createActor(Recorder)
    instance = weakref.ref(base.actorRegistry[address.actorAddressString].instance)
    cell = weakref.ref(base.actorRegistry[address.actorAddressString])
    system.tell(address, ActorExitRequest())
    wait_until(lambda: address.actorAddressString not in base.actorRegistry)
    system.ask(system.createActor(Recorder), "report", PATIENCE_S)  # Else the drain may still hold the cell.
    gc.collect()
    assert instance() is None
    assert cell() is None
    assert base.mailbox_depth(address) == 0


def test_addresses_are_keys_and_equal_thespians_of_the_same_name(system: Any) -> None:
    one, other = system.createActor(Recorder), system.createActor(Recorder)
    assert {one: 1, other: 2}[one] == 1
    assert one == ActorAddress(one.actorAddressString)
    assert ActorAddress(one.actorAddressString) == one
    assert one != other
    assert copy.deepcopy({"address": one}) == {"address": one}
    with_string = pickle.loads(pickle.dumps(one))
    assert with_string == one
    assert hash(with_string) == hash(one)
    assert isinstance(with_string, CellAddress)
    for address in (with_string, ActorAddress(one.actorAddressString), copy.deepcopy(one)):
        assert system.ask(address, "report", PATIENCE_S) == []


class Misaddressed(Receiver):
    def receive(self, message: Any, sender: Any) -> None:
        if message == "go":
            try:
                self.send("nowhere", "lost")  # the wrong type, on purpose
            except InvalidActorAddress:
                self.send(sender, "refused")


def test_sending_to_what_is_no_address_is_refused(system: Any) -> None:
    assert system.ask(system.createActor(Misaddressed), "go", PATIENCE_S) == "refused"


class Sleeper(Receiver):
    def receive(self, message: Any, sender: Any) -> None:
        if message == "go":
            self.asked = sender
            self.wakeupAfter(0.002, "second")
            self.wakeupAfter(0.001, "first")
            self.heard: list[Any] = []
        elif isinstance(message, WakeupMessage):
            self.heard.append(message.payload)
            if len(self.heard) == 2:
                self.send(self.asked, self.heard)


def test_wakeups_come_by_themselves_in_the_order_of_their_times(system: Any) -> None:
    system.tell(system.createActor(Sleeper), "go")
    assert system.listen(PATIENCE_S) == ["first", "second"]


def test_actors_of_two_systems_can_write_to_each_other(system: Any) -> None:
    other_system = ActorSystem(AsyncioSystemBase(), transientUnique=True)
    try:
        there = other_system.createActor(Recorder)
        here = system.createActor(Relay)
        system.tell(here, (there, "from afar", range(3)))
        assert ask_until(other_system, there, "report", 3) == [("from afar", 0), ("from afar", 1), ("from afar", 2)]
    finally:
        other_system.shutdown()
