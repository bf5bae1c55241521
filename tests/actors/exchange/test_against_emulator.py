"""The actors around the REST gateway and the user stream, on real sockets, against an exchange that misbehaves."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from harness import Stage

from openoutcry.actors.exchange.auth_signer import AuthSigner
from openoutcry.actors.exchange.balance_poller import BalancePoller
from openoutcry.actors.exchange.clock_sync import ClockSync
from openoutcry.actors.exchange.rest_gateway import RestGateway
from openoutcry.actors.exchange.trading_rules_poller import TradingRulesPoller
from openoutcry.actors.ports.aiohttp_transport import AiohttpTransport
from openoutcry.actors.ports.clock import SystemClock
from openoutcry.actors.roles import BALANCES, BOOK_SOURCE, CLOCK, FACADE, ORDERS, REST, RULES, SIGNER, USER_STREAM
from openoutcry.actors.runtime import ComponentActor
from openoutcry.actors.user_stream.user_stream import UserStream
from openoutcry.config.schema import ConnectorSettings, SecretSource
from openoutcry.emulator.binance.auth import Permission, hmac_key
from openoutcry.emulator.binance.rest import HttpRequest
from openoutcry.emulator.faults import (
    Answer,
    Fault,
    Malform,
    Requests,
    ResetConnection,
    Stall,
    UserEvents,
    When,
    backend_timeout,
    banned,
    too_many_requests,
    unknown_error,
)
from openoutcry.emulator.server import TEST_API_KEY, TEST_API_SECRET, EmulatorServer
from openoutcry.exchanges.binance.dialect import BinanceSpot
from openoutcry.exchanges.dialect import Endpoints, NewOrder
from openoutcry.messages.account import Balances
from openoutcry.messages.lifecycle import (
    ComponentStatus,
    Readiness,
    UserStreamInterrupted,
    UserStreamResumed,
)
from openoutcry.messages.market import GetLastPrices, LastPrices
from openoutcry.messages.orders import FillUpdate, OrderState, OrderType, OrderUpdate, TimeInForce, TradeSide
from openoutcry.messages.rest import (
    ErrorKind,
    ExecuteRest,
    RestAnswer,
    RestNotSent,
    RestOutcomeUnknown,
    RestRefused,
    RestRequest,
)
from openoutcry.messages.trading_rules import TradeFees, TradingRules

ACCOUNT: dict[str, type[ComponentActor]] = {
    REST: RestGateway,
    SIGNER: AuthSigner,
    CLOCK: ClockSync,
    RULES: TradingRulesPoller,
    BALANCES: BalancePoller,
    USER_STREAM: UserStream,
}
_order_ids = itertools.count(1)


class ImpatientBinance(BinanceSpot):
    """Calls a user stream dead after less than a second."""

    def __init__(self) -> None:
        super().__init__()
        self.user_stream_timings = replace(self.user_stream_timings, longest_silence_s=0.4)


class Connected(Stage):
    """Actors that are connected to an emulator."""

    def __init__(self, server: EmulatorServer, settings: ConnectorSettings) -> None:
        urls = server.urls
        endpoints = Endpoints(rest_url=urls.rest_url, ws_url=urls.ws_url, ws_api_url=urls.ws_api_url)
        super().__init__(
            transport=AiohttpTransport(),
            settings=settings,
            dialect=ImpatientBinance(),
            endpoints=endpoints,
            clock=SystemClock(),
        )
        self.server = server
        self.actors: dict[str, Any] = {}
        self.seen: list[HttpRequest] = []
        self.watch()
        self.play(ORDERS)
        self.play(BOOK_SOURCE)

    def watch(self) -> None:
        """Keep all requests that reach the server."""

        def see(request: HttpRequest) -> bool:
            self.seen.append(request)
            return False

        self.server.faults.add(Fault(Requests(predicate=see), ResetConnection(), count=None))

    async def bring_up(self, *roles: str) -> None:
        for role in roles or ACCOUNT:
            self.actors[role] = await self.start(ACCOUNT[role], role)

    async def role_is(self, role: str, readiness: Readiness) -> ComponentStatus:
        """Wait until the newest status of this role is this one."""
        async with asyncio.timeout(8.0):
            while True:
                told = [one for one in self.heard[FACADE] if isinstance(one, ComponentStatus) and one.role == role]
                if told and told[-1].readiness is readiness:
                    return told[-1]
                self._news.clear()
                await self._news.wait()

    async def all_ready(self) -> None:
        for role in self.actors:
            await self.role_is(role, Readiness.READY)

    async def execute(self, request: RestRequest, timeout_s: float = 5.0) -> Any:
        return await self.ask(self.actors[REST], ExecuteRest(request=request, timeout_s=timeout_s))

    async def order(self, side: TradeSide = TradeSide.BUY, price: str = "20000") -> NewOrder:
        """A small order that rests on the book, unless its price crosses."""
        rules = await self.hears_a(ORDERS, TradingRules)
        return NewOrder(
            rule=rules.by_trading_pair()["BTC-USDT"],
            client_order_id=f"oo-{next(_order_ids)}",
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            amount=Decimal("0.01"),
            price=Decimal(price),
            self_trade_prevention=None,
        )

    async def place(self, order: NewOrder, timeout_s: float = 5.0) -> Any:
        return await self.execute(self.environment.dialect.build_place_order(order), timeout_s)

    def placed(self) -> int:
        """How many orders the server was sent."""
        return sum(one.method == "POST" and one.path == "/api/v3/order" for one in self.seen)

    async def open_orders(self) -> list[str]:
        """Client order ids of the account's open orders, by the exchange's word."""
        answer = await self.execute(self.environment.dialect.build_open_orders(None))
        assert isinstance(answer, RestAnswer)
        updates = self.environment.dialect.parse_open_orders({"BTCUSDT": "BTC-USDT"}, answer.body)
        return [update.client_order_id for update in updates]

    async def newest_balance(self, matches: Callable[[dict[str, Decimal]], bool]) -> Balances:
        """Wait until published totals by asset match."""
        found: Balances = await self.hears(
            ORDERS,
            lambda one: isinstance(one, Balances) and matches({each.asset: each.total for each in one.balances}),
            patience_s=8.0,
        )
        return found


@asynccontextmanager
async def connected(
    tmp_path: Path, *, key: str = TEST_API_KEY, secret: str = TEST_API_SECRET, **changed: Any
) -> AsyncIterator[Connected]:
    (tmp_path / "key").write_text(key)
    (tmp_path / "secret").write_text(secret)
    settings = ConnectorSettings(
        exchange="binance",
        trading_pairs=changed.pop("trading_pairs", ("BTC-USDT", "ETH-USDT")),
        api_key=SecretSource(file=tmp_path / "key"),
        api_secret=SecretSource(file=tmp_path / "secret"),
        **changed,
    )
    async with EmulatorServer() as server, Connected(server, settings) as stage:
        yield stage
        assert stage.crashes == []


async def test_all_of_them_become_ready_and_tell_what_the_others_need(tmp_path: Path) -> None:
    async with connected(tmp_path) as stage:
        await stage.bring_up()
        await stage.all_ready()
        rules = await stage.hears_a(ORDERS, TradingRules)
        assert {"BTC-USDT", "ETH-USDT"} <= set(rules.by_trading_pair())
        assert await stage.hears_a(BOOK_SOURCE, TradingRules) == rules
        fees = await stage.hears_a(FACADE, TradeFees)
        assert [fee.trading_pair for fee in fees.fees] == ["BTC-USDT", "ETH-USDT"]
        balances = await stage.hears_a(ORDERS, Balances)
        assert {one.asset: one.total for one in balances.balances}["BTC"] == 10
        assert await stage.hears_a(FACADE, Balances) == balances
        await stage.hears_a(ORDERS, UserStreamResumed)


async def test_last_prices_are_told_also_when_they_are_asked_for_before_the_rules_are_known(tmp_path: Path) -> None:
    async with connected(tmp_path) as stage:
        for _ in range(50):
            stage.server.tick()  # a pair that has never traded has no price
        await stage.bring_up(REST, RULES)
        prices = await stage.ask(stage.actors[RULES], GetLastPrices(trading_pairs=("ETH-USDT", "NO-SUCH")))
        assert isinstance(prices, LastPrices)
        assert [pair for pair, _price in prices.prices] == ["ETH-USDT"]


async def test_an_order_of_ours_comes_back_by_the_user_stream_and_moves_the_balances(tmp_path: Path) -> None:
    async with connected(tmp_path) as stage:
        await stage.bring_up()
        await stage.all_ready()
        order = await stage.order(price="99000")
        assert isinstance(await stage.place(order), RestAnswer)
        fill = await stage.hears_a(ORDERS, FillUpdate)
        assert fill.client_order_id == order.client_order_id
        await stage.hears(ORDERS, lambda one: isinstance(one, OrderUpdate) and one.state is OrderState.FILLED)
        await stage.newest_balance(lambda totals: totals["BTC"] > 10)


async def test_a_deposit_shows(tmp_path: Path) -> None:
    async with connected(tmp_path) as stage:
        await stage.bring_up()
        await stage.all_ready()
        stage.server.deposit("SOL", Decimal(7))
        await stage.newest_balance(lambda totals: totals.get("SOL") == 5_007)


async def test_without_word_of_the_stream_balances_come_by_rest(tmp_path: Path) -> None:
    async with connected(tmp_path, real_time_balance_update=False, balance_poll_interval_s=0.1) as stage:
        await stage.bring_up()
        await stage.all_ready()
        stage.server.deposit("SOL", Decimal(7))
        await stage.newest_balance(lambda totals: totals.get("SOL") == 5_007)


async def test_a_wrong_key_fails_what_needs_it_with_a_hint_and_nothing_else(tmp_path: Path) -> None:
    async with connected(tmp_path, key="w" * 64) as stage:
        await stage.bring_up()
        for role in (USER_STREAM, BALANCES):
            status = await stage.role_is(role, Readiness.FAILED)
            assert "check api_key" in status.next_step
            assert "w" * 64 not in repr(status)
        for role in (REST, CLOCK, RULES, SIGNER):
            await stage.role_is(role, Readiness.READY)


async def test_a_wrong_secret_is_a_bad_signature(tmp_path: Path) -> None:
    async with connected(tmp_path, secret="v" * 64) as stage:
        await stage.bring_up()
        await stage.role_is(RULES, Readiness.READY)
        answer = await stage.place(await stage.order())
        assert isinstance(answer, RestRefused)
        assert answer.error.kind is ErrorKind.BAD_SIGNATURE


async def test_a_key_that_may_not_trade_is_told_so(tmp_path: Path) -> None:
    async with connected(tmp_path, key="r" * 64) as stage:
        only_read = hmac_key("r" * 64, TEST_API_SECRET, "test", frozenset({Permission.READ}))
        stage.server.binance.keys.add(only_read)
        await stage.bring_up()
        await stage.all_ready()
        answer = await stage.place(await stage.order())
        assert isinstance(answer, RestRefused)
        assert answer.error.kind is ErrorKind.BAD_KEY


async def test_a_pair_that_is_not_listed_is_named_with_its_like_and_the_others_go_on(tmp_path: Path) -> None:
    async with connected(tmp_path, trading_pairs=("BTC-USDT", "ETH-USTD")) as stage:
        await stage.bring_up()
        status = await stage.role_is(RULES, Readiness.DEGRADED)
        assert status.reason == "trading pair ETH-USTD is not listed on binance.com; did you mean ETH-USDT?"
        assert "BTC-USDT" in (await stage.hears_a(ORDERS, TradingRules)).by_trading_pair()
        await stage.role_is(USER_STREAM, Readiness.READY)


@pytest.mark.parametrize(
    "fault",
    [unknown_error(When.AFTER), backend_timeout(When.AFTER), ResetConnection(When.AFTER)],
    ids=["503", "-1007", "reset"],
)
async def test_an_order_whose_answer_is_lost_is_called_unknown_and_is_in_once(
    tmp_path: Path, fault: Answer | ResetConnection
) -> None:
    async with connected(tmp_path) as stage:
        await stage.bring_up()
        await stage.all_ready()
        order = await stage.order()
        stage.server.faults.add(Fault(Requests("POST", "/api/v3/order"), fault))
        answer = await stage.place(order)
        assert isinstance(answer, RestOutcomeUnknown)
        assert abs(answer.sent_ms - stage.clock.wall_ms()) < 5_000
        assert await stage.open_orders() == [order.client_order_id]


async def test_a_clock_that_is_off_from_the_start_is_no_trouble(tmp_path: Path) -> None:
    async with connected(tmp_path) as stage:
        stage.server.clock_skew_ms = 3_600_000
        await stage.bring_up()
        await stage.all_ready()
        assert isinstance(await stage.place(await stage.order()), RestAnswer)


@pytest.mark.parametrize("skew_ms", [90_000, -90_000])
async def test_a_clock_that_jumps_costs_an_order_nothing_but_time(tmp_path: Path, skew_ms: int) -> None:
    async with connected(tmp_path) as stage:
        await stage.bring_up()
        await stage.all_ready()
        stage.server.clock_skew_ms = skew_ms
        order = await stage.order()
        assert isinstance(await stage.place(order), RestAnswer)
        assert await stage.open_orders() == [order.client_order_id]


async def test_not_one_request_reaches_the_server_during_a_ban(tmp_path: Path) -> None:
    async with connected(tmp_path, balance_poll_interval_s=0.02) as stage:
        await stage.bring_up()
        await stage.all_ready()
        order = await stage.order()
        ban = stage.server.faults.add(Fault(Requests("GET", "/api/v3/account"), banned(0, retry_after_s=1)))
        await stage.role_is(REST, Readiness.DEGRADED)
        assert ban.hits == 1
        before = len(stage.seen)
        answers = [await stage.place(order, 0.5)]
        answers.append(await stage.execute(stage.environment.dialect.build_server_time(), 0.5))
        assert [type(answer) for answer in answers] == [RestNotSent, RestNotSent]
        assert len(stage.seen) == before
        await stage.role_is(REST, Readiness.READY)
        assert isinstance(await stage.place(order), RestAnswer)


async def test_a_rate_limit_holds_a_question_back_and_gives_an_order_back(tmp_path: Path) -> None:
    async with connected(tmp_path) as stage:
        await stage.bring_up()
        await stage.all_ready()
        order = await stage.order()
        stage.server.faults.add(Fault(Requests("POST", "/api/v3/order"), too_many_requests(1)))
        answer = await stage.place(order)
        assert isinstance(answer, RestNotSent)
        assert answer.retry_after_s == 1.0
        sent = stage.placed()
        assert isinstance(await stage.execute(stage.environment.dialect.build_server_time()), RestAnswer)
        assert stage.placed() == sent


async def test_a_server_that_goes_and_comes_back_is_noticed_both_times(tmp_path: Path) -> None:
    async with connected(tmp_path) as stage:
        await stage.bring_up()
        await stage.all_ready()
        url = stage.server.urls.rest_url
        port = int(url.rpartition(":")[2])
        order = await stage.order()
        await stage.server.stop()
        await stage.place(order)
        assert isinstance(await stage.place(order), RestNotSent)
        status = await stage.role_is(REST, Readiness.DEGRADED)
        assert status.reason == f"cannot reach {url} (connection refused)"
        await stage.role_is(USER_STREAM, Readiness.DEGRADED)
        async with EmulatorServer(port=port):
            await stage.role_is(REST, Readiness.READY)
            await stage.role_is(USER_STREAM, Readiness.READY)
            assert isinstance(await stage.place(order), RestAnswer)


@pytest.mark.parametrize("how", ["dropped", "stalled", "terminated", "shut down"])
async def test_a_user_stream_that_ends_is_replaced_and_the_hole_announced(tmp_path: Path, how: str) -> None:
    async with connected(tmp_path) as stage:
        await stage.bring_up()
        await stage.all_ready()
        if how == "dropped":
            stage.server.drop_connections(market=False)
        elif how == "stalled":
            stage.server.stall_connections(market=False)
        elif how == "terminated":
            stage.server.terminate_user_streams()
        else:
            stage.server.announce_shutdown()
        await stage.hears_a(ORDERS, UserStreamInterrupted)
        await stage.role_is(USER_STREAM, Readiness.READY)
        stage.heard[ORDERS] = [one for one in stage.heard[ORDERS] if isinstance(one, TradingRules)]
        order = await stage.order()
        await stage.place(order)
        await stage.hears(
            ORDERS, lambda one: isinstance(one, OrderUpdate) and one.client_order_id == order.client_order_id
        )


async def test_an_event_that_cannot_be_read_makes_the_others_ask(tmp_path: Path) -> None:
    async with connected(tmp_path) as stage:
        await stage.bring_up()
        await stage.all_ready()
        stage.server.faults.add(Fault(UserEvents("executionReport"), Malform()))
        await stage.place(await stage.order())
        interrupted = await stage.hears_a(ORDERS, UserStreamInterrupted)
        assert interrupted.reason == "a frame could not be read"
        assert stage.server.user_connections == 1


async def test_a_stream_that_stalls_in_the_middle_of_an_event_is_found_silent(tmp_path: Path) -> None:
    async with connected(tmp_path) as stage:
        await stage.bring_up()
        await stage.all_ready()
        stage.server.faults.add(Fault(UserEvents(), Stall()))
        await stage.place(await stage.order())
        interrupted = await stage.hears_a(ORDERS, UserStreamInterrupted)
        assert interrupted.reason == "silent for more than 0.4 s"
        await stage.role_is(USER_STREAM, Readiness.READY)
