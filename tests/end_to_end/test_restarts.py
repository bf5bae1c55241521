"""Message flows of the whole tree with restarts at random points: whatever dies, the end equals the exchange's truth.

Each run is drawn from a seed that stands in the test's name: run that one test to see it again.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from tree_bench import PAIR, Tree, tree

from openoutcry import ConnectorStopped, InFlightOrder, OrderRefusedError, OrderType, Readiness, TimeInForce, TradeSide
from openoutcry.actors import roles
from openoutcry.actors.exchange.tree import spot_tree
from openoutcry.config.schema import ConnectorSettings, SecretSource
from openoutcry.emulator.faults import (
    DelayAnswer,
    Fault,
    RequestAction,
    Requests,
    ResetConnection,
    Skip,
    UserEvents,
    When,
)
from openoutcry.messages.lifecycle import Crash, SupervisionDecision, SupervisionEvent
from openoutcry.messages.orders import GetInFlightOrders

ROLES = tuple(
    spot_tree(
        ConnectorSettings(exchange="binance", api_key=SecretSource(env="KEY"), api_secret=SecretSource(env="SECRET"))
    ).by_role
)
FACADE = "facade"
STEPS = 25


@pytest.mark.parametrize("seed", range(5))
async def test_restarts_at_random_points_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    async with tree(tmp_path, max_restarts=1000, order_poll_interval_s=0.5, balance_poll_interval_s=0.5) as market:
        binance = market.connector
        asked: list[asyncio.Task[object]] = []

        async def place() -> None:
            price = 60_000 * dice.uniform(0.99, 1.01)
            side = dice.choice(list(TradeSide))
            order_type = dice.choice([OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET])
            in_force = dice.choice(list(TimeInForce)) if order_type is OrderType.LIMIT else TimeInForce.GTC
            do = binance.buy if side is TradeSide.BUY else binance.sell
            limit = None if order_type is OrderType.MARKET else Decimal(f"{price:.2f}")
            await do(PAIR, Decimal("0.001") * dice.randint(1, 9), order_type, limit, time_in_force=in_force)

        async def cancel_some() -> None:
            orders = sorted(binance.in_flight_orders)
            if orders:
                await binance.cancel(PAIR, dice.choice(orders))

        for _ in range(STEPS):
            match dice.randrange(6):
                case 0:
                    crash(market, dice.choice((*ROLES, FACADE)), f"seed {seed}")
                case 1:
                    faults: list[RequestAction] = [ResetConnection(When.AFTER), ResetConnection(), DelayAnswer(0.05)]
                    fault = dice.choice(faults)
                    market.server.faults.add(Fault(Requests("POST", "/api/v3/order"), fault))
                case 2:
                    market.server.faults.add(Fault(UserEvents(), Skip(), count=dice.randint(1, 3)))
                case 3:
                    asked.append(asyncio.create_task(cancel_some()))
                case _:
                    asked.append(asyncio.create_task(place()))
            await asyncio.sleep(dice.choice([0, 0, 0.001, 0.01, 0.1]))
        results = await asyncio.gather(*asked, return_exceptions=True)
        unexpected = [one for one in results if isinstance(one, Exception) and not _is_expected(one)]
        assert not unexpected
        await binance.wait_ready(timeout=20)
        summary = await market.compare()
        assert summary.is_good, summary.problems
        numbers = [event.number for event in market.events]
        assert numbers == list(range(1, len(numbers) + 1)), "each event once and in order"
        answer = await binance._ask(GetInFlightOrders())
        told = {order.client_order_id: order for order in answer.orders}
        assert {name: amounts(order) for name, order in told.items()} == {
            name: amounts(order) for name, order in binance.in_flight_orders.items()
        }


def crash(market: Tree, role: str, reason: str) -> None:
    """Make a component crash, or the facade, and with it the whole tree."""
    if role != FACADE:
        market.connector.crash(role, reason)
    elif (facade := market.runtime._facades.get("binance")) is not None:
        market.connector._endpoint.tell(facade, Crash(reason=reason))


def amounts(order: InFlightOrder) -> tuple[object, ...]:
    return order.state, order.executed_amount_base, order.executed_amount_quote, order.fees


def _is_expected(error: Exception) -> bool:
    """A bot hears of a restart as a refusal, or as a question that nobody answered."""
    return isinstance(error, (OrderRefusedError, ConnectorStopped, TimeoutError))


@pytest.mark.parametrize("role", ROLES)
async def test_each_component_alone_comes_back_and_the_tree_is_ready_again(tmp_path: Path, role: str) -> None:
    async with tree(tmp_path) as market:
        binance = market.connector
        events = binance.supervision_events()
        restarted = asyncio.ensure_future(first(restarts_of(events, role)))
        await asyncio.sleep(0)
        binance.crash(role)
        async with asyncio.timeout(10):
            await restarted
        await binance.wait_ready(timeout=15)
        status = binance.status
        assert status is not None
        assert all(one.readiness is Readiness.READY for one in status.components)
        order = await binance.buy(PAIR, Decimal("0.001"), OrderType.MARKET)
        await market.until(lambda: market.log.states.get(order) == "FILLED", "the fill after the restart")


async def first(events: AsyncIterator[SupervisionEvent]) -> None:
    async for _ in events:
        return


async def restarts_of(events: AsyncIterator[SupervisionEvent], role: str) -> AsyncIterator[SupervisionEvent]:
    async for event in events:
        if event.role == role and event.decision is SupervisionDecision.RESTARTED:
            yield event


async def test_a_component_that_keeps_failing_takes_the_connector_down_to_be_started_anew(tmp_path: Path) -> None:
    async with tree(tmp_path, max_restarts=1) as market:
        binance = market.connector
        facade = market.runtime._facades["binance"]
        for _ in range(2):
            binance.crash(roles.RULES)
            await asyncio.sleep(0.3)
        await market.until(lambda: market.runtime._facades.get("binance") not in (None, facade), "a new facade")
        await binance.wait_ready(timeout=15)
        order = await binance.buy(PAIR, Decimal("0.001"), OrderType.MARKET)
        await market.until(lambda: market.log.states.get(order) == "FILLED", "the fill after the restart")
