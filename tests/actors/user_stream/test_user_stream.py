"""The user stream in virtual time: logging in, holes and what is said of them, silence, renewal, refusals."""

import asyncio
import itertools
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest
from harness import MemorySocket, ScriptedTransport, Stage, in_virtual_time

from openoutcry.actors.roles import BALANCES, CLOCK, ORDERS, SIGNER, USER_STREAM
from openoutcry.actors.user_stream.user_stream import KEY_REFUSED_AGAIN_S, UserStream
from openoutcry.exchanges.dialect import Credentials
from openoutcry.messages.account import BalanceDelta, BalanceUpdate
from openoutcry.messages.lifecycle import Readiness, UserStreamInterrupted, UserStreamResumed
from openoutcry.messages.orders import FillUpdate, OrderState, OrderUpdate
from openoutcry.messages.rest import ClockOffset, ClockSkewSuspected, SignedFrame, SigningFailed, SignStreamLogin
from openoutcry.messages.trading_rules import TradingRule, TradingRules

CREDENTIALS = Credentials(api_key="k" * 64, api_secret="s" * 64)
ZERO = Decimal(0)
RULES = TradingRules(
    rules=(
        TradingRule(
            trading_pair="BTC-USDT",
            symbol="BTCUSDT",
            base_asset="BTC",
            quote_asset="USDT",
            min_price_increment=ZERO,
            min_price=ZERO,
            max_price=ZERO,
            min_base_amount_increment=ZERO,
            min_order_size=ZERO,
            max_order_size=ZERO,
            market_min_base_amount_increment=ZERO,
            market_min_order_size=ZERO,
            market_max_order_size=ZERO,
            min_notional_size=ZERO,
            min_notional_applies_to_market=False,
            max_notional_size=ZERO,
            order_types=frozenset(),
            times_in_force=frozenset(),
            self_trade_prevention_modes=frozenset(),
            is_trading=True,
            status="TRADING",
        ),
    )
)


def event(kind: str, **fields: Any) -> bytes:
    return orjson.dumps({"subscriptionId": 0, "event": {"e": kind, "E": 1_767_225_600_000, **fields}})


TRADE = event(
    "executionReport",
    s="BTCUSDT", c="oo-1", S="BUY", o="LIMIT", f="GTC", q="2", p="100", x="TRADE", X="PARTIALLY_FILLED", r="NONE",
    i=7, l="1", L="100", z="1", Z="100", Y="100", n="0.001", N="BTC", t=55, m=True, T=1_767_225_600_000, C="",
)  # fmt: skip
POSITION = event("outboundAccountPosition", u=1_767_225_600_001, B=[{"a": "BTC", "f": "3", "l": "1"}])
DEPOSIT = event("balanceUpdate", a="BTC", d="1.5", T=1_767_225_600_002)
TERMINATED = event("eventStreamTerminated")
SHUTDOWN = orjson.dumps({"e": "serverShutdown", "E": 1_767_225_600_000})


class Scene(Stage):
    """A user stream with everybody around it; `login` says how the exchange answers one."""

    def __init__(self) -> None:
        self.wire = ScriptedTransport(on_open=self.opened)
        super().__init__(transport=self.wire)
        self.login: Callable[[dict[str, Any]], dict[str, Any] | None] = accept
        self.measured = ClockOffset(offset_ms=0.0, uncertainty_ms=1.0)
        self.play(SIGNER, self.sign)
        self.play(CLOCK, lambda _: self.measured)
        self.play(ORDERS)
        self.play(BALANCES)

    def sign(self, question: Any) -> Any:
        assert isinstance(question, SignStreamLogin)
        text = self.environment.dialect.sign_stream_login(question.request_id, CREDENTIALS, question.timestamp_ms)
        return SignedFrame(text=text)

    def opened(self, socket: MemorySocket) -> None:
        def on_text(text: str) -> None:
            answer = self.login(orjson.loads(text))
            if answer is not None:
                socket.push(orjson.dumps(answer))

        socket.on_text = on_text

    async def live(self) -> Any:
        """Start the stream and wait until it is live."""
        stream = await self.start(UserStream, USER_STREAM)
        self.tell(stream, RULES)
        await self.is_told(Readiness.READY)
        return stream

    @property
    def socket(self) -> MemorySocket:
        return self.wire.sockets[-1]

    def said(self, role: str) -> list[str]:
        """Holes and their ends, as this role heard of them."""
        kinds = (UserStreamInterrupted, UserStreamResumed)
        return [type(message).__name__[10:] for message in self.heard[role] if isinstance(message, kinds)]


