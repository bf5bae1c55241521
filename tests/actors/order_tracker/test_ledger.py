"""Single cases of the ledger that the properties do not name."""

from decimal import Decimal

from openoutcry.actors.order_tracker.ledger import OrderLedger
from openoutcry.actors.order_tracker.order_record import CancelPhase, OrderRecord
from openoutcry.messages.orders import (
    FillUpdate,
    OrderCompleted,
    OrderFilled,
    OrderNotFound,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
    TradeSide,
)

PAIR = "BTC-USDT"


def ledger(finished_kept: int = 1000) -> OrderLedger:
    return OrderLedger(
        next_event_number=1, delay_s=lambda attempt: 2.0**attempt, not_found_grace_ms=7000, finished_kept=finished_kept
    )


def add(book: OrderLedger, number: int, side: TradeSide = TradeSide.BUY) -> OrderRecord:
    record = OrderRecord(
        order_id=number,
        client_order_id=f"c{number}",
        trading_pair=PAIR,
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=Decimal(100),
        amount=Decimal(10),
        self_trade_prevention=None,
        created_ms=1,
    )
    book.add(record)
    return record


def update(record: OrderRecord, state: OrderState, executed: int = 0) -> OrderUpdate:
    return OrderUpdate(
        trading_pair=PAIR,
        client_order_id=record.client_order_id,
        exchange_order_id=f"x{record.order_id}",
        state=state,
        executed_amount_base=Decimal(executed),
        executed_amount_quote=Decimal(executed * 100),
        updated_ms=2,
    )


def fill(record: OrderRecord, trade_id: str, amount: int) -> FillUpdate:
    return FillUpdate(
        trading_pair=PAIR,
        client_order_id=record.client_order_id,
        exchange_order_id=f"x{record.order_id}",
        trade_id=trade_id,
        price=Decimal(100),
        amount=Decimal(amount),
        quote_amount=Decimal(amount * 100),
        fee_asset="",
        fee_amount=Decimal(0),
        is_maker=True,
        traded_ms=2,
    )


def test_a_fill_counts_once_however_often_it_is_told() -> None:
    book = ledger()
    record = add(book, 1)
    for _ in range(3):
        book.apply_fill(fill(record, "t", 4), 1.0)
        book.apply_fill(fill(record, "u", 1), 1.0)
    assert record.filled_base == 5
    assert sum(isinstance(event, OrderFilled) for event in book.take().events) == 2


def test_a_trade_with_oneself_counts_on_both_orders() -> None:
    book = ledger()
    buy, sell = add(book, 1), add(book, 2, TradeSide.SELL)
    book.apply_fill(fill(buy, "t", 4), 1.0)
    book.apply_fill(fill(sell, "t", 4), 1.0)
    assert buy.filled_base == sell.filled_base == 4


def test_a_late_update_moves_nothing_backwards() -> None:
    book = ledger()
    record = add(book, 1)
    book.apply_update(update(record, OrderState.PARTIALLY_FILLED, 4), 1.0)
    book.apply_update(update(record, OrderState.OPEN), 1.0)
    book.apply_update(update(record, OrderState.PARTIALLY_FILLED, 2), 1.0)
    assert (record.state, record.reported_base) == (OrderState.PARTIALLY_FILLED, Decimal(4))
    book.apply_update(update(record, OrderState.CANCELED, 4), 1.0)
    book.apply_update(update(record, OrderState.PARTIALLY_FILLED, 2), 1.0)
    assert record.state is OrderState.CANCELED


def test_a_question_is_asked_again_with_growing_delays_until_it_is_answered() -> None:
    book = ledger()
    record = add(book, 1)
    book.placement_unknown(record, "time-out", 0, 1, 0.0)
    asked_s = [second for second in range(40) if book.questions.due(float(second))]
    assert asked_s == [0, 2, 6, 14, 30]
    book.apply_update(update(record, OrderState.OPEN), 40.0)
    assert len(book.questions) == 0


def test_a_refusal_of_an_order_that_the_exchange_told_of_does_not_end_it() -> None:
    book = ledger()
    record = add(book, 1)
    book.apply_update(update(record, OrderState.OPEN), 1.0)
    book.placement_refused(record, "Duplicate order sent.", 2)
    assert record.state is OrderState.OPEN
    assert [question.client_order_id for question in book.questions.due(1.0)] == ["c1"]


