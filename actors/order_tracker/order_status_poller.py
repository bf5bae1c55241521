"""Asks the exchange about orders by REST: the backup for what the user stream missed.

hears: AskExchange (orders); TradingRules
says: OrderUpdate, FillUpdate, OrderNotFound, OpenOrdersSeen, QuestionFailed to orders; asks rest ExecuteRest
at a restart it forgets the questions; the order tracker asks them again.

Where many orders of a pair are asked for, the pair's open orders are asked for first: one request instead of many.
Orders that are not among them are asked for one by one.
"""

from collections import deque
from functools import partial
from typing import Any

from openoutcry.actors.roles import ORDERS, REST
from openoutcry.actors.runtime import ComponentActor, RequestFailed, handles
from openoutcry.exchanges.dialect import MalformedPayload
from openoutcry.messages.lifecycle import Readiness
from openoutcry.messages.orders import (
    AskExchange,
    FillUpdate,
    OpenOrdersSeen,
    OrderNotFound,
    OrderQuestion,
    OrderUpdate,
    QuestionFailed,
)
from openoutcry.messages.rest import ErrorKind, ExecuteRest, RestAnswer, RestOutcome, RestRefused, RestRequest
from openoutcry.messages.trading_rules import TradeFees, TradingRule, TradingRules

CONCURRENCY = 4
"""Requests under way at a time: reconciling must not use up the rate limits."""
TIMEOUT_S = 10.0
OPEN_ORDERS_FROM = 3
"""So many questions on one pair are worth a request for its open orders (Binance: weight 6 against 4 an order)."""


class _Question:
    """What is still to be asked about one order."""

    __slots__ = ("asked", "exchange_order_id", "wants_fills", "wants_state")

    def __init__(self, asked: OrderQuestion) -> None:
        self.asked = asked
        self.wants_state = asked.wants_state
        self.wants_fills = asked.wants_fills
        self.exchange_order_id = asked.exchange_order_id