def accept(request: dict[str, Any]) -> dict[str, Any]:
    return {"id": request["id"], "status": 200, "result": {"subscriptionId": 0}}


def refuse(code: int, message: str, status: int = 400) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda request: {"id": request["id"], "status": status, "error": {"code": code, "msg": message}}


@in_virtual_time
async def test_nothing_is_opened_before_the_trading_rules_are_known() -> None:
    async with Scene() as scene:
        stream = await scene.start(UserStream, USER_STREAM)
        await asyncio.sleep(100.0)
        assert scene.wire.sockets == []
        scene.tell(stream, RULES)
        resumed = await scene.hears_a(ORDERS, UserStreamResumed)
        assert resumed.since_ms == scene.clock.wall_ms()
        assert scene.said(BALANCES) == ["Resumed"]
        assert scene.crashes == []


@in_virtual_time
async def test_events_go_to_those_who_keep_orders_and_balances() -> None:
    async with Scene() as scene:
        await scene.live()
        for frame in (TRADE, POSITION, DEPOSIT, event("listStatus"), b'{"e":"somethingNew"}'):
            scene.socket.push(frame)
        await scene.settle()
        fill, update = [one for one in scene.heard[ORDERS] if isinstance(one, FillUpdate | OrderUpdate)]
        assert isinstance(fill, FillUpdate)
        assert isinstance(update, OrderUpdate)
        assert (fill.trade_id, update.state) == ("55", OrderState.PARTIALLY_FILLED)
        assert [type(one) for one in scene.heard[BALANCES]][-2:] == [BalanceUpdate, BalanceDelta]
        assert scene.said(ORDERS) == ["Resumed"]


@in_virtual_time
async def test_a_dropped_connection_is_a_hole_that_ends_when_the_next_one_is_live() -> None:
    async with Scene() as scene:
        await scene.live()
        scene.socket.drop("closed by the exchange with code 1006")
        status = await scene.is_told(Readiness.DEGRADED)
        assert "code 1006" in status.reason
        await scene.is_told(Readiness.READY)
        assert scene.said(ORDERS) == scene.said(BALANCES) == ["Resumed", "Interrupted", "Resumed"]
        assert len(scene.wire.sockets) == 2


@in_virtual_time
async def test_a_stream_that_is_open_and_silent_is_probed_and_then_dead() -> None:
    async with Scene() as scene:
        await scene.live()
        first = scene.socket
        await asyncio.sleep(600.0)
        assert first.is_open
        assert first.pings > 5
        first.answers_pings = False
        await scene.is_told(Readiness.DEGRADED, patience_s=70.0)
        await scene.is_told(Readiness.READY)
        assert not first.is_open
        interrupted = await scene.hears_a(ORDERS, UserStreamInterrupted)
        assert "silent for more than" in interrupted.reason


@in_virtual_time
async def test_a_server_that_is_gone_is_asked_with_growing_pauses_and_found_again() -> None:
    async with Scene() as scene:
        await scene.live()
        scene.wire.refuses_sockets = True
        scene.socket.drop("gone")
        await asyncio.sleep(300.0)
        assert scene.last_status is not None
        assert "Connection refused" in scene.last_status.reason
        scene.wire.refuses_sockets = False
        await scene.is_told(Readiness.READY, patience_s=31.0)
        assert scene.said(ORDERS) == ["Resumed", "Interrupted", "Resumed"]


@in_virtual_time
async def test_a_stream_is_renewed_before_its_end_without_a_hole() -> None:
    async with Scene() as scene:
        await scene.live()
        lifetime_s = scene.environment.dialect.user_stream_timings.lifetime_s
        overlaps: list[int] = []
        opened = scene.wire.on_open

        def on_open(socket: MemorySocket) -> None:
            overlaps.append(sum(one.is_open for one in scene.wire.sockets))
            opened(socket)

        scene.wire.on_open = on_open
        await asyncio.sleep(lifetime_s * 1.0)
        assert overlaps == [2]
        first, second = scene.wire.sockets
        assert not first.is_open
        assert second.is_open
        assert scene.said(ORDERS) == ["Resumed"]


