"""The parts of a simulation: its loop, its network, its scheduler, its plan of faults, its eyes."""

import asyncio
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from thespian.actors import Actor, ActorSystem

from openoutcry.actors.ports.transport import NotSent, OutcomeUnknown
from openoutcry.actors.system import AsyncioSystemBase
from openoutcry.emulator.faults import Connections, DelayAnswer, Fault, RefuseConnection, Requests, When
from openoutcry.emulator.markets import demo_markets
from openoutcry.emulator.venue import EmulatedVenue
from openoutcry.messages.orders import OrderCancelled, OrderCreated, OrderEvent, OrderFilled, OrderType, TradeSide
from openoutcry.messages.rest import SignedRequest
from openoutcry.simulation.faults import ALL_FAULTS, FaultKind, plan_faults
from openoutcry.simulation.invariants import EventWatch
from openoutcry.simulation.loop import FIRST_WALL_MS, NothingWillHappen, VirtualTimeLoop
from openoutcry.simulation.network import BanWatch, MemoryTransport, Wire
from openoutcry.simulation.scheduler import SeededScheduler
from openoutcry.simulation.trace import Trace

TIME = SignedRequest(method="GET", path_and_query="/api/v3/time")


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as made:
        yield made


def wire() -> Wire:
    """A network to an exchange without order flow, in the running loop."""
    loop = asyncio.get_running_loop()
    venue = EmulatedVenue(clock=lambda: int(FIRST_WALL_MS + loop.time() * 1e3), markets=demo_markets(1), flow_seed=None)
    return Wire(venue, Trace(loop.time), random.Random(1), BanWatch(loop.time))


# The loop


def test_a_day_of_waiting_takes_no_time(runner: asyncio.Runner) -> None:
    async def wait() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    assert runner.run(wait()) == pytest.approx(86_400)


def test_what_is_given_to_a_thread_runs_at_once_in_its_place(runner: asyncio.Runner) -> None:
    async def run() -> tuple[float, float]:
        result = await asyncio.to_thread(float, "1.5")
        with pytest.raises(ValueError, match="could not convert"):
            await asyncio.to_thread(float, "x")
        return result, asyncio.get_running_loop().time()

    assert runner.run(run()) == (1.5, 0.0)


def test_a_wait_that_nothing_can_end_is_an_error_and_no_hanging(runner: asyncio.Runner) -> None:
    async def wait() -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(NothingWillHappen):
        runner.run(wait())


# The network


def test_a_request_is_answered_after_a_while_of_virtual_time(runner: asyncio.Runner) -> None:
    async def run() -> tuple[int, float]:
        response = await MemoryTransport(wire()).request("https://x", TIME, 5.0)
        return response.status, asyncio.get_running_loop().time()

    status, took_s = runner.run(run())
    assert status == 200
    assert 0.004 <= took_s < 1.0


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault(Connections(), RefuseConnection()), NotSent, "refused"),
        (Fault(Requests(), DelayAnswer(30.0, When.AFTER)), OutcomeUnknown, "timed out"),
    ],
)
def test_a_request_that_fails_says_whether_it_may_have_arrived(
    runner: asyncio.Runner, fault: Fault, error: type[Exception], words: str
) -> None:
    async def run() -> None:
        line = wire()
        line.venue.faults.add(fault)
        with pytest.raises(error, match=words):
            await MemoryTransport(line).request("https://x", TIME, 5.0)

    runner.run(run())


def test_frames_of_one_connection_keep_their_order_whatever_their_latency(runner: asyncio.Runner) -> None:
    async def run() -> list[bytes]:
        line = wire()
        heard: list[bytes] = []
        socket = await MemoryTransport(line).open_websocket("wss://x/ws/btcusdt@depth@100ms", heard.append, print)
        assert socket.server is not None
        for number in range(200):
            socket.server.send(b"%d" % number)
        await asyncio.sleep(60)
        await socket.close()
        return heard

    assert runner.run(run()) == [b"%d" % number for number in range(200)]


def test_a_reader_that_lags_holds_its_socket_back_and_loses_nothing(runner: asyncio.Runner) -> None:
    async def run() -> list[bytes]:
        heard: list[bytes] = []

        def read(frame: bytes) -> Any:
            heard.append(frame)
            return asyncio.sleep(1.0)

        socket = await MemoryTransport(wire()).open_websocket("wss://x/ws/btcusdt@trade", read, print)
        assert socket.server is not None
        for number in range(5):
            socket.server.send(b"%d" % number)
        await asyncio.sleep(2.5)
        assert len(heard) < 5
        await asyncio.sleep(10)
        await socket.close()
        return heard

    assert runner.run(run()) == [b"0", b"1", b"2", b"3", b"4"]


