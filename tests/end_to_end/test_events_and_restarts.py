"""What a bot sees of its orders while the tree restarts under it: nothing is lost, doubled, or waited for in vain."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tree_bench import PAIR, Tree, tree

from openoutcry import ConnectorStopped, OrderCancelled, OrderCreated, OrderEvent, OrderEventsGone, OrderType
from openoutcry.actors import roles
from openoutcry.actors.order_tracker.journal import Journal
from openoutcry.emulator.faults import DelayAnswer, Fault, Requests, ResetConnection, Skip, UserEvents, When
from openoutcry.messages.lifecycle import Crash


async def rest_an_order(market: Tree) -> str:
    return await market.connector.buy(PAIR, Decimal("0.001"), OrderType.LIMIT, market.price(0.9))


async def new_facade(market: Tree) -> None:
    """Crash the facade itself: the whole tree is a new one."""
    facade = market.runtime._facades["binance"]
    market.connector._endpoint.tell(facade, Crash(reason="the whole tree"))
    await market.until(lambda: market.runtime._facades.get("binance") not in (None, facade), "a new facade")
    await market.connector.wait_ready(timeout=15)


class CrashBehindCommit:
    """Makes the tracker die between a commit with an event of a kind and the publication: once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[OrderEvent]) -> None:
        self.has_struck = False
        commit = Journal.commit

        def commit_and_crash(journal: Journal, changes: Any) -> None:
            commit(journal, changes)
            if not self.has_struck and any(type(event) is kind for event in changes.events):
                self.has_struck = True
                raise RuntimeError("behind the commit")

        monkeypatch.setattr(Journal, "commit", commit_and_crash)


async def test_the_very_first_event_is_seen_although_the_tracker_died_before_it_told_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tree(tmp_path) as market:
        crash = CrashBehindCommit(monkeypatch, OrderCreated)
        order = await rest_an_order(market)
        await market.wait_for(order, OrderCreated)
        assert crash.has_struck
        assert [event.number for event in market.events] == [1]


async def test_an_end_that_was_not_told_leaves_the_orders_in_flight_and_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tree(tmp_path) as market:
        order = await rest_an_order(market)
        await market.wait_for(order, OrderCreated)
        CrashBehindCommit(monkeypatch, OrderCancelled)
        with pytest.raises(ConnectorStopped, match=r"orders restarts and has not answered.*behind the commit"):
            await market.connector.cancel(PAIR, order)
        await market.wait_for(order, OrderCancelled)
        await market.until(lambda: not market.connector.in_flight_orders, "the replica without the order")
        answer = await market.connector.cancel(PAIR, order)
        assert answer.cancelled


async def test_iterations_and_orders_in_flight_outlive_the_facade(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        first = await rest_an_order(market)
        await market.wait_for(first, OrderCreated)
        await new_facade(market)
        assert not market._follower.done()
        await market.until(lambda: first in market.connector.in_flight_orders, "the order in flight")
        second = await rest_an_order(market)
        await market.wait_for(second, OrderCreated)
        results = await market.connector.cancel_all()
        assert {result.client_order_id for result in results if result.cancelled} == {first, second}
        await market.wait_for(second, OrderCancelled)
        assert [event.number for event in market.events] == list(range(1, len(market.events) + 1))
        assert not market.connector.in_flight_orders
        assert (await market.compare()).is_good


async def test_an_order_under_way_as_the_facade_dies_ends_in_a_clear_error_and_is_known_afterwards(
    tmp_path: Path,
) -> None:
    async with tree(tmp_path) as market:
        market.server.faults.add(Fault(Requests("POST", "/api/v3/order"), DelayAnswer(0.3)))
        placing = asyncio.ensure_future(rest_an_order(market))
        market.connector._endpoint.tell(market.runtime._facades["binance"], Crash(reason="under way"))
        with pytest.raises(ConnectorStopped, match="restarted before it answered"):
            await placing
        await market.connector.wait_ready(timeout=15)
        summary = await market.compare()
        assert summary.is_good, summary.problems


async def test_with_the_tracker_down_nobody_is_told_that_there_are_no_orders(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        order = await rest_an_order(market)
        await market.wait_for(order, OrderCreated)
        market.connector.crash(roles.ORDERS)
        with pytest.raises(ConnectorStopped, match=r"orders restarts|orders is restarting"):
            await market.connector.cancel_all()
        assert order in market.connector.in_flight_orders
        await market.connector.wait_ready(timeout=15)
        assert order in market.connector.in_flight_orders


async def test_answer_lost_user_stream_lost_and_tracker_restarted_at_once(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        market.server.faults.add(Fault(Requests("POST", "/api/v3/order"), ResetConnection(When.AFTER)))
        market.server.faults.add(Fault(UserEvents(), Skip(), count=5))
        order = await rest_an_order(market)
        market.connector.crash(roles.ORDERS)
        market.connector.crash(roles.USER_STREAM)
        await market.connector.wait_ready(timeout=15)
        await market.wait_for(order, OrderCreated)
        assert (await market.compare()).is_good


async def test_a_facade_that_dies_during_the_drain_drains_all_the_same(tmp_path: Path) -> None:
    async with tree(tmp_path, cancel_orders_on_stop=True) as market:
        order = await rest_an_order(market)
        await market.wait_for(order, OrderCreated)
        stopping = asyncio.ensure_future(market.runtime.stop())
        market.connector._endpoint.tell(market.runtime._facades["binance"], Crash(reason="in the drain"))
        await stopping
        assert market.runtime.drained["binance"].is_flat, market.runtime.drained
        await market.stop()
        assert type(market.events[-1]) is OrderCancelled


async def test_a_resume_with_a_number_of_another_journal_is_refused(tmp_path: Path) -> None:
    async with tree(tmp_path) as market:
        with pytest.raises(OrderEventsGone, match="another journal"):
            await anext(market.connector.events(after=41))