@in_virtual_time
async def test_events_that_are_under_way_on_the_old_connection_are_not_lost() -> None:
    async with Scene() as scene:
        await scene.live()
        first = scene.socket
        second_is_live = asyncio.Event()

        def answer(request: dict[str, Any]) -> dict[str, Any]:
            second_is_live.set()
            return accept(request)

        scene.login = answer
        await second_is_live.wait()
        await asyncio.sleep(1.0)
        first.push(TRADE)
        await scene.hears_a(ORDERS, FillUpdate)


@pytest.mark.parametrize("notice", [TERMINATED, SHUTDOWN])
def test_a_stream_that_the_exchange_ends_is_replaced_at_once_and_what_happened_meanwhile_asked_for(
    notice: bytes,
) -> None:
    @in_virtual_time
    async def play() -> None:
        async with Scene() as scene:
            await scene.live()
            began_s = asyncio.get_running_loop().time()
            scene.socket.push(notice)
            scene.socket.push(notice)
            await scene.is_told(Readiness.DEGRADED)
            await scene.is_told(Readiness.READY)
            assert asyncio.get_running_loop().time() - began_s < 0.1
            assert scene.said(ORDERS) == ["Resumed", "Interrupted", "Resumed"]
            assert len(scene.wire.sockets) == 2
            await asyncio.sleep(10.0)
            assert [socket.is_open for socket in scene.wire.sockets] == [False, True]

    play()


@in_virtual_time
async def test_a_wrong_clock_is_repaired_and_the_login_repeated_on_the_same_connection() -> None:
    async with Scene() as scene:
        scene.measured = ClockOffset(offset_ms=60_000.0, uncertainty_ms=1.0)

        def login(request: dict[str, Any]) -> dict[str, Any]:
            late = request["params"]["timestamp"] < scene.clock.wall_ms() + 55_000
            return refuse(-1021, "Timestamp outside of the recvWindow.")(request) if late else accept(request)

        scene.login = login
        await scene.live()
        assert len(scene.wire.sockets) == 1
        assert [type(one) for one in scene.heard[CLOCK]] == [ClockSkewSuspected]
        resumed = await scene.hears_a(ORDERS, UserStreamResumed)
        assert resumed.since_ms == scene.clock.wall_ms() + 60_000


@in_virtual_time
async def test_a_clock_that_cannot_be_repaired_is_no_endless_loop() -> None:
    async with Scene() as scene:
        scene.login = refuse(-1021, "Timestamp outside of the recvWindow.")
        stream = await scene.start(UserStream, USER_STREAM)
        scene.tell(stream, RULES)
        await scene.is_told(Readiness.DEGRADED)
        await asyncio.sleep(60.0)
        assert len(scene.heard[SIGNER]) < 60


