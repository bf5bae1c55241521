"""The clock's rounds of measurements, in virtual time, against a clock that is off and jumps."""

import asyncio
from typing import Any

import orjson
import pytest
from harness import Stage, in_virtual_time

from openoutcry.actors.exchange.clock_sync import ClockSync
from openoutcry.actors.roles import CLOCK, ORDERS, REST, USER_STREAM
from openoutcry.messages.lifecycle import Readiness
from openoutcry.messages.rest import ClockOffset, ClockSkewSuspected, ExecuteRest, RestAnswer, RestNotSent


class Scene(Stage):
    """A clock, and an exchange whose own is ahead by `ahead_ms`."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_ms = 1_500
        self.is_there = True
        for role in (USER_STREAM, ORDERS):
            self.play(role)
        self.play(REST, self.tell_time)

    def tell_time(self, question: Any) -> Any:
        assert isinstance(question, ExecuteRest)
        if not self.is_there:
            return RestNotSent(reason="cannot reach https://rest.test (connection refused)")
        now_ms = self.clock.wall_ms()
        body = orjson.dumps({"serverTime": now_ms + self.ahead_ms})
        return RestAnswer(body=body, sent_ms=now_ms, received_ns=self.clock.monotonic_ns())

    def offsets(self, role: str) -> list[float]:
        return [message.offset_ms for message in self.heard[role] if isinstance(message, ClockOffset)]


@in_virtual_time
async def test_all_who_stamp_are_told_the_offset_at_once_and_again_only_when_it_changed() -> None:
    async with Scene() as scene:
        await scene.start(ClockSync, CLOCK)
        await scene.is_told(Readiness.READY)
        await asyncio.sleep(200.0)
        for role in (REST, USER_STREAM, ORDERS):
            assert scene.offsets(role) == [pytest.approx(1_500.5)]
        scene.ahead_ms = -40
        await asyncio.sleep(61.0)
        for role in (REST, USER_STREAM, ORDERS):
            assert scene.offsets(role) == [pytest.approx(1_500.5), pytest.approx(-39.5)]


@in_virtual_time
async def test_a_newcomer_is_told_what_is_known() -> None:
    async with Scene() as scene:
        await scene.start(ClockSync, CLOCK)
        await scene.is_told(Readiness.READY)
        scene.play(ORDERS)
        scene.heard[ORDERS].clear()
        scene.announce(ORDERS)
        assert (await scene.hears_a(ORDERS, ClockOffset)).offset_ms == pytest.approx(1_500.5)


@in_virtual_time
async def test_all_who_suspect_the_clock_get_the_result_of_one_new_round() -> None:
    async with Scene() as scene:
        clock = await scene.start(ClockSync, CLOCK)
        await scene.is_told(Readiness.READY)
        await scene.settle()
        questions = len(scene.heard[REST])
        scene.ahead_ms = 90_000
        answers = await asyncio.gather(*(scene.ask_later(clock, ClockSkewSuspected()) for _ in range(20)))
        assert [answer.offset_ms for answer in answers] == [pytest.approx(90_000.5)] * 20
        asked = [message for message in scene.heard[REST][questions:] if isinstance(message, ExecuteRest)]
        assert len(asked) == 3


@in_virtual_time
async def test_a_clock_that_cannot_be_read_shows_why_and_recovers_by_itself() -> None:
    async with Scene() as scene:
        scene.is_there = False
        await scene.start(ClockSync, CLOCK)
        status = await scene.is_told(Readiness.DEGRADED)
        assert "connection refused" in status.reason
        scene.is_there = True
        await scene.is_told(Readiness.READY, patience_s=15.0)
        assert scene.crashes == []


@in_virtual_time
async def test_an_answer_that_is_no_time_is_a_failure_and_no_crash() -> None:
    async with Scene() as scene:
        scene.play(REST, lambda _: RestAnswer(body=b"<html>", sent_ms=0, received_ns=0))
        await scene.start(ClockSync, CLOCK)
        await scene.is_told(Readiness.DEGRADED)
        assert scene.crashes == []
