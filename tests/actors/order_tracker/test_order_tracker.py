"""The order tracker on the real system base, with its real journal; the test stands for everybody around it."""

import asyncio
import dataclasses
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from harness import Stage, in_virtual_time
from order_samples import PAIR, RULE

from openoutcry.actors.order_tracker.order_tracker import CANCEL_ANSWER_S, NOT_FOUND_MARGIN_MS, OrderTracker
from openoutcry.actors.roles import BALANCES, ORDER_POLLER, ORDERS, REST
from openoutcry.config.schema import ConnectorSettings, SecretSource
from openoutcry.messages.account import Balance, Balances, RefreshBalances
from openoutcry.messages.lifecycle import Readiness, Subscribers, Topic, UserStreamResumed
from openoutcry.messages.orders import (
    AskExchange,
    CancelAllOrders,
    CancelAllResult,
    CancelOrder,
    CancelResult,
    FillUpdate,
    GetInFlightOrders,
    GetOrderEvents,
    InFlightOrders,
    OrderAccepted,
    OrderActivity,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderEvent,
    OrderEvents,
    OrderFailed,
    OrderFilled,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderState,
    OrderType,
    OrderUpdate,
    PlaceOrder,
    TradeSide,
)
from openoutcry.messages.rest import (
    ErrorKind,
    ExchangeError,
    ExecuteRest,
    Purpose,
    RestAnswer,
    RestNotSent,
    RestOutcome,
    RestOutcomeUnknown,
    RestRefused,
)
from openoutcry.messages.trading_rules import TradingRules

SUBSCRIBER = "subscriber"
BUY = PlaceOrder(
    trading_pair=PAIR, side=TradeSide.BUY, order_type=OrderType.LIMIT, amount=Decimal("0.01"), price=Decimal(25000)
)


def parameters(question: ExecuteRest) -> dict[str, str]:
    return dict(question.request.parameters)


def placed(question: ExecuteRest, status: str = "NEW", fills: tuple[dict[str, Any], ...] = ()) -> RestAnswer:
    """What the exchange answers to a placement."""
    told = parameters(question)
    executed = sum((Decimal(fill["qty"]) for fill in fills), Decimal(0))
    body = {
        "symbol": told["symbol"],
        "orderId": 501,
        "clientOrderId": told["newClientOrderId"],
        "transactTime": 1767225600123,
        "price": told.get("price", "0"),
        "origQty": told["quantity"],
        "executedQty": str(executed),
        "cummulativeQuoteQty": str(executed * 25000),
        "status": status,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": told["side"],
        "fills": list(fills),
    }
    return RestAnswer(body=orjson.dumps(body), sent_ms=1767225600100, received_ns=0)


def cancelled(question: ExecuteRest, client_order_id: str) -> RestAnswer:
    body = {
        "symbol": "BTCUSDT",
        "orderId": 501,
        "origClientOrderId": client_order_id,
        "clientOrderId": "the-cancel",
        "transactTime": 1767225600200,
        "price": "25000",
        "origQty": "0.01",
        "executedQty": "0",
        "cummulativeQuoteQty": "0",
        "status": "CANCELED",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
    }
    assert question.request.purpose is Purpose.CANCEL
    return RestAnswer(body=orjson.dumps(body), sent_ms=1767225600150, received_ns=0)


def refusal(kind: ErrorKind, message: str = "no") -> RestRefused:
    return RestRefused(error=ExchangeError(kind=kind, code="-1", message=message), sent_ms=1767225600100)


def update(client_order_id: str, state: OrderState, executed: str = "0", exchange_order_id: str = "501") -> OrderUpdate:
    return OrderUpdate(
        trading_pair=PAIR,
        client_order_id=client_order_id,
        exchange_order_id=exchange_order_id,
        state=state,
        executed_amount_base=Decimal(executed),
        executed_amount_quote=Decimal(executed) * 25000,
        updated_ms=1767225600300,
    )


def fill(client_order_id: str, trade_id: str, amount: str) -> FillUpdate:
    return FillUpdate(
        trading_pair=PAIR,
        client_order_id=client_order_id,
        exchange_order_id="501",
        trade_id=trade_id,
        price=Decimal(25000),
        amount=Decimal(amount),
        quote_amount=Decimal(amount) * 25000,
        fee_asset="BTC",
        fee_amount=Decimal("0.00001"),
        is_maker=True,
        traded_ms=1767225600290,
    )


