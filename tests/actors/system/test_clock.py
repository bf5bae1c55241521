"""All time of an AsyncioSystemBase is its loop's: a loop with virtual time governs every timer and time-out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thespian.actors import Actor, ActorSystem, WakeupMessage

from openoutcry.actors.system import AsyncioSystemBase
from openoutcry.simulation.loop import VirtualTimeLoop

A_DAY_S = 86_400.0


@pytest.fixture
def loop() -> Iterator[VirtualTimeLoop]:
    made = VirtualTimeLoop()
    yield made
    made.close()


class Sleeper(Actor):  # type: ignore[misc]  # Thespian is untyped
    """Asks for wakeups and reports when they came, with their payloads."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 (Thespian's name)
        if isinstance(message, list):
            self.asked = sender
            for number, delay in enumerate(message):
                self.wakeupAfter(delay, number)
        elif isinstance(message, WakeupMessage):
            self.send(self.asked, (self._myRef.loop.time(), message.delayPeriod, message.payload))


@given(delays=st.lists(st.integers(0, 40).map(lambda hours: hours * 3600), min_size=1, max_size=30))
def test_every_wakeup_comes_at_its_time_and_those_of_one_time_in_their_order(delays: list[int]) -> None:
    loop = VirtualTimeLoop()
    base = AsyncioSystemBase(loop=loop)
    system = ActorSystem(base, transientUnique=True)
    heard: list[Any] = []

    async def run() -> None:
        everything = asyncio.Event()

        def receive(message: object, sender: Any) -> None:
            heard.append(message)
            if len(heard) == len(delays):
                everything.set()

        base.send_from(base.open_endpoint(receive), system.createActor(Sleeper), delays)
        await everything.wait()
        await base.aclose()

    loop.run_until_complete(run())
    loop.close()
    expected = sorted((delay, number) for number, delay in enumerate(delays))
    assert [(delay, number) for _, delay, number in heard] == expected
    assert [when for when, _, _ in heard] == pytest.approx([delay for delay, _ in expected], abs=1e-6)


def test_a_loop_that_does_not_run_yet_can_be_asked(loop: VirtualTimeLoop) -> None:
    base = AsyncioSystemBase(loop=loop)
    system = ActorSystem(base, transientUnique=True)
    sleeper = system.createActor(Sleeper)
    assert system.ask(sleeper, [0.0], 10) == (0.0, 0.0, 0)
    system.shutdown()


def test_a_synchronous_ask_does_not_wait_for_a_clock_that_stands_still(loop: VirtualTimeLoop) -> None:
    base = AsyncioSystemBase(loop=loop)
    system = ActorSystem(base, transientUnique=True)
    assert system.ask(system.createActor(Sleeper), [A_DAY_S], 0.001) is None
    assert loop.time() == 0.0
    system.shutdown()
