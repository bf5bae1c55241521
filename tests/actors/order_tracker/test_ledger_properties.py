"""Whatever the wire does to the exchange's words, and wherever the process dies: the ledger ends with the truth."""

import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from openoutcry.actors.order_tracker.journal import Journal
from openoutcry.actors.order_tracker.ledger import OrderLedger
from openoutcry.actors.order_tracker.order_record import OrderRecord
from openoutcry.messages.orders import (
    FillUpdate,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderEvent,
    OrderFailed,
    OrderFilled,
    OrderNotFound,
    OrderQuestion,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
    TradeSide,
)

PAIR = "BTC-USDT"
AMOUNT = Decimal(10)
WINDOW_MS = 5000
GRACE_MS = 7000
LONGEST_REQUEST_MS = 10_000
ENDS = (OrderCompleted, OrderCancelled, OrderFailed)


class TrueOrder:
    """An order as the exchange has it."""

    def __init__(self, client_order_id: str, exchange_order_id: str) -> None:
        self.client_order_id = client_order_id
        self.exchange_order_id = exchange_order_id
        self.state = OrderState.OPEN
        self.fills: list[FillUpdate] = []

    @property
    def executed(self) -> Decimal:
        return sum((fill.amount for fill in self.fills), Decimal(0))

    def update(self, now_ms: int, *, names_ours: bool) -> OrderUpdate:
        return OrderUpdate(
            trading_pair=PAIR,
            client_order_id=self.client_order_id if names_ours else "",
            exchange_order_id=self.exchange_order_id,
            state=self.state,
            executed_amount_base=self.executed,
            executed_amount_quote=self.executed * 100,
            updated_ms=now_ms,
        )


class Sent:
    """A placement on its way: what we remember of it, and until when it may still arrive."""

    def __init__(self, record: OrderRecord, stamp_ms: int) -> None:
        self.record = record
        self.stamp_ms = stamp_ms


