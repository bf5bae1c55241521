"""The status poller on the real system base; the test stands for the gateway and the tracker."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
from harness import Stage, in_virtual_time
from order_samples import PAIR, RULE

from openoutcry.actors.order_tracker.order_status_poller import CONCURRENCY, OrderStatusPoller
from openoutcry.actors.roles import ORDER_POLLER, ORDERS, REST
from openoutcry.messages.lifecycle import Readiness
from openoutcry.messages.orders import (
    AskExchange,
    FillUpdate,
    OpenOrdersSeen,
    OrderNotFound,
    OrderQuestion,
    OrderState,
    OrderUpdate,
    QuestionFailed,
)
from openoutcry.messages.rest import (
    ErrorKind,
    ExchangeError,
    ExecuteRest,
    RestAnswer,
    RestNotSent,
    RestOutcome,
    RestRefused,
)
from openoutcry.messages.trading_rules import TradingRules

SENT_MS = 1767225600100


def question(
    client_order_id: str, exchange_order_id: str | None = None, *, state: bool = True, fills: bool = False
) -> OrderQuestion:
    return OrderQuestion(
        trading_pair=PAIR,
        client_order_id=client_order_id,
        exchange_order_id=exchange_order_id,
        wants_state=state,
        wants_fills=fills,
    )


def order(client_order_id: str, status: str = "NEW") -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "orderId": 501,
        "clientOrderId": client_order_id,
        "price": "25000",
        "origQty": "0.01",
        "executedQty": "0",
        "cummulativeQuoteQty": "0",
        "status": status,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "time": SENT_MS,
        "updateTime": SENT_MS,
        "isWorking": True,
    }


TRADE = {
    "symbol": "BTCUSDT",
    "id": 9,
    "orderId": 501,
    "price": "25000",
    "qty": "0.01",
    "quoteQty": "250",
    "commission": "0.00001",
    "commissionAsset": "BTC",
    "time": SENT_MS,
    "isBuyer": True,
    "isMaker": True,
}


def answer(body: Any) -> RestAnswer:
    return RestAnswer(body=orjson.dumps(body), sent_ms=SENT_MS, received_ns=0)


def refusal(kind: ErrorKind) -> RestRefused:
    return RestRefused(error=ExchangeError(kind=kind, code="-1", message="no"), sent_ms=SENT_MS)


class Scene:
    def __init__(self, respond: Callable[[str, dict[str, str]], RestOutcome | None]) -> None:
        self.stage = Stage()
        self.asked: list[str] = []

        def gateway(message: ExecuteRest) -> RestOutcome | None:
            name = message.request.path.rpartition("/")[2]
            self.asked.append(name)
            return respond(name, dict(message.request.parameters))

        self.stage.play(REST, gateway)
        self.stage.play(ORDERS)

    async def ask(self, *questions: OrderQuestion) -> None:
        poller = await self.stage.start(OrderStatusPoller, ORDER_POLLER)
        self.stage.tell(poller, TradingRules(rules=(RULE,)))
        self.stage.tell(poller, AskExchange(questions=questions))
        await self.stage.is_told(Readiness.READY)
        await self.stage.settle()

    @property
    def told(self) -> list[Any]:
        return [message for message in self.stage.heard[ORDERS] if not type(message).__name__.startswith("Peer")]


@in_virtual_time
async def test_a_state_is_told_under_the_id_that_was_asked_for() -> None:
    scene = Scene(lambda _name, told: answer(order(told["origClientOrderId"])))
    async with scene.stage:
        await scene.ask(question("a"))
        (update,) = scene.told
        assert isinstance(update, OrderUpdate)
        assert (update.client_order_id, update.state, update.exchange_order_id) == ("a", OrderState.OPEN, "501")


@in_virtual_time
async def test_fills_are_asked_for_by_the_exchange_order_id_that_the_state_tells() -> None:
    scene = Scene(lambda name, told: answer([TRADE] if name == "myTrades" else order(told["origClientOrderId"])))
    async with scene.stage:
        await scene.ask(question("a", fills=True, state=False))
        assert scene.asked == ["order", "myTrades"]
        update, fill = scene.told
        assert isinstance(update, OrderUpdate)
        assert isinstance(fill, FillUpdate)
        assert (fill.client_order_id, fill.trade_id) == ("a", "9")


@in_virtual_time
async def test_no_such_order_is_told_with_the_time_of_the_question() -> None:
    scene = Scene(lambda _name, _told: refusal(ErrorKind.UNKNOWN_ORDER))
    async with scene.stage:
        await scene.ask(question("a"))
        assert scene.told == [OrderNotFound(trading_pair=PAIR, client_order_id="a", asked_ms=SENT_MS)]


@in_virtual_time
async def test_any_other_failure_says_nothing_of_the_order() -> None:
    outcomes: dict[str, RestOutcome] = {
        "a": refusal(ErrorKind.OTHER),
        "b": RestNotSent(reason="cannot reach the exchange"),
    }
    scene = Scene(lambda _name, told: outcomes[told["origClientOrderId"]])
    async with scene.stage:
        await scene.ask(question("a"), question("b"))
        assert [type(message) for message in scene.told] == [QuestionFailed, QuestionFailed]
        assert [message.question.client_order_id for message in scene.told] == ["a", "b"]


@in_virtual_time
async def test_an_answer_that_is_no_answer_says_nothing_of_the_order() -> None:
    scene = Scene(lambda _name, _told: RestAnswer(body=b"<html>", sent_ms=SENT_MS, received_ns=0))
    async with scene.stage:
        await scene.ask(question("a"), question("b", "501", state=False, fills=True))
        assert [type(message) for message in scene.told] == [QuestionFailed, QuestionFailed]
        assert scene.stage.crashes == []


@in_virtual_time
async def test_many_questions_on_a_pair_begin_with_its_open_orders() -> None:
    def respond(name: str, told: dict[str, str]) -> RestOutcome:
        if name == "openOrders":
            return answer([order("a"), order("b"), order("foreign")])
        return answer(order(told["origClientOrderId"], "CANCELED"))

    scene = Scene(respond)
    async with scene.stage:
        await scene.ask(question("a"), question("b"), question("c"))
        assert scene.asked == ["openOrders", "order"]
        seen, update = scene.told
        assert isinstance(seen, OpenOrdersSeen)
        assert [one.client_order_id for one in seen.updates] == ["a", "b", "foreign"]
        assert (update.client_order_id, update.state) == ("c", OrderState.CANCELED)


@in_virtual_time
async def test_without_the_open_orders_each_is_asked_for_by_itself() -> None:
    def respond(name: str, told: dict[str, str]) -> RestOutcome:
        return refusal(ErrorKind.OTHER) if name == "openOrders" else answer(order(told["origClientOrderId"]))

    scene = Scene(respond)
    async with scene.stage:
        await scene.ask(*(question(name) for name in "abc"))
        assert sorted(update.client_order_id for update in scene.told) == ["a", "b", "c"]


@in_virtual_time
async def test_few_requests_are_under_way_at_a_time_and_none_twice() -> None:
    scene = Scene(lambda name, _told: answer([]) if name == "openOrders" else None)
    async with scene.stage:
        questions = [question(f"c{number}") for number in range(20)]
        await scene.ask(*questions, *questions)
        assert scene.asked == ["openOrders"] + ["order"] * CONCURRENCY
        # Without an answer each is given up in its time, and the next get their turn.
        await asyncio.sleep(100)
        assert len(scene.asked) == 1 + len(questions)
        assert len([message for message in scene.told if isinstance(message, QuestionFailed)]) == len(questions)


@in_virtual_time
async def test_a_pair_without_a_rule_can_not_be_asked_for() -> None:
    scene = Scene(lambda _name, _told: None)
    async with scene.stage:
        other = OrderQuestion(
            trading_pair="ETH-USDT", client_order_id="a", exchange_order_id=None, wants_state=True, wants_fills=True
        )
        await scene.ask(other)
        (failed,) = scene.told
        assert "ETH-USDT" in failed.reason