class OrderStatusPoller(ComponentActor):
    """Turns questions about orders into requests, and the answers into updates."""

    def on_start(self) -> None:
        """Begin with nothing to ask."""
        self._dialect = self.environment.dialect
        self._rules: dict[str, TradingRule] = {}
        self._waiting: deque[_Question] = deque()
        self._waiting_pairs: deque[tuple[TradingRule, list[_Question]]] = deque()
        self._known: dict[str, _Question] = {}
        self._under_way = 0
        self._asked_count = 0
        self._failed_count = 0

    def figures(self) -> tuple[tuple[str, str], ...]:
        """Questions asked, waiting and failed."""
        return (
            ("asked", str(self._asked_count)),
            ("waiting", str(len(self._known))),
            ("failed", str(self._failed_count)),
        )

    @handles(TradingRules)
    def _trading_rules(self, message: TradingRules, _sender: Any) -> None:
        self._rules = message.by_trading_pair()
        self.set_readiness(Readiness.READY)

    @handles(TradeFees)
    def _trade_fees(self, _message: TradeFees, _sender: Any) -> None:
        """What a trade costs is known by its fill."""

    @handles(AskExchange)
    def _ask_exchange(self, message: AskExchange, _sender: Any) -> None:
        by_pair: dict[str, list[_Question]] = {}
        for asked in message.questions:
            known = self._known.get(asked.client_order_id)
            if known is not None:
                # It waits already, or is being asked: only what is new of it is added.
                known.wants_fills |= asked.wants_fills
                known.exchange_order_id = known.exchange_order_id or asked.exchange_order_id
                continue
            if asked.trading_pair not in self._rules:
                self._failed(asked, f"there is no trading rule for {asked.trading_pair}")
                continue
            question = self._known[asked.client_order_id] = _Question(asked)
            by_pair.setdefault(asked.trading_pair, []).append(question)
        for pair, questions in by_pair.items():
            if sum(question.wants_state for question in questions) >= OPEN_ORDERS_FROM:
                self._waiting_pairs.append((self._rules[pair], questions))
            else:
                self._waiting.extend(questions)
        self._go_on()

    def _go_on(self) -> None:
        while self._under_way < CONCURRENCY:
            if self._waiting_pairs:
                rule, questions = self._waiting_pairs.popleft()
                self._execute(self._dialect.build_open_orders(rule), partial(self._open_orders, rule, questions))
            elif self._waiting:
                self._next_step(self._waiting.popleft())
            else:
                return

    def _next_step(self, question: _Question) -> None:
        """State first: it tells the exchange order id, by which fills are asked for."""
        asked = question.asked
        rule = self._rules.get(asked.trading_pair)
        if rule is None:
            self._done(question)
            self._failed(asked, f"there is no trading rule for {asked.trading_pair} any more")
        elif question.wants_state or (question.wants_fills and question.exchange_order_id is None):
            question.wants_state = False
            request = self._dialect.build_order_status(rule, asked.client_order_id, question.exchange_order_id)
            self._execute(request, partial(self._state, rule, question))
        elif question.wants_fills:
            question.wants_fills = False
            request = self._dialect.build_fills(rule, question.exchange_order_id)
            self._execute(request, partial(self._fills, rule, question))
        else:
            self._done(question)

    def _execute(self, request: RestRequest, then: Any) -> None:
        self._under_way += 1
        self._asked_count += 1
        question = ExecuteRest(request=request, timeout_s=TIMEOUT_S)
        self.ask(REST, question, then, timeout_s=TIMEOUT_S + 2.0, resend=True)

    # Answers

    def _open_orders(self, rule: TradingRule, questions: list[_Question], answer: RestOutcome | RequestFailed) -> None:
        self._under_way -= 1
        if type(answer) is RestAnswer:
            try:
                updates = self._dialect.parse_open_orders({rule.symbol: rule.trading_pair}, answer.body)
            except MalformedPayload as error:
                self.log.warning("The open orders of %s: %s", rule.trading_pair, error)
            else:
                self._say(OpenOrdersSeen(updates=updates, asked_ms=answer.sent_ms))
                open_orders = {update.client_order_id: update for update in updates}
                for question in questions:
                    update = open_orders.get(question.asked.client_order_id)
                    if update is not None:
                        question.wants_state = False
                        question.exchange_order_id = update.exchange_order_id or question.exchange_order_id
        # Without an answer each is asked for by itself.
        self._waiting.extend(questions)
        self._go_on()

    def _state(self, rule: TradingRule, question: _Question, answer: RestOutcome | RequestFailed) -> None:
        self._under_way -= 1
        asked = question.asked
        if type(answer) is RestAnswer:
            try:
                update = self._dialect.parse_order_status(rule, answer.body)
            except MalformedPayload as error:
                self._give_up(question, str(error))
            else:
                question.exchange_order_id = update.exchange_order_id or question.exchange_order_id
                self._say(_named_update(update, asked.client_order_id))
                self._continue(question)
        elif type(answer) is RestRefused and answer.error.kind is ErrorKind.UNKNOWN_ORDER:
            self._done(question)
            self._say(
                OrderNotFound(
                    trading_pair=asked.trading_pair, client_order_id=asked.client_order_id, asked_ms=answer.sent_ms
                )
            )
        else:
            self._give_up(question, _why(answer))
        self._go_on()

    def _fills(self, rule: TradingRule, question: _Question, answer: RestOutcome | RequestFailed) -> None:
        self._under_way -= 1
        if type(answer) is RestAnswer:
            try:
                fills = self._dialect.parse_fills(rule, answer.body)
            except MalformedPayload as error:
                self._give_up(question, str(error))
            else:
                for fill in fills:
                    self._say(_named_fill(fill, question.asked.client_order_id))
                self._continue(question)
        else:
            self._give_up(question, _why(answer))
        self._go_on()

    def _continue(self, question: _Question) -> None:
        if question.wants_state or question.wants_fills:
            self._waiting.appendleft(question)
        else:
            self._done(question)

    def _give_up(self, question: _Question, reason: str) -> None:
        self._done(question)
        self._failed(question.asked, reason)

    def _done(self, question: _Question) -> None:
        self._known.pop(question.asked.client_order_id, None)

    def _failed(self, question: OrderQuestion, reason: str) -> None:
        self._failed_count += 1
        self._say(QuestionFailed(question=question, reason=reason))

    def _say(self, message: OrderUpdate | FillUpdate | OrderNotFound | OpenOrdersSeen | QuestionFailed) -> None:
        if self.has_peer(ORDERS):
            self.tell(ORDERS, message)


def _named_update(update: OrderUpdate, client_order_id: str) -> OrderUpdate:
    """The update under the id it was asked by: some exchanges answer with their own id alone."""
    if update.client_order_id == client_order_id:
        return update
    return OrderUpdate(
        trading_pair=update.trading_pair,
        client_order_id=client_order_id,
        exchange_order_id=update.exchange_order_id,
        state=update.state,
        executed_amount_base=update.executed_amount_base,
        executed_amount_quote=update.executed_amount_quote,
        updated_ms=update.updated_ms,
        reason=update.reason,
    )


def _named_fill(fill: FillUpdate, client_order_id: str) -> FillUpdate:
    if fill.client_order_id:
        return fill
    return FillUpdate(
        trading_pair=fill.trading_pair,
        client_order_id=client_order_id,
        exchange_order_id=fill.exchange_order_id,
        trade_id=fill.trade_id,
        price=fill.price,
        amount=fill.amount,
        quote_amount=fill.quote_amount,
        fee_asset=fill.fee_asset,
        fee_amount=fill.fee_amount,
        is_maker=fill.is_maker,
        traded_ms=fill.traded_ms,
    )


def _why(answer: RestOutcome | RequestFailed) -> str:
    if type(answer) is RestRefused:
        return str(answer.error)
    return str(getattr(answer, "reason", answer))