class LedgerAgainstTruth(RuleBasedStateMachine):
    """The rules are what the exchange, the wire and the process do."""

    orders: Bundle[str] = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.sqlite"
        self.now_ms = 1_000_000
        self.true_orders: dict[str, TrueOrder] = {}
        self.on_the_way: dict[str, Sent] = {}
        """Requests that left and have not arrived."""
        self.unanswered: dict[str, OrderRecord] = {}
        self.refused: set[str] = set()
        self.ours: set[str] = set()
        self.messages: list[OrderUpdate | FillUpdate | OrderNotFound] = []
        self.trades = 0
        self.highest_rank: dict[str, int] = {}
        self.open()

    def open(self) -> None:
        self.journal = Journal(self.path)
        self.ledger = OrderLedger(
            next_event_number=self.journal.last_event_number + 1,
            delay_s=lambda attempt: min(2.0**attempt, 30.0),
            not_found_grace_ms=GRACE_MS,
        )
        self.ledger.restore(self.journal.load(1000), self.now_ms / 1000, self.now_ms, LONGEST_REQUEST_MS)

    def teardown(self) -> None:
        try:
            self.ask_until_all_is_known()
        finally:
            self.journal.close()
            self.folder.cleanup()

    # We

    @initialize(target=orders)
    def first_order(self) -> str:
        return self.place_an_order(True)

    @rule(target=orders, arrives=st.booleans())
    def place(self, arrives: bool) -> str:
        return self.place_an_order(arrives)

    def place_an_order(self, arrives: bool) -> str:
        number = max(self.journal.last_order_id, max((int(one) for one in self.ours), default=0)) + 1
        record = OrderRecord(
            order_id=number,
            client_order_id=str(number),
            trading_pair=PAIR,
            side=TradeSide.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price=Decimal(100),
            amount=AMOUNT,
            self_trade_prevention=None,
            created_ms=self.now_ms,
        )
        self.ledger.add(record)
        self.commit()
        self.ours.add(record.client_order_id)
        self.unanswered[record.client_order_id] = record
        self.on_the_way[record.client_order_id] = Sent(record, self.now_ms)
        if arrives:
            self.arrives(record.client_order_id, True)
        return record.client_order_id

    @rule()
    def commit(self) -> None:
        changes = self.ledger.take()
        if changes.records:
            self.journal.commit(changes)

    @rule(order=orders)
    def cancel(self, order: str) -> None:
        record = self.ledger.find(order)
        assert record is not None
        self.ledger.want_cancel(record)

    @rule()
    def die_and_restart(self) -> None:
        self.journal.close()
        self.unanswered.clear()
        self.open()

    @rule()
    def reconcile(self) -> None:
        self.ledger.reconcile(self.now_ms / 1000)

    # The exchange

    @rule(order=orders, tells=st.booleans())
    def arrives_late(self, order: str, tells: bool) -> None:
        self.arrives(order, tells)

    def arrives(self, order: str, tells: bool) -> None:
        sent = self.on_the_way.get(order)
        if sent is not None and self.now_ms <= sent.stamp_ms + WINDOW_MS:
            del self.on_the_way[order]
            true_order = self.true_orders[order] = TrueOrder(order, f"x{order}")
            if tells:
                self.messages.append(true_order.update(self.now_ms, names_ours=True))

    @rule(order=orders)
    def is_refused(self, order: str) -> None:
        if order in self.unanswered and order in self.on_the_way:
            del self.on_the_way[order]
            self.refused.add(order)
            self.ledger.placement_refused(self.unanswered.pop(order), "refused: no", self.now_ms)

    @rule(order=orders)
    def is_answered(self, order: str) -> None:
        if order in self.true_orders and order in self.unanswered:
            self.ledger.placement_answered(self.unanswered.pop(order))
            update = self.true_orders[order].update(self.now_ms, names_ours=True)
            self.messages.append(update)
            self.ledger.apply_update(update, self.now_ms / 1000)

    @rule(order=orders)
    def answer_is_lost(self, order: str) -> None:
        record = self.unanswered.pop(order, None)
        if record is not None:
            stamp_ms = record.created_ms
            self.ledger.placement_unknown(record, "time-out", stamp_ms, self.now_ms, self.now_ms / 1000)

    @rule(
        order=orders,
        amount=st.integers(1, 10),
        names_ours=st.booleans(),
        comes_at_once=st.lists(st.integers(0, 1), max_size=4),
    )
    def trades_at_the_exchange(self, order: str, amount: int, names_ours: bool, comes_at_once: list[int]) -> None:
        true_order = self.true_orders.get(order)
        if true_order is None or true_order.state.is_final:
            return
        amount_base = min(Decimal(amount), AMOUNT - true_order.executed)
        self.trades += 1
        fill = FillUpdate(
            trading_pair=PAIR,
            client_order_id=order if names_ours else "",
            exchange_order_id=true_order.exchange_order_id,
            trade_id=str(self.trades),
            price=Decimal(100),
            amount=amount_base,
            quote_amount=amount_base * 100,
            fee_asset="BNB",
            fee_amount=Decimal("0.1"),
            is_maker=True,
            traded_ms=self.now_ms,
        )
        true_order.fills.append(fill)
        is_all = true_order.executed == AMOUNT
        true_order.state = OrderState.FILLED if is_all else OrderState.PARTIALLY_FILLED
        told = (fill, true_order.update(self.now_ms, names_ours=names_ours))
        self.messages += told
        for index in comes_at_once:
            self.deliver(told[index])

    @rule(order=orders)
    def is_cancelled_at_the_exchange(self, order: str) -> None:
        true_order = self.true_orders.get(order)
        if true_order is not None and not true_order.state.is_final:
            true_order.state = OrderState.CANCELED
            self.messages.append(true_order.update(self.now_ms, names_ours=True))

    @rule(comes_at_once=st.booleans())
    def asks_what_is_due(self, comes_at_once: bool) -> None:
        """Answers lie among the messages then, and come when they come."""
        for question in self.ledger.questions.due(self.now_ms / 1000):
            answers = self.true_answers(question)
            self.messages += answers
            for answer in answers if comes_at_once else ():
                self.deliver(answer)

    # The wire: any message, at any time, again and again, or never

    @precondition(lambda self: self.messages)
    @rule(data=st.data())
    def something_comes(self, data: st.DataObject) -> None:
        for index in data.draw(st.lists(st.integers(0, len(self.messages) - 1), min_size=1, max_size=6)):
            self.deliver(self.messages[index])

    @rule(ms=st.integers(1, 6000))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms

    # What must hold

    @invariant()
    def nothing_goes_backwards_or_beyond_the_truth(self) -> None:
        for client_order_id in self.ours:
            record = self.ledger.find(client_order_id)
            assert record is not None, "an order of ours is forgotten"
            true_order = self.true_orders.get(client_order_id)
            if true_order is None:
                assert not record.filled_base
                assert record.word in (None, OrderState.FAILED)
                # Gone only if it can't arrive any more.
                if record.word is OrderState.FAILED and client_order_id not in self.refused:
                    sent = self.on_the_way[client_order_id]
                    assert self.now_ms > sent.stamp_ms + WINDOW_MS
            else:
                assert record.filled_base <= true_order.executed
                assert record.reported_base <= true_order.executed
                if record.is_decided:
                    assert record.word is true_order.state
        counted = [record for record in self.ledger.live.values() if record.is_unknown]
        assert self.ledger.unknown_count == len(counted)
        reconciling = [record for record in self.ledger.live.values() if record.is_reconciling]
        assert self.ledger.reconciling_count == len(reconciling)
        assert not any(record.is_finished for record in self.ledger.live.values())

    # The inside

    def deliver(self, message: OrderUpdate | FillUpdate | OrderNotFound) -> None:
        now_s = self.now_ms / 1000
        if isinstance(message, OrderUpdate):
            self.ledger.apply_update(message, now_s)
        elif isinstance(message, FillUpdate):
            self.ledger.apply_fill(message, now_s)
        else:
            self.ledger.apply_not_found(message, now_s)

    def true_answers(self, question: OrderQuestion) -> list[OrderUpdate | FillUpdate | OrderNotFound]:
        order = question.client_order_id
        true_order = self.true_orders.get(order)
        if true_order is None:
            return [OrderNotFound(trading_pair=PAIR, client_order_id=order, asked_ms=self.now_ms)]
        answers: list[OrderUpdate | FillUpdate | OrderNotFound] = []
        if question.wants_fills:
            answers += true_order.fills
        if question.wants_state or question.exchange_order_id is None:
            answers.append(true_order.update(self.now_ms, names_ours=True))
        return answers

    def ask_until_all_is_known(self) -> None:
        """The wire is whole again: the stream resumes, and whatever the ledger asks is answered."""
        for record in self.unanswered.values():
            self.ledger.placement_unknown(record, "time-out", record.created_ms, self.now_ms, self.now_ms / 1000)
        self.ledger.reconcile(self.now_ms / 1000)
        for _ in range(20):
            self.now_ms += 31_000
            for question in self.ledger.questions.due(self.now_ms / 1000):
                for answer in self.true_answers(question):
                    self.deliver(answer)
            self.nothing_goes_backwards_or_beyond_the_truth()
        self.commit()
        assert not self.ledger.unknown_count
        assert not self.ledger.reconciling_count
        for client_order_id in self.ours:
            self.compare(client_order_id)
        self.check_events()

    def compare(self, client_order_id: str) -> None:
        record = self.ledger.find(client_order_id)
        assert record is not None
        true_order = self.true_orders.get(client_order_id)
        if true_order is None:
            assert record.word is OrderState.FAILED
            assert record.is_finished
            return
        assert record.word is true_order.state
        assert record.exchange_order_id == true_order.exchange_order_id
        assert record.filled_base == true_order.executed
        assert record.filled_quote == true_order.executed * 100
        assert record.is_finished is true_order.state.is_final
        fees = {"BNB": Decimal("0.1") * len(true_order.fills)} if true_order.fills else {}
        assert record.fees == fees
        assert {fill.trade_id for fill in self.journal.fills_of(record)} == {one.trade_id for one in true_order.fills}

    def check_events(self) -> None:
        events = self.journal.events_after(0, 1_000_000)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        by_order: dict[str, list[OrderEvent]] = {}
        for event in events:
            by_order.setdefault(event.client_order_id, []).append(event)
        for client_order_id in self.ours:
            story = by_order.get(client_order_id, [])
            true_order = self.true_orders.get(client_order_id)
            created = [event for event in story if isinstance(event, OrderCreated)]
            filled = [event for event in story if isinstance(event, OrderFilled)]
            ended = [event for event in story if isinstance(event, ENDS)]
            assert len(created) == (true_order is not None)
            assert len({event.trade_id for event in filled}) == len(filled)
            if true_order is None:
                assert [type(event) for event in ended] == [OrderFailed]
                continue
            assert {event.trade_id for event in filled} == {fill.trade_id for fill in true_order.fills}
            assert len(ended) == true_order.state.is_final
            if filled:
                assert filled[0].number > created[0].number
            if ended:
                assert story[-1] is ended[0]


LedgerAgainstTruth.TestCase.settings = settings(
    max_examples=200, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLedgerAgainstTruth = LedgerAgainstTruth.TestCase