@in_virtual_time
async def test_a_key_that_is_refused_fails_with_a_hint_and_is_tried_again_slowly() -> None:
    async with Scene() as scene:
        scene.login = refuse(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        stream = await scene.start(UserStream, USER_STREAM)
        scene.tell(stream, RULES)
        status = await scene.is_told(Readiness.FAILED)
        assert "Invalid API-key" in status.reason
        assert "check api_key" in status.next_step
        await asyncio.sleep(KEY_REFUSED_AGAIN_S * 10)
        assert len(scene.wire.sockets) <= 11
        scene.login = accept
        await scene.is_told(Readiness.READY, patience_s=KEY_REFUSED_AGAIN_S + 1)


@in_virtual_time
async def test_a_signer_that_cannot_sign_fails_the_stream_until_a_new_one_can() -> None:
    async with Scene() as scene:
        scene.play(SIGNER, lambda _: SigningFailed(reason="environment variable X is not set"))
        stream = await scene.start(UserStream, USER_STREAM)
        scene.tell(stream, RULES)
        status = await scene.is_told(Readiness.FAILED)
        assert status.reason == "environment variable X is not set"
        scene.play(SIGNER, scene.sign)
        scene.announce(SIGNER)
        await scene.is_told(Readiness.READY, patience_s=1.0)


@in_virtual_time
async def test_a_login_that_is_never_answered_ends_the_connection() -> None:
    async with Scene() as scene:
        scene.login = lambda _: None
        stream = await scene.start(UserStream, USER_STREAM)
        scene.tell(stream, RULES)
        status = await scene.is_told(Readiness.DEGRADED, patience_s=11.0)
        assert "no answer to the login" in status.reason


@in_virtual_time
async def test_a_ban_is_kept() -> None:
    async with Scene() as scene:
        scene.login = refuse(-1003, "Way too much request weight used; IP banned until 1.", 418)
        stream = await scene.start(UserStream, USER_STREAM)
        scene.tell(stream, RULES)
        await scene.is_told(Readiness.DEGRADED)
        await asyncio.sleep(119.0)
        assert len(scene.wire.sockets) == 1


@in_virtual_time
async def test_frames_that_cannot_be_read_make_the_others_ask_but_not_at_each() -> None:
    async with Scene() as scene:
        await scene.live()
        for _ in range(100):
            scene.socket.push(b'{"event":{"e":"executionRep')
        await asyncio.sleep(60.0)
        assert scene.said(ORDERS) == ["Resumed"] + ["Interrupted", "Resumed"] * 2
        assert scene.socket.is_open
        assert scene.crashes == []
        scene.socket.push(TRADE)
        await scene.hears_a(ORDERS, FillUpdate)


@in_virtual_time
async def test_a_restarted_peer_is_told_how_the_stream_is() -> None:
    async with Scene() as scene:
        await scene.live()
        for role in (ORDERS, BALANCES):
            scene.play(role)
            scene.heard[role].clear()
            scene.announce(role)
            await scene.hears_a(role, UserStreamResumed)
        scene.wire.refuses_sockets = True
        scene.socket.drop("gone")
        await scene.is_told(Readiness.DEGRADED)
        scene.play(ORDERS)
        scene.heard[ORDERS].clear()
        scene.announce(ORDERS)
        await scene.hears_a(ORDERS, UserStreamInterrupted)


@in_virtual_time
async def test_a_stopped_actor_leaves_no_socket_open() -> None:
    async with Scene() as scene:
        stream = await scene.live()
        scene.stop(stream)
        await asyncio.sleep(0.1)
        assert [socket.is_open for socket in scene.wire.sockets] == [False]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_to_connections_every_hole_is_announced_before_it_is_closed(seed: int) -> None:
    """An event that reaches nobody lies between an Interrupted and a Resumed."""

    @in_virtual_time
    async def play() -> None:
        chance = random.Random(seed)
        async with Scene() as scene:
            await scene.live()
            for _ in range(60):
                scene.wire.refuses_sockets = chance.random() < 0.3
                scene.login = accept if chance.random() < 0.7 else refuse(-1000, "An unknown error occurred.", 500)
                what = chance.choice(["drop", "silence", "notice", "malformed", "wait"])
                for socket in scene.wire.sockets:
                    if not socket.is_open or chance.random() < 0.4:
                        continue
                    if what == "drop":
                        socket.drop("dropped")
                    elif what == "silence":
                        socket.answers_pings = False
                    elif what == "notice":
                        socket.push(chance.choice([TERMINATED, SHUTDOWN]))
                    elif what == "malformed":
                        socket.push(b"{")
                await asyncio.sleep(chance.choice([0.0, 0.01, 1.0, 30.0, 200.0]))
                said = scene.said(ORDERS)
                assert all(one != other for one, other in itertools.pairwise(said))
                assert said == scene.said(BALANCES)
                if scene.last_status is not None and scene.last_status.readiness is Readiness.READY:
                    assert said[-1] == "Resumed"
            scene.wire.refuses_sockets = False
            scene.login = accept
            await scene.is_told(Readiness.READY, patience_s=200.0)
            await asyncio.sleep(5.0)
            assert scene.said(ORDERS)[-1] == "Resumed"
            assert sum(socket.is_open for socket in scene.wire.sockets) == 1
            assert scene.crashes == []

    play()
