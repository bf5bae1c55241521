"""Order events by number: each reader sees each event once and in order, whatever happens to the live ones."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.errors import ConnectorStopped, OrderEventsGone
from openoutcry.feeds import Feed, OrderEventFeed
from openoutcry.messages.orders import OrderCancelled, OrderEvent, OrderEvents


def event(number: int) -> OrderEvent:
    return OrderCancelled(
        number=number,
        time_ms=number,
        trading_pair="BTC-USDT",
        client_order_id=f"order-{number}",
        exchange_order_id=None,
        executed_amount_base=Decimal(0),
        reason="",
    )


class Journal:
    """A journal that grows, and answers in pages."""

    def __init__(self) -> None:
        self.events: list[OrderEvent] = []
        self.before_start = 0
        self.first_kept = 1
        self.trouble: list[Exception] = []

    def grow(self) -> OrderEvent:
        self.events.append(event(len(self.events) + 1))
        return self.events[-1]

    async def after(self, number: int | None) -> OrderEvents:
        if self.trouble:
            raise self.trouble.pop()
        if number is None:
            number = self.before_start
        page = tuple(one for one in self.events if one.number > number and one.number >= self.first_kept)[:3]
        last_number = len(self.events)
        await asyncio.sleep(0)
        return OrderEvents(events=page, last_number=last_number)


@settings(max_examples=150, deadline=None)
@given(
    before=st.integers(0, 8),
    after=st.one_of(st.none(), st.integers(0, 8)),
    live=st.lists(st.sampled_from(["told", "lost", "told twice", "told late"]), min_size=1, max_size=20),
    trouble=st.lists(st.sampled_from([TimeoutError(), ConnectorStopped("restarts")]), max_size=3),
)
def test_a_reader_sees_each_event_once_and_in_order_however_the_live_ones_come(
    before: int, after: int | None, live: list[str], trouble: list[Exception]
) -> None:
    async def run() -> None:
        journal = Journal()
        for _ in range(before):
            journal.grow()
        journal.before_start = before
        journal.trouble = trouble
        resume = None if after is None else min(after, before)
        feed = OrderEventFeed(journal.after)
        seen: list[int] = []

        async def read() -> None:
            async for one in feed.items(resume):
                seen.append(one.number)  # noqa: PERF401 - what was seen so far counts when the reader is cancelled

        reader = asyncio.create_task(read())
        late: list[OrderEvent] = []
        for how in live:
            await asyncio.sleep(0)
            new = journal.grow()
            if how == "told late":
                late.append(new)
                continue
            if how != "lost":
                feed.publish(new)
            if how == "told twice":
                feed.publish(new)
        for one in late:
            feed.publish(one)
        for _ in range(4):  # after each trouble whoever keeps the journal is there again, and says so
            feed.look_again()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        for _ in range(200):
            await asyncio.sleep(0)
        feed.close()
        await reader
        start = before if resume is None else resume
        assert seen == list(range(start + 1, len(journal.events) + 1))

    asyncio.run(run())


async def test_without_a_number_a_late_reader_still_sees_what_came_since_the_start() -> None:
    journal = Journal()
    feed = OrderEventFeed(journal.after)
    journal.grow()
    journal.before_start = 1
    feed.publish(journal.grow())
    feed.publish(journal.grow())
    seen: list[int] = []
    async for one in feed.items(None):
        seen.append(one.number)
        if len(seen) == 2:
            break
    assert seen == [2, 3]


async def test_a_reader_far_behind_reads_on_from_the_journal_and_its_buffer_stays_small() -> None:
    journal = Journal()
    feed = OrderEventFeed(journal.after)
    items = feed.items(0)
    feed.publish(journal.grow())
    seen = [(await anext(items)).number]
    for _ in range(5000):
        feed.publish(journal.grow())
    assert all(len(reader._items) <= 1000 for reader in feed._live._readers)
    while len(seen) < 5001:
        seen.append((await anext(items)).number)
    assert seen == list(range(1, 5002))


@pytest.mark.parametrize(("after", "resume_after"), [(0, 4), (3, 4), (99, 6)])
async def test_events_that_are_gone_are_an_error_that_says_where_to_go_on(after: int, resume_after: int) -> None:
    journal = Journal()
    for _ in range(6):
        journal.grow()
    journal.first_kept = 5
    feed = OrderEventFeed(journal.after)
    with pytest.raises(OrderEventsGone) as caught:
        await anext(feed.items(after))
    assert caught.value.resume_after == resume_after
    feed.close()
    assert [one.number async for one in feed.items(resume_after)] == list(range(resume_after + 1, 7))


async def test_an_iteration_that_begins_after_the_end_ends() -> None:
    feed: Feed[int] = Feed(buffer=1)
    feed.close()
    assert [one async for one in feed.items()] == []


async def next_of(items: AsyncIterator[int]) -> int:
    async with asyncio.timeout(5):
        return await anext(items)


async def test_a_feed_with_a_buffer_of_one_conflates_for_a_slow_reader() -> None:
    feed: Feed[int] = Feed(buffer=1)
    items = feed.items(first=0)
    assert await next_of(items) == 0
    for number in range(1, 50):
        feed.publish(number)
    assert await next_of(items) == 49
    feed.close()
    assert [one async for one in items] == []


async def test_every_reader_of_a_feed_has_a_buffer_of_its_own_and_leaves_nothing_behind() -> None:
    feed: Feed[int] = Feed(buffer=2)
    slow, quick = feed.items(first=0), feed.items(first=0)
    assert [await next_of(slow), await next_of(quick)] == [0, 0]
    for number in (1, 2, 3):
        feed.publish(number)
        assert await next_of(quick) == number
    assert [await next_of(slow), await next_of(slow)] == [2, 3]
    await slow.aclose()  # type: ignore[attr-defined]  # an async generator, typed as what its callers may rely on
    await quick.aclose()  # type: ignore[attr-defined]  # likewise
    assert not feed._readers