def test_the_exchange_forgets_the_sockets_of_a_dead_process_and_the_process_hears_nothing(
    runner: asyncio.Runner,
) -> None:
    async def run() -> None:
        line = wire()
        closed: list[str] = []
        transport = MemoryTransport(line)
        await transport.open_websocket("wss://x/ws/btcusdt@trade", lambda _frame: None, closed.append)
        assert line.venue.market_connections == 1
        transport.die()
        await asyncio.sleep(5)
        assert line.venue.market_connections == 0
        assert closed == []

    runner.run(run())


def test_a_request_in_a_ban_is_noticed(runner: asyncio.Runner) -> None:
    async def run() -> list[str]:
        line = wire()
        line.bans.told(10.0)
        await MemoryTransport(line).request("https://x", TIME, 5.0)
        await asyncio.sleep(10)
        await MemoryTransport(line).request("https://x", TIME, 5.0)
        return line.bans.violations

    violations = runner.run(run())
    assert len(violations) == 1
    assert violations[0].startswith("GET /api/v3/time left at 0.000 s")


# The scheduler


class Sender(Actor):  # type: ignore[misc]  # Thespian is untyped
    """Sends numbers to whom it is told."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 (Thespian's name)
        if isinstance(message, tuple):
            name, target = message
            for number in range(20):
                self.send(target, (name, number))


@pytest.mark.parametrize("seed", range(5))
def test_the_seed_mixes_actors_and_keeps_the_order_of_each_pair(runner: asyncio.Runner, seed: int) -> None:
    async def run() -> list[tuple[str, int]]:
        trace = Trace(asyncio.get_running_loop().time)
        base = AsyncioSystemBase(scheduler=SeededScheduler(random.Random(seed), trace))
        system = ActorSystem(systemBase=base, transientUnique=True)
        heard: list[Any] = []
        endpoint = base.open_endpoint(lambda message, _sender: heard.append(message), "ear")
        for name in "abc":
            base.send_from(endpoint, system.createActor(Sender), (name, endpoint))
        await asyncio.sleep(1)
        await base.aclose()
        return heard

    heard = runner.run(run())
    for name in "abc":
        assert [number for who, number in heard if who == name] == list(range(20))


# The plan of faults


def test_a_plan_holds_only_the_kinds_that_were_asked_for_in_the_order_of_time() -> None:
    kinds = (FaultKind.HTTP_418, FaultKind.CLOCK_JUMP)
    planned = plan_faults(kinds, 600.0, random.Random(1))
    assert {one.kind for one in planned} == set(kinds)
    assert [one.at_s for one in planned] == sorted(one.at_s for one in planned)
    assert all(0 <= one.at_s < 600 for one in planned)
    assert plan_faults((), 600.0, random.Random(1)) == ()
    assert {one.kind for one in plan_faults(ALL_FAULTS, 3600.0, random.Random(1))} == set(ALL_FAULTS)


# The eyes


def created(number: int, order: str) -> OrderEvent:
    return OrderCreated(
        number=number,
        time_ms=1,
        trading_pair="BTC-USDT",
        client_order_id=order,
        exchange_order_id="1",
        side=TradeSide.BUY,
        order_type=OrderType.LIMIT,
        price=Decimal(1),
        amount=Decimal(1),
    )


def filled(number: int, order: str, trade: str) -> OrderEvent:
    return OrderFilled(
        number=number,
        time_ms=1,
        trading_pair="BTC-USDT",
        client_order_id=order,
        exchange_order_id="1",
        side=TradeSide.BUY,
        trade_id=trade,
        price=Decimal(1),
        amount=Decimal(1),
        fee_asset="BTC",
        fee_amount=Decimal(0),
        is_maker=False,
    )


def cancelled(number: int, order: str) -> OrderEvent:
    return OrderCancelled(
        number=number,
        time_ms=1,
        trading_pair="BTC-USDT",
        client_order_id=order,
        exchange_order_id="1",
        executed_amount_base=Decimal(0),
        reason="",
    )


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([created(1, "a"), cancelled(3, "a")], "event 3 (OrderCancelled of a) came after number 1"),
        ([created(1, "a"), created(1, "b")], "came after number 1"),
        ([created(1, "a"), filled(2, "a", "7"), filled(3, "a", "7")], "counts trade 7 a second time"),
        ([filled(1, "a", "7")], "came before the order was created"),
        ([created(1, "a"), created(2, "a")], "is the second of its kind"),
        ([created(1, "a"), cancelled(2, "a"), cancelled(3, "a")], "ends an order that had ended"),
    ],
)
def test_events_that_are_lost_repeated_or_out_of_order_are_noticed(events: list[OrderEvent], words: str) -> None:
    watch = EventWatch()
    for event in events:
        watch.add(event)
    assert any(words in violation for violation in watch.violations)


def test_both_sides_of_one_trade_may_be_ours() -> None:
    watch = EventWatch()
    for event in (created(1, "a"), created(2, "b"), filled(3, "a", "7"), filled(4, "b", "7")):
        watch.add(event)
    assert watch.violations == []