def test_ended_orders_leave_the_memory_and_nothing_of_them_stays() -> None:
    book = ledger(finished_kept=10)
    for number in range(1, 101):
        record = add(book, number)
        book.apply_fill(fill(record, "t", 10), 1.0)
        book.apply_update(update(record, OrderState.FILLED, 10), 1.0)
        book.apply_update(update(record, OrderState.FILLED, 10), 1.0)
    assert sum(isinstance(event, OrderCompleted) for event in book.take().events) == 100
    assert not book.live
    assert len(book._finished) == len(book._by_exchange_id) == 10
    assert len(book.questions) == 0


def test_messages_of_unknown_exchange_order_ids_are_kept_within_bounds() -> None:
    book = ledger()
    record = add(book, 1)
    for number in range(2000):
        stray = update(record, OrderState.OPEN)
        for _ in range(3):
            book.apply_update(
                OrderUpdate(
                    trading_pair=PAIR,
                    client_order_id="",
                    exchange_order_id=f"stray{number}",
                    state=stray.state,
                    executed_amount_base=stray.executed_amount_base,
                    executed_amount_quote=stray.executed_amount_quote,
                    updated_ms=3,
                ),
                1.0,
            )
    assert len(book._orphans) <= 256
    assert len(book._foreign) <= 1000
    assert book.foreign_count == 2000 - 256


def not_found(record: OrderRecord, asked_ms: int) -> OrderNotFound:
    return OrderNotFound(trading_pair=PAIR, client_order_id=record.client_order_id, asked_ms=asked_ms)


def test_no_such_order_says_nothing_while_the_request_is_on_its_way() -> None:
    book = ledger()
    record = add(book, 1)
    book.apply_not_found(not_found(record, 1_000_000), 1.0)
    assert record.state is OrderState.PENDING_CREATE


def test_no_such_order_says_nothing_of_an_order_that_the_exchange_told_of() -> None:
    book = ledger()
    record = add(book, 1)
    book.apply_update(update(record, OrderState.OPEN), 1.0)
    book.placement_answered(record)
    book.apply_not_found(not_found(record, 1_000_000), 1.0)
    assert record.state is OrderState.OPEN


def test_after_a_restart_the_old_request_may_still_arrive_for_a_while() -> None:
    book = ledger()
    record = add(ledger(), 1)
    record.created_ms = 50_000
    book.restore([record], 1.0, 52_000, 10_000)
    states = [record.state]
    for asked_ms in (67_000, 67_001):
        book.apply_not_found(not_found(record, asked_ms), 1.0)
        states.append(record.state)
    assert states == [OrderState.UNKNOWN, OrderState.UNKNOWN, OrderState.FAILED]


def test_missing_fills_of_an_order_that_lives_on_are_asked_for() -> None:
    book = ledger()
    record = add(book, 1)
    book.apply_fill(fill(record, "t", 4), 1.0)
    book.apply_update(update(record, OrderState.PARTIALLY_FILLED, 7), 1.0)
    assert book.questions.due(1.0) == ()
    (question,) = book.questions.due(1.3)
    assert question.wants_fills
    book.apply_fill(fill(record, "u", 3), 2.0)
    assert len(book.questions) == 0


def test_what_is_known_already_is_not_written_again() -> None:
    book = ledger()
    record = add(book, 1)
    book.apply_update(update(record, OrderState.OPEN), 1.0)
    book.apply_fill(fill(record, "t", 4), 1.0)
    book.apply_update(update(record, OrderState.PARTIALLY_FILLED, 4), 1.0)
    book.take()
    book.apply_update(update(record, OrderState.OPEN), 1.0)
    book.apply_fill(fill(record, "t", 4), 1.0)
    book.apply_update(update(record, OrderState.PARTIALLY_FILLED, 4), 1.0)
    assert not book.has_changes


def test_a_cancel_of_the_last_run_is_repeated_though_the_order_was_spoken_of_before_it_was_asked_for() -> None:
    record = add(ledger(), 1)
    record.exchange_order_id = "x1"
    record.word = OrderState.OPEN
    record.cancel = CancelPhase.SENT
    record.is_created = True
    book = ledger()
    book.restore([record], now_s=100.0, now_ms=1, longest_request_ms=10_000)
    book.apply_update(update(record, OrderState.OPEN), 100.1)  # by the user stream, or among all open orders
    (question,) = book.questions.due(100.2)
    assert question.wants_state
    book.take()
    book.apply_update(update(record, OrderState.OPEN), 100.3)
    assert book.take().cancels == [record]
