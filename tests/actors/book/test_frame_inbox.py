"""The inbox between a socket's reader and its actor."""

import asyncio
from typing import Any

from openoutcry.actors.book.frame_inbox import FrameInbox, StreamClosed, StreamFrames
from openoutcry.actors.book.trade_filter import TradeFilter
from openoutcry.actors.ports.clock import SystemClock
from openoutcry.messages.market import PublicTrade


async def test_frames_that_wait_have_one_message_between_them() -> None:
    posted: list[Any] = []
    inbox = FrameInbox(7, posted.append, SystemClock())
    for number in range(5):
        assert inbox.on_frame(b"%d" % number) is None
    assert posted == [StreamFrames(7)]
    taken = inbox.take()
    assert [frame for frame, _ in taken] == [b"0", b"1", b"2", b"3", b"4"]
    assert sorted(at for _, at in taken) == [at for _, at in taken]
    inbox.on_frame(b"5")
    inbox.on_closed("the end")
    assert posted == [StreamFrames(7), StreamFrames(7), StreamClosed(7, "the end")]
    assert len(inbox.take()) == 1
    assert inbox.take() == []


async def test_a_full_inbox_holds_the_reader_until_it_is_taken() -> None:
    inbox = FrameInbox(1, lambda _message: None, SystemClock(), most_waiting=2)
    assert inbox.on_frame(b"0") is None
    hold = inbox.on_frame(b"1")
    assert isinstance(hold, asyncio.Future)
    assert inbox.on_frame(b"2") is hold
    assert not hold.done()
    assert len(inbox.take()) == 3
    assert hold.done()
    assert inbox.on_frame(b"3") is None


async def test_a_stopped_inbox_lets_the_reader_go_and_keeps_nothing() -> None:
    posted: list[Any] = []
    inbox = FrameInbox(1, posted.append, SystemClock(), most_waiting=1)
    hold = inbox.on_frame(b"0")
    inbox.stop()
    assert isinstance(hold, asyncio.Future)
    assert hold.done()
    assert inbox.on_frame(b"1") is None
    inbox.on_closed("closed by us")
    assert inbox.take() == []
    assert posted == [StreamFrames(1)]


def trade(number: int) -> PublicTrade:
    return PublicTrade("BTC-USDT", str(number), 1.0, 1.0, True, 0, 0)


def test_trades_of_two_streams_pass_once_and_memory_is_bounded() -> None:
    passes = TradeFilter(remembered=10)
    assert passes.is_new(trade(1), is_overlapping=False)
    assert [passes.is_new(trade(number), is_overlapping=True) for number in (2, 2, 3, 2, 3)] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert not passes.is_new(trade(3), is_overlapping=False)
    assert passes.is_new(trade(4), is_overlapping=False)
    for number in range(100, 1_000):
        assert passes.is_new(trade(number), is_overlapping=True)
    assert len(passes._seen) == len(passes._oldest_first) == 10