class Scene:
    """A tracker on a stage: its gateway answers with what `on_place` and `on_cancel` give."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.on_place: Callable[[ExecuteRest], RestOutcome | None] = placed
        self.on_cancel: Callable[[ExecuteRest], RestOutcome | None] = lambda _question: None
        stage.play(REST, self.answer)
        stage.play(ORDER_POLLER)
        stage.play(BALANCES)
        stage.play(SUBSCRIBER)
        self.generation = 0

    def answer(self, question: ExecuteRest) -> RestOutcome | None:
        return self.on_place(question) if question.request.purpose is Purpose.PLACE else self.on_cancel(question)

    async def start(self) -> None:
        self.generation += 1
        self.orders = await self.stage.start(OrderTracker, ORDERS, generation=self.generation)
        self.tell(TradingRules(rules=(RULE,)))
        subscriber = self.stage._addresses[SUBSCRIBER][0]
        self.tell(Subscribers(topic=Topic.ORDER_EVENTS, addresses=(subscriber,)))
        await self.stage.settle()

    async def restart(self) -> None:
        """The tracker dies without a word, as by a crash, and its next incarnation starts."""
        self.stage.stop(self.orders)
        await self.stage.settle()
        await self.start()

    def tell(self, message: Any) -> None:
        self.stage.tell(self.orders, message)

    async def ask(self, message: Any) -> Any:
        return await self.stage.ask(self.orders, message)

    async def place(self, order: PlaceOrder = BUY) -> str:
        answer = await self.ask(order)
        assert isinstance(answer, OrderAccepted), answer
        await self.stage.settle()
        return answer.client_order_id

    @property
    def events(self) -> list[OrderEvent]:
        return [event for event in self.stage.heard[SUBSCRIBER] if isinstance(event, OrderEvent)]

    @property
    def kinds(self) -> list[type[OrderEvent]]:
        return [type(event) for event in self.events]

    @property
    def requests(self) -> list[ExecuteRest]:
        return [message for message in self.stage.heard[REST] if isinstance(message, ExecuteRest)]

    def questions(self) -> list[Any]:
        asked = [message for message in self.stage.heard[ORDER_POLLER] if isinstance(message, AskExchange)]
        return [question for message in asked for question in message.questions]

    async def in_flight(self) -> dict[str, OrderState]:
        answer = await self.ask(GetInFlightOrders())
        assert isinstance(answer, InFlightOrders)
        return {order.client_order_id: order.state for order in answer.orders}


def scene_for(path: Path, **settings: Any) -> Scene:
    chosen = ConnectorSettings(
        exchange="binance",
        trading_pairs=(PAIR,),
        api_key=SecretSource(env="KEY"),
        api_secret=SecretSource(env="SECRET"),
        journal=path / "journal.sqlite",
        **settings,
    )
    return Scene(Stage(settings=chosen))


@in_virtual_time
async def test_an_order_is_journaled_before_its_request_leaves(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    seen: list[int] = []

    def look_at_the_journal(question: ExecuteRest) -> RestOutcome:
        with sqlite3.connect(tmp_path / "journal.sqlite") as connection:
            count = connection.execute(
                "SELECT count(*) FROM orders WHERE json_extract(placed, '$.client_order_id') = ?",
                (parameters(question)["newClientOrderId"],),
            ).fetchone()[0]
        connection.close()
        seen.append(count)
        return placed(question)

    scene.on_place = look_at_the_journal
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        assert seen == [1]
        assert scene.kinds == [OrderCreated]
        assert await scene.in_flight() == {order: OrderState.OPEN}


@in_virtual_time
async def test_an_order_that_is_filled_at_once_is_created_filled_and_completed(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    trade = {"price": "25000", "qty": "0.01", "commission": "0.00001", "commissionAsset": "BTC", "tradeId": 9}
    scene.on_place = lambda question: placed(question, "FILLED", (trade,))
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        assert scene.kinds == [OrderCreated, OrderFilled, OrderCompleted]
        assert [event.number for event in scene.events] == [1, 2, 3]
        # The stream tells it all again.
        scene.tell(fill(order, "9", "0.01"))
        scene.tell(update(order, OrderState.FILLED, "0.01"))
        await scene.stage.settle()
        assert len(scene.events) == 3
        assert await scene.in_flight() == {}


@in_virtual_time
async def test_the_user_stream_may_tell_everything_before_the_answer_comes(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    scene.on_place = lambda _question: None
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        scene.tell(fill(order, "9", "0.01"))
        scene.tell(update(order, OrderState.FILLED, "0.01"))
        await scene.stage.settle()
        assert scene.kinds == [OrderCreated, OrderFilled, OrderCompleted]
        await asyncio.sleep(60)
        assert len(scene.events) == 3
        assert scene.stage.crashes == []


@in_virtual_time
async def test_a_refused_order_fails_with_the_exchanges_words(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    scene.on_place = lambda _question: refusal(ErrorKind.INSUFFICIENT_BALANCE, "Account has insufficient balance")
    async with scene.stage:
        await scene.start()
        await scene.place()
        (event,) = scene.events
        assert isinstance(event, OrderFailed)
        assert "insufficient balance" in event.reason
        await scene.stage.hears_a(BALANCES, RefreshBalances)


@in_virtual_time
async def test_an_order_that_never_left_fails_and_is_not_asked_for(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    scene.on_place = lambda _question: RestNotSent(reason="cannot reach the exchange")
    async with scene.stage:
        await scene.start()
        await scene.place()
        assert scene.kinds == [OrderFailed]
        assert scene.questions() == []


@in_virtual_time
@pytest.mark.parametrize(
    "outcome",
    [
        RestOutcomeUnknown(reason="time-out", sent_ms=1767225600100),
        refusal(ErrorKind.DUPLICATE_ORDER, "Duplicate order sent."),
        RestAnswer(body=b"<html>", sent_ms=1767225600100, received_ns=0),
        None,
    ],
    ids=["outcome unknown", "duplicate", "answer not understood", "gateway down"],
)
async def test_an_unknown_outcome_is_asked_for_until_the_exchange_says(
    tmp_path: Path, outcome: RestOutcome | None
) -> None:
    scene = scene_for(tmp_path)
    scene.on_place = lambda _question: outcome
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        if outcome is None:
            scene.stage.lose(REST)
            await scene.stage.settle()
        assert scene.kinds == [OrderOutcomeUnknown]
        assert await scene.in_flight() == {order: OrderState.UNKNOWN}
        assert scene.stage.last_status is not None
        assert "unknown" in scene.stage.last_status.reason
        activity = await scene.stage.hears_a(BALANCES, OrderActivity)
        assert activity.order.state is OrderState.UNKNOWN
        await asyncio.sleep(20)
        assert {question.client_order_id for question in scene.questions()} == {order}
        assert len(scene.questions()) > 3
        # The exchange has it.
        scene.tell(update(order, OrderState.OPEN))
        await scene.stage.settle()
        assert scene.kinds == [OrderOutcomeUnknown, OrderCreated]
        asked = len(scene.questions())
        await asyncio.sleep(5)
        assert len(scene.questions()) == asked
        # It was never placed a second time.
        assert len(scene.requests) == 1


@in_virtual_time
async def test_no_such_order_counts_only_when_the_request_can_not_be_accepted_any_more(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    sent_ms = 1767225600100
    scene.on_place = lambda _question: RestOutcomeUnknown(reason="time-out", sent_ms=sent_ms)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        too_early_ms = sent_ms + scene.stage.environment.dialect.receive_window_ms + NOT_FOUND_MARGIN_MS
        scene.tell(OrderNotFound(trading_pair=PAIR, client_order_id=order, asked_ms=too_early_ms))
        await scene.stage.settle()
        assert await scene.in_flight() == {order: OrderState.UNKNOWN}
        scene.tell(OrderNotFound(trading_pair=PAIR, client_order_id=order, asked_ms=too_early_ms + 1))
        await scene.stage.settle()
        assert scene.kinds == [OrderOutcomeUnknown, OrderFailed]
        assert await scene.in_flight() == {}


@in_virtual_time
async def test_a_filled_order_waits_for_its_fills_and_asks_for_them(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        scene.tell(fill(order, "1", "0.004"))
        scene.tell(update(order, OrderState.FILLED, "0.01"))
        await asyncio.sleep(1)
        assert scene.kinds == [OrderCreated, OrderFilled]
        assert any(question.wants_fills for question in scene.questions())
        scene.tell(fill(order, "1", "0.004"))
        scene.tell(fill(order, "2", "0.006"))
        await scene.stage.settle()
        assert scene.kinds == [OrderCreated, OrderFilled, OrderFilled, OrderCompleted]


@in_virtual_time
async def test_a_fill_that_comes_after_the_end_is_still_told(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        scene.tell(update(order, OrderState.CANCELED))
        scene.tell(fill(order, "1", "0.004"))
        scene.tell(fill(order, "1", "0.004"))
        await scene.stage.settle()
        assert scene.kinds == [OrderCreated, OrderCancelled, OrderFilled]


@in_virtual_time
async def test_a_fill_that_names_only_the_exchange_order_id_waits_for_its_order(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    scene.on_place = lambda _question: None
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        scene.tell(fill("", "1", "0.004"))
        await scene.stage.settle()
        assert scene.events == []
        scene.tell(update(order, OrderState.OPEN))
        await scene.stage.settle()
        assert scene.kinds == [OrderCreated, OrderFilled]


@in_virtual_time
async def test_orders_of_others_are_counted_and_never_adopted(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        for _ in range(3):
            scene.tell(update("somebody-else", OrderState.OPEN, exchange_order_id="77"))
            scene.tell(fill("somebody-else", "1", "0.004"))
        await scene.stage.settle()
        assert scene.events == []
        assert await scene.in_flight() == {}


# Cancels


@in_virtual_time
async def test_a_cancel_is_answered_with_the_exchanges_word(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        scene.on_cancel = lambda question: cancelled(question, order)
        cancel = CancelOrder(trading_pair=PAIR, client_order_id=order)
        first, second = scene.stage.ask_later(scene.orders, cancel), scene.stage.ask_later(scene.orders, cancel)
        assert (
            await first
            == await second
            == CancelResult(client_order_id=order, cancelled=True, state=OrderState.CANCELED)
        )
        assert scene.kinds == [OrderCreated, OrderCancelled]
        assert len(scene.requests) == 2
        assert await scene.ask(cancel) == await first


@in_virtual_time
async def test_a_cancel_waits_for_the_outcome_of_the_creation(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    scene.on_place = lambda _question: None
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        scene.on_cancel = lambda question: cancelled(question, order)
        result = scene.stage.ask_later(scene.orders, CancelOrder(trading_pair=PAIR, client_order_id=order))
        await asyncio.sleep(1)
        assert len(scene.requests) == 1
        scene.tell(update(order, OrderState.OPEN))
        assert (await result).cancelled


@in_virtual_time
async def test_a_cancel_that_finds_no_order_asks_what_became_of_it(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    scene.on_cancel = lambda _question: refusal(ErrorKind.UNKNOWN_ORDER, "Unknown order sent.")
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        result = scene.stage.ask_later(scene.orders, CancelOrder(trading_pair=PAIR, client_order_id=order))
        await asyncio.sleep(1)
        assert scene.questions()[0].wants_state
        assert await scene.in_flight() == {order: OrderState.PENDING_CANCEL}
        scene.tell(fill(order, "1", "0.01"))
        scene.tell(update(order, OrderState.FILLED, "0.01"))
        answer = await result
        assert not answer.cancelled
        assert answer.state is OrderState.FILLED


@in_virtual_time
async def test_a_cancel_whose_answer_is_lost_is_sent_again_when_the_order_is_still_open(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    outcomes: list[RestOutcome] = [RestOutcomeUnknown(reason="time-out", sent_ms=1767225600100)]
    scene.on_cancel = lambda question: outcomes.pop() if outcomes else cancelled(question, order)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        result = scene.stage.ask_later(scene.orders, CancelOrder(trading_pair=PAIR, client_order_id=order))
        await asyncio.sleep(0.1)
        scene.tell(update(order, OrderState.OPEN))
        assert (await result).cancelled
        assert len(scene.requests) == 3


@in_virtual_time
async def test_a_refused_cancel_says_why_and_the_order_stays(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    scene.on_cancel = lambda _question: refusal(ErrorKind.MARKET_CLOSED, "Market is closed.")
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        result = await scene.ask(CancelOrder(trading_pair=PAIR, client_order_id=order))
        assert result.state is OrderState.OPEN
        assert "Market is closed." in result.message
        assert await scene.in_flight() == {order: OrderState.OPEN}


@in_virtual_time
async def test_a_cancel_without_any_word_is_answered_in_time_with_what_is_known(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        asked_s = asyncio.get_running_loop().time()
        result = await scene.ask(CancelOrder(trading_pair=PAIR, client_order_id=order))
        assert asyncio.get_running_loop().time() - asked_s == pytest.approx(CANCEL_ANSWER_S, abs=0.5)
        assert not result.cancelled
        assert result.state is OrderState.PENDING_CANCEL
        assert "not said" in result.message


@in_virtual_time
async def test_cancel_all_gives_a_result_for_each_order_also_without_a_word(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        orders = [await scene.place() for _ in range(3)]
        silent = orders[1]

        def answer(question: ExecuteRest) -> RestOutcome | None:
            order = parameters(question)
            known = order.get("origClientOrderId", "")
            return None if known == silent else cancelled(question, known)

        # All have the same exchange order id in this play, so the poller's word is what tells them apart.
        scene.on_cancel = answer
        later = scene.stage.ask_later(scene.orders, CancelAllOrders(timeout_s=3))
        await asyncio.sleep(0.1)
        for order in orders:
            if order != silent:
                scene.tell(update(order, OrderState.CANCELED))
        result = await later
        assert isinstance(result, CancelAllResult)
        by_order = {one.client_order_id: one.cancelled for one in result.results}
        assert by_order == {order: order != silent for order in orders}


@in_virtual_time
async def test_a_cancel_of_an_order_that_is_not_known_says_so(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        result = await scene.ask(CancelOrder(trading_pair=PAIR, client_order_id="nobody"))
        assert result.state is None
        assert "nobody" in result.message
        assert await scene.ask(CancelAllOrders(timeout_s=1)) == CancelAllResult(results=())


# Refusals


@in_virtual_time
async def test_orders_are_refused_until_the_rules_are_known(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        orders = await scene.stage.start(OrderTracker, ORDERS)
        answer = await scene.stage.ask(orders, BUY)
        assert isinstance(answer, OrderRefused)
        assert answer.rule == "trading_rules"
        assert (await scene.stage.is_told(Readiness.STARTING)).reason


@in_virtual_time
async def test_orders_on_their_way_count_against_the_available_balance(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    scene.on_place = lambda _question: None
    async with scene.stage:
        await scene.start()
        usdt = Balance(asset="USDT", total=Decimal(300), available=Decimal(300))
        scene.tell(Balances(balances=(usdt,), is_estimated=False))
        await scene.place()
        answer = await scene.ask(BUY)
        assert isinstance(answer, OrderRefused)
        assert answer.rule == "balance"
        assert "250" in answer.message
        assert "300" in answer.message


# Restarts


@in_virtual_time
async def test_a_restart_goes_on_with_what_the_journal_holds(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        scene.tell(fill(order, "1", "0.004"))
        await scene.stage.settle()
        await scene.restart()
        assert (await scene.stage.is_told(Readiness.STARTING)).reason
        assert {question.client_order_id for question in scene.questions()} == {order}
        scene.tell(fill(order, "1", "0.004"))
        scene.tell(fill(order, "2", "0.006"))
        scene.tell(update(order, OrderState.FILLED, "0.01"))
        await scene.stage.is_told(Readiness.READY)
        assert scene.kinds == [OrderCreated, OrderFilled, OrderFilled, OrderCompleted]
        assert [event.number for event in scene.events] == [1, 2, 3, 4]
        answer = await scene.ask(GetOrderEvents(after=1, limit=2))
        assert answer == OrderEvents(events=tuple(scene.events[1:3]), last_number=4)


@in_virtual_time
async def test_what_is_shown_of_orders_in_flight_is_behind_its_events(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        scene.tell(fill(order, "1", "0.004"))
        told_before: list[type[OrderEvent]] = []
        asked = scene.stage.ask_later(scene.orders, GetInFlightOrders())
        asked.add_done_callback(lambda _: told_before.extend(scene.kinds))
        answer = await asked
        assert answer.orders[0].executed_amount_base == Decimal("0.004")
        assert told_before == [OrderCreated, OrderFilled]


@in_virtual_time
async def test_events_of_this_run_are_those_since_its_first_tracker(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        await scene.restart()
        scene.tell(fill(order, "1", "0.004"))
        await scene.stage.settle()
        told = await scene.ask(GetOrderEvents(after=None))
        assert [event.number for event in told.events] == [1, 2]
        scene.stage.environment = dataclasses.replace(scene.stage.environment, run_id="the next run of the program")
        await scene.restart()
        await scene.restart()
        told = await scene.ask(GetOrderEvents(after=None))
        assert told == OrderEvents(events=(), last_number=2)


@in_virtual_time
async def test_a_restart_between_request_and_answer_leaves_the_order_unknown(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    scene.on_place = lambda _question: None
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        await scene.restart()
        assert await scene.in_flight() == {order: OrderState.UNKNOWN}
        assert scene.kinds == [OrderOutcomeUnknown]
        now_ms = scene.stage.clock.wall_ms()
        # The old request may still wait in the gateway: a "no" is not final yet.
        scene.tell(OrderNotFound(trading_pair=PAIR, client_order_id=order, asked_ms=now_ms + 8000))
        await scene.stage.settle()
        assert await scene.in_flight() == {order: OrderState.UNKNOWN}
        scene.tell(OrderNotFound(trading_pair=PAIR, client_order_id=order, asked_ms=now_ms + 60_000))
        await scene.stage.settle()
        assert scene.kinds == [OrderOutcomeUnknown, OrderFailed]
        assert len(scene.requests) == 1


@in_virtual_time
async def test_a_cancel_survives_a_restart(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        scene.stage.ask_later(scene.orders, CancelOrder(trading_pair=PAIR, client_order_id=order))
        await scene.stage.settle()
        await scene.restart()
        scene.on_cancel = lambda question: cancelled(question, order)
        scene.tell(update(order, OrderState.OPEN))
        await scene.stage.settle()
        assert scene.kinds == [OrderCreated, OrderCancelled]


@in_virtual_time
async def test_ids_and_numbers_go_on_after_a_restart_even_if_the_clock_goes_back(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        orders = [await scene.place() for _ in range(3)]
        scene.stage.clock.wall_ahead_ms = -3_600_000  # type: ignore[attr-defined]  # the test's own clock
        await scene.restart()
        orders += [await scene.place() for _ in range(3)]
        assert len(set(orders)) == 6
        assert [event.number for event in scene.events] == [1, 2, 3, 4, 5, 6]


@in_virtual_time
async def test_after_a_hole_in_the_stream_everything_in_flight_is_asked_for(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        orders = {await scene.place() for _ in range(3)}
        assert scene.questions() == []
        scene.tell(UserStreamResumed(since_ms=0))
        await scene.stage.settle()
        assert {question.client_order_id for question in scene.questions()} == orders


@in_virtual_time
async def test_an_order_without_a_word_is_asked_for_regularly(tmp_path: Path) -> None:
    scene = scene_for(tmp_path, order_poll_interval_s=10.0)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        await asyncio.sleep(25)
        assert {question.client_order_id for question in scene.questions()} == {order}


@in_virtual_time
async def test_a_new_poller_is_asked_what_the_old_one_did_not_answer(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    scene.on_place = lambda _question: RestOutcomeUnknown(reason="time-out", sent_ms=1767225600100)
    async with scene.stage:
        await scene.start()
        await scene.place()
        scene.stage.lose(ORDER_POLLER)
        await asyncio.sleep(20)
        asked = len(scene.questions())
        scene.stage.play(ORDER_POLLER)
        scene.stage.announce(ORDER_POLLER)
        await scene.stage.settle()
        assert len(scene.questions()) == asked + 1


@in_virtual_time
async def test_where_balances_are_estimated_each_change_and_fill_is_told(tmp_path: Path) -> None:
    scene = scene_for(tmp_path, real_time_balance_update=False)
    async with scene.stage:
        await scene.start()
        order = await scene.place()
        scene.tell(fill(order, "1", "0.01"))
        scene.tell(update(order, OrderState.FILLED, "0.01"))
        await scene.stage.settle()
        told = [message for message in scene.stage.heard[BALANCES] if isinstance(message, OrderActivity)]
        assert [message.fill.trade_id for message in told if message.fill] == ["1"]
        assert told[-1].order.state is OrderState.FILLED


@in_virtual_time
async def test_a_journal_that_can_not_be_written_sends_nothing(tmp_path: Path) -> None:
    scene = scene_for(tmp_path)
    async with scene.stage:
        await scene.start()
        with sqlite3.connect(tmp_path / "journal.sqlite") as connection:
            connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON orders BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        connection.close()
        answer = await scene.ask(BUY)
        assert isinstance(answer, OrderRefused)
        assert answer.rule == "journal"
        await scene.stage.settle()
        assert scene.requests == []
        assert "disk full" in scene.stage.crashes[0].error
