"""The tracker of in-flight orders: the only source of order events.

hears: PlaceOrder, CancelOrder, CancelAllOrders, GetInFlightOrders, GetOrderEvents (asked); OrderUpdate, FillUpdate,
UserStreamInterrupted, UserStreamResumed (user_stream); OrderUpdate, FillUpdate, OrderNotFound, OpenOrdersSeen,
QuestionFailed (order_poller); TradingRules, ClockOffset, Balances; ReconcileOrders; Subscribers(ORDER_EVENTS)
says: order events to the subscribers' addresses; asks rest ExecuteRest; AskExchange to order_poller; OrderActivity and
RefreshBalances to balances
at a restart it forgets who waits for an answer, and nothing else: orders, fills and events come from the journal. An
order whose answer was not journaled is UNKNOWN, and everything in flight is asked for.

Rule 1: nothing leaves (request, event, answer) before what it rests on is committed. The writes of one sweep of the
mailbox are committed together.
Rule 2: a placement is sent at most once in the life of its order.
"""

import asyncio
import sqlite3
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.actors.order_tracker.cancel_waiters import CancelAllCollector, CancelWaiters
from openoutcry.actors.order_tracker.changes import Changes
from openoutcry.actors.order_tracker.client_order_id import ClientOrderIds, new_nonce
from openoutcry.actors.order_tracker.journal import Journal, JournalError
from openoutcry.actors.order_tracker.ledger import OrderLedger
from openoutcry.actors.order_tracker.order_checks import check_order, held_by
from openoutcry.actors.order_tracker.order_record import OrderRecord
from openoutcry.actors.roles import BALANCES, ORDER_POLLER, REST
from openoutcry.actors.runtime import (
    Backoff,
    ComponentActor,
    LastingFailure,
    RequestFailed,
    RequestFailure,
    Timer,
    handles,
)
from openoutcry.exchanges.dialect import MalformedPayload, NewOrder
from openoutcry.messages.account import Balances, RefreshBalances
from openoutcry.messages.lifecycle import Readiness, Subscribers, Topic, UserStreamInterrupted, UserStreamResumed
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
    OpenOrdersSeen,
    OrderAccepted,
    OrderActivity,
    OrderEvents,
    OrderNotFound,
    OrderRefused,
    OrderState,
    OrderUpdate,
    PlaceOrder,
    QuestionFailed,
    ReconcileOrders,
)
from openoutcry.messages.rest import (
    ClockOffset,
    ErrorKind,
    ExecuteRest,
    RestAnswer,
    RestNotSent,
    RestOutcome,
    RestOutcomeUnknown,
    RestRefused,
)
from openoutcry.messages.trading_rules import TradeFees, TradingRule, TradingRules

REQUEST_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = REQUEST_TIMEOUT_S + 2.0
CANCEL_ANSWER_S = 25.0
"""After this long a cancel is answered with what is known; the exchange is asked on."""
NOT_FOUND_MARGIN_MS = 2000
"""A question's stamp may be a second ahead of the exchange's clock (Binance accepts that much), and some more."""
FINISHED_KEPT = 1000
CHECKPOINT_LOOK_S = 1.0
SHORTEST_WAIT_S = 0.05
_MAY_HAVE_IT = (ErrorKind.DUPLICATE_ORDER, ErrorKind.OUTCOME_UNKNOWN)


class OrderTracker(ComponentActor):
    """Places and cancels orders, follows what becomes of them, journals it, and publishes it."""

    _journal: Journal | None = None

    def on_start(self) -> None:
        """Open the journal and take up what it holds."""
        environment = self.environment
        settings = environment.settings
        self._dialect = dialect = environment.dialect
        self._offset_ms = 0.0
        self._rules: dict[str, TradingRule] = {}
        self._available: Mapping[str, Decimal] | None = None
        self._held: dict[str, Decimal] = {}
        self._subscribers: tuple[object, ...] = ()
        self._placements: list[tuple[OrderRecord, TradingRule, Any]] = []
        self._waiters = CancelWaiters()
        self._is_flush_due = False
        self._has_reconciled = False
        self._is_checkpointing = False
        self._tick: Timer | None = None
        self._tick_s = 0.0
        self._poll_interval_s = settings.order_poll_interval_s
        told_by_stream = settings.real_time_balance_update
        self._are_balances_estimated = not (
            dialect.real_time_balance_update if told_by_stream is None else told_by_stream
        )
        generator = environment.random_for(self.role, self.generation)
        try:
            journal = self._journal = Journal(settings.journal or Path(f"{environment.connector}.journal.sqlite"))
            nonce = journal.meta("nonce")
            if nonce is None:
                nonce = new_nonce(dialect.client_order_id_rule, generator)
                journal.set_meta("nonce", nonce)
            records = journal.load(FINISHED_KEPT)
            self._first_number = _first_number_of_run(journal, environment.run_id)
        except (JournalError, sqlite3.Error) as error:
            raise self._no_journal(error) from error
        self._ids = ClientOrderIds(dialect.client_order_id_rule, nonce, journal.last_order_id)
        self._ledger = OrderLedger(
            next_event_number=journal.last_event_number + 1,
            delay_s=Backoff(0.5, 30.0, generator).delay_s,
            not_found_grace_ms=dialect.receive_window_ms + NOT_FOUND_MARGIN_MS,
            finished_kept=FINISHED_KEPT,
        )
        self._ledger.restore(records, self._now_s(), self._now_ms(), round(REQUEST_TIMEOUT_S * 1000))
        self.every(self._poll_interval_s, self._ask_the_silent)
        self.every(CHECKPOINT_LOOK_S, self._checkpoint)
        self._tell_balances_of_all()
        self._flush_soon()

    def on_stop(self) -> None:
        """Write what is not written yet, unless that is what failed, and give the journal back."""
        journal, self._journal = self._journal, None
        if journal is None:
            return
        try:
            if not self.has_failed and self._ledger.has_changes:
                journal.commit(self._ledger.take())
        finally:
            journal.close()

    def on_peer_up(self, role: str) -> None:
        """Ask a new poller what the old one did not answer; tell new balances of what they can't know."""
        if role == ORDER_POLLER:
            self._ledger.questions.ask_again(self._now_s())
            self._flush_soon()
        elif role == BALANCES:
            self._tell_balances_of_all()

    def figures(self) -> tuple[tuple[str, str], ...]:
        """Orders by kind, events, commits, and what did not fit together."""
        ledger, journal = self._ledger, self._journal
        return (
            ("in flight", str(len(ledger.live))),
            ("unknown", str(ledger.unknown_count)),
            ("asked for", str(len(ledger.questions))),
            ("foreign", str(ledger.foreign_count)),
            ("contradictions", str(ledger.contradictions)),
            ("last event", str(ledger.next_event_number - 1)),
            ("journal commits", str(journal.commits if journal else 0)),
        )

    # What the exchange allows, and its clock

    @handles(TradingRules)
    def _trading_rules(self, message: TradingRules, _sender: Any) -> None:
        self._rules = message.by_trading_pair()
        self._flush_soon()

    @handles(TradeFees)
    def _trade_fees(self, _message: TradeFees, _sender: Any) -> None:
        """What a trade costs is known by its fill."""

    @handles(ClockOffset)
    def _clock_offset(self, message: ClockOffset, _sender: Any) -> None:
        self._offset_ms = message.offset_ms

    @handles(Balances)
    def _balances(self, message: Balances, _sender: Any) -> None:
        self._available = {balance.asset: balance.available for balance in message.balances}

    @handles(Subscribers)
    def _subscribers_changed(self, message: Subscribers, _sender: Any) -> None:
        if message.topic is Topic.ORDER_EVENTS:
            self._subscribers = message.addresses

    # Placing

    @handles(PlaceOrder)
    def _place_order(self, message: PlaceOrder, sender: Any) -> None:
        pair = message.trading_pair
        rule = self._rules.get(pair)
        if rule is None:
            self.reply(sender, self._no_rule(pair))
            return
        checked = check_order(rule, message, self._available, self._held)
        if type(checked) is OrderRefused:
            self.reply(sender, checked)
            return
        amount, price = checked  # type: ignore[misc]  # a refusal was answered above
        now_ms = self._now_ms()
        order_id, client_order_id = self._ids.next(now_ms)
        record = OrderRecord(
            order_id=order_id,
            client_order_id=client_order_id,
            trading_pair=pair,
            side=message.side,
            order_type=message.order_type,
            time_in_force=message.time_in_force,
            price=price,
            amount=amount,
            self_trade_prevention=message.self_trade_prevention,
            created_ms=now_ms,
        )
        asset, needed = held_by(rule, message.side, amount, price)
        self._held[asset] = self._held.get(asset, Decimal(0)) + needed
        self._ledger.add(record)
        self._placements.append((record, rule, sender))
        self._flush_soon()

    def _no_rule(self, trading_pair: str) -> OrderRefused:
        if not self._rules:
            return OrderRefused(rule="trading_rules", message="the exchange's trading rules are not loaded yet")
        return OrderRefused(rule="unknown_pair", message=f"the exchange does not list {trading_pair}")

    def _send_placement(self, record: OrderRecord, rule: TradingRule) -> None:
        order = NewOrder(
            rule=rule,
            client_order_id=record.client_order_id,
            side=record.side,
            order_type=record.order_type,
            time_in_force=record.time_in_force,
            amount=record.amount,
            price=record.price,
            self_trade_prevention=record.self_trade_prevention,
        )
        request = ExecuteRest(request=self._dialect.build_place_order(order), timeout_s=REQUEST_TIMEOUT_S)
        self.ask(REST, request, partial(self._placed, record, order), timeout_s=ANSWER_TIMEOUT_S)

    def _placed(self, record: OrderRecord, order: NewOrder, answer: RestOutcome | RequestFailed) -> None:
        asset, needed = held_by(order.rule, order.side, order.amount, order.price)
        self._held[asset] -= needed
        self._flush_soon()
        ledger = self._ledger
        now_ms, now_s = self._now_ms(), self._now_s()
        if type(answer) is RestAnswer:
            try:
                updates = self._dialect.parse_placed_order(order, answer.body)
            except MalformedPayload as error:
                reason = f"the exchange's answer is not understood: {error}"
                ledger.placement_unknown(record, reason, answer.sent_ms, now_ms, now_s)
                return
            ledger.placement_answered(record)
            for update in updates:
                self._apply(update, now_s)
            if record.word is None:
                ledger.placement_unknown(record, "the exchange's answer names no state", answer.sent_ms, now_ms, now_s)
        elif type(answer) is RestRefused and answer.error.kind not in _MAY_HAVE_IT:
            ledger.placement_refused(record, str(answer.error), now_ms)
            if answer.error.kind is ErrorKind.INSUFFICIENT_BALANCE and self.has_peer(BALANCES):
                self.tell(BALANCES, RefreshBalances(reason=str(answer.error)))
        elif type(answer) is RestRefused:
            ledger.placement_unknown(record, str(answer.error), answer.sent_ms, now_ms, now_s)
        elif type(answer) is RestNotSent:
            ledger.placement_refused(record, f"not sent: {answer.reason}", now_ms)
        elif type(answer) is RestOutcomeUnknown:
            ledger.placement_unknown(record, answer.reason, answer.sent_ms, now_ms, now_s)
        elif isinstance(answer, RequestFailed) and answer.failure is RequestFailure.NOT_THERE:
            ledger.placement_refused(record, f"not sent: {answer}", now_ms)
        else:
            stamp_ms = max(now_ms, record.created_ms + round(REQUEST_TIMEOUT_S * 1000))
            ledger.placement_unknown(record, str(answer), stamp_ms, now_ms, now_s)

    # Cancelling

    @handles(CancelOrder)
    def _cancel_order(self, message: CancelOrder, sender: Any) -> None:
        record = self._ledger.find(message.client_order_id)
        if record is None or record.trading_pair != message.trading_pair:
            words = f"no order {message.client_order_id} on {message.trading_pair} of this connector is known"
            self.reply(
                sender,
                CancelResult(client_order_id=message.client_order_id, cancelled=False, state=None, message=words),
            )
        elif record.is_decided and not record.is_dirty:
            self.reply(sender, _cancel_result(record, ""))
        else:
            self._want_cancel(record, CANCEL_ANSWER_S, partial(self.reply, sender))

    @handles(CancelAllOrders)
    def _cancel_all(self, message: CancelAllOrders, sender: Any) -> None:
        records = [record for record in self._ledger.live.values() if not record.is_decided]
        if not records:
            self.reply(sender, CancelAllResult(results=()))
            return
        collector = CancelAllCollector(len(records), partial(self.reply, sender))
        for record in records:
            self._want_cancel(record, message.timeout_s, collector.add)

    def _want_cancel(self, record: OrderRecord, timeout_s: float, answer: Any) -> None:
        self._waiters.add(record.client_order_id, self._now_s() + timeout_s, answer)
        self._ledger.want_cancel(record)
        self._flush_soon()

    def _send_cancel(self, record: OrderRecord) -> None:
        rule = self._rules.get(record.trading_pair)
        if rule is None:
            self._ledger.cancel_unclear(record, self._now_s())
            self._flush_soon()
            return
        request = self._dialect.build_cancel_order(rule, record.client_order_id, record.exchange_order_id)
        self.ask(
            REST,
            ExecuteRest(request=request, timeout_s=REQUEST_TIMEOUT_S),
            partial(self._cancelled, record, rule),
            timeout_s=ANSWER_TIMEOUT_S,
        )

    def _cancelled(self, record: OrderRecord, rule: TradingRule, answer: RestOutcome | RequestFailed) -> None:
        self._flush_soon()
        ledger, now_s = self._ledger, self._now_s()
        if type(answer) is RestAnswer:
            try:
                ledger.apply_update(self._dialect.parse_cancelled_order(rule, answer.body), now_s)
            except MalformedPayload as error:
                self.log.warning("The answer to the cancel of %s: %s", record.client_order_id, error)
            ledger.cancel_unclear(record, now_s)
        elif type(answer) is RestRefused and answer.error.kind not in (
            ErrorKind.UNKNOWN_ORDER,
            ErrorKind.OUTCOME_UNKNOWN,
        ):
            ledger.cancel_refused(record, str(answer.error))
        elif type(answer) is RestNotSent:
            ledger.cancel_refused(record, f"not sent: {answer.reason}")
        else:
            ledger.cancel_unclear(record, now_s)

    # What the exchange says

    @handles(OrderUpdate)
    def _order_update(self, message: OrderUpdate, _sender: Any) -> None:
        self._ledger.apply_update(message, self._now_s())
        self._flush_soon()

    @handles(FillUpdate)
    def _fill_update(self, message: FillUpdate, _sender: Any) -> None:
        self._ledger.apply_fill(message, self._now_s())
        self._flush_soon()

    @handles(OrderNotFound)
    def _order_not_found(self, message: OrderNotFound, _sender: Any) -> None:
        self._ledger.apply_not_found(message, self._now_s())
        self._flush_soon()

    @handles(OpenOrdersSeen)
    def _open_orders_seen(self, message: OpenOrdersSeen, _sender: Any) -> None:
        now_s = self._now_s()
        for update in message.updates:
            self._ledger.apply_update(update, now_s)
        self._flush_soon()

    @handles(QuestionFailed)
    def _question_failed(self, message: QuestionFailed, _sender: Any) -> None:
        """It is asked again by itself; meanwhile nothing is known."""
        self.log.debug("%s can't be asked for: %s", message.question.client_order_id, message.reason)

    @handles(ReconcileOrders)
    def _reconcile(self, message: ReconcileOrders, _sender: Any) -> None:
        self.log.info("Reconciling %d orders: %s", len(self._ledger.live), message.reason)
        self._ledger.reconcile(self._now_s())
        self._flush_soon()

    @handles(UserStreamInterrupted)
    def _stream_interrupted(self, _message: UserStreamInterrupted, _sender: Any) -> None:
        """What happens in the hole is asked for when it ends, and by the regular poll meanwhile."""

    @handles(UserStreamResumed)
    def _stream_resumed(self, _message: UserStreamResumed, _sender: Any) -> None:
        self._ledger.reconcile(self._now_s())
        self._flush_soon()

    def _apply(self, update: OrderUpdate | FillUpdate, now_s: float) -> None:
        if type(update) is FillUpdate:
            self._ledger.apply_fill(update, now_s)
        else:
            self._ledger.apply_update(update, now_s)  # type: ignore[arg-type]  # the other of the two

    # Questions of others

    @handles(GetInFlightOrders)
    def _get_in_flight(self, _message: GetInFlightOrders, sender: Any) -> None:
        # What is shown is written first, and its events are ahead of it: who counts by both counts nothing twice.
        self._flush()
        self.reply(sender, InFlightOrders(orders=tuple(record.view() for record in self._ledger.live.values())))

    @handles(GetOrderEvents)
    def _get_events(self, message: GetOrderEvents, sender: Any) -> None:
        journal = self._journal
        assert journal is not None  # noqa: S101 - it is open while the actor lives
        after = self._first_number - 1 if message.after is None else message.after
        events = journal.events_after(after, message.limit)
        if events and events[0].number > after + 1:
            self.log.warning(
                "Order events %d to %d were asked for and are no longer kept", after + 1, events[0].number - 1
            )
        self.reply(sender, OrderEvents(events=events, last_number=journal.last_event_number))

    # The sweep: one commit, and then everything that rests on it

    def _flush_soon(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self.soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        ledger, journal = self._ledger, self._journal
        assert journal is not None  # noqa: S101 - it is open while the actor lives
        if ledger.has_changes:
            changes = ledger.take()
            if changes.records:
                self._commit(journal, changes)
            placements, self._placements = self._placements, []
            for record, rule, sender in placements:
                self._send_placement(record, rule)
                self.reply(sender, OrderAccepted(client_order_id=record.client_order_id))
            for record in changes.cancels:
                self._send_cancel(record)
            for event in changes.events:
                for address in self._subscribers:
                    self.send(address, event)
            for record, reason in changes.resolved:
                if self._waiters.waits_for(record.client_order_id):
                    self._waiters.resolve(_cancel_result(record, reason))
            self._tell_balances(changes)
            journal.compact()
        self._ask_what_is_due()
        self._tell_readiness()

    def _commit(self, journal: Journal, changes: Changes) -> None:
        try:
            journal.commit(changes)
        except sqlite3.Error as error:
            # Nothing of it was sent. This actor goes: what it holds in memory is more than what is written.
            for _record, _rule, sender in self._placements:
                self.reply(sender, OrderRefused(rule="journal", message=f"the order journal can't be written: {error}"))
            raise self._no_journal(error) from error

    def _write_owed(self, journal: Journal) -> None:
        try:
            journal.write_owed()
        except sqlite3.Error as error:
            raise self._no_journal(error) from error

    def _no_journal(self, error: Exception) -> LastingFailure:
        """Without a journal no order can be followed: what is in the way is a person's to mend."""
        journal = self._journal
        if journal is not None and not isinstance(error, JournalError):
            error = journal.unusable(error)
        return LastingFailure(str(error))

    def _tell_balances_of_all(self) -> None:
        """A new balance poller knows of no order; and an old one forgets all when this tracker is a new one."""
        if self.has_peer(BALANCES):
            for record in self._ledger.live.values():
                if record.is_unknown or self._are_balances_estimated:
                    self.tell(BALANCES, OrderActivity(order=record.view(), fill=None))

    def _tell_balances(self, changes: Changes) -> None:
        if not self.has_peer(BALANCES):
            return
        if self._are_balances_estimated:
            for record, fill in changes.fills:
                self.tell(BALANCES, OrderActivity(order=record.view(), fill=fill))
            for record in changes.records:
                self.tell(BALANCES, OrderActivity(order=record.view(), fill=None))
        else:
            for record in changes.unknown_changed:
                self.tell(BALANCES, OrderActivity(order=record.view(), fill=None))

    def _tell_readiness(self) -> None:
        ledger = self._ledger
        if not self._rules:
            self.set_readiness(Readiness.STARTING, "waits for the trading rules")
            return
        if not self._has_reconciled and ledger.reconciling_count:
            self.set_readiness(Readiness.STARTING, f"asks the exchange for {ledger.reconciling_count} orders in flight")
            return
        self._has_reconciled = True
        unknown = ledger.unknown_count
        words = f"the outcome of {unknown} {'order is' if unknown == 1 else 'orders is'} unknown" if unknown else ""
        self.set_readiness(Readiness.READY, words, "asks the exchange until it says" if unknown else "")

    # Time

    def _ask_the_silent(self) -> None:
        now_s = self._now_s()
        self._ledger.ask_the_silent(now_s - self._poll_interval_s, now_s)
        self._ask_what_is_due()

    def _ask_what_is_due(self) -> None:
        questions = self._ledger.questions
        now_s = self._now_s()
        next_s = None
        if questions and self._rules and self.has_peer(ORDER_POLLER):
            due = questions.due(now_s)
            if due:
                self.tell(ORDER_POLLER, AskExchange(questions=due))
            next_s = questions.next_s()
        if self._waiters:
            deadline_s = self._waiters.next_s()
            if deadline_s is not None and (next_s is None or deadline_s < next_s):
                next_s = deadline_s
        if next_s is not None and (self._tick is None or next_s < self._tick_s):
            if self._tick is not None:
                self._tick.cancel()
            self._tick_s = next_s
            self._tick = self.after(max(SHORTEST_WAIT_S, next_s - now_s), self._tick_fired)

    def _tick_fired(self) -> None:
        self._tick = None
        for client_order_id, answer in self._waiters.overdue(self._now_s()):
            record = self._ledger.find(client_order_id)
            words = "the exchange has not said yet what became of the cancel; it is being asked"
            if record is None:
                answer(CancelResult(client_order_id=client_order_id, cancelled=False, state=None, message=words))
            else:
                answer(_cancel_result(record, words))
        self._ask_what_is_due()

    def _checkpoint(self) -> None:
        journal = self._journal
        if journal is not None:
            self._write_owed(journal)
        if journal is not None and not self._is_checkpointing and journal.wants_checkpoint:
            self._is_checkpointing = True
            self.run(asyncio.to_thread(journal.checkpoint), self._checkpointed, self._checkpoint_failed)

    def _checkpointed(self, _result: None) -> None:
        self._is_checkpointing = False

    def _checkpoint_failed(self, error: BaseException) -> None:
        self._is_checkpointing = False
        self.log.warning("The journal's log could not be moved into its database, next try follows: %s", error)

    def _now_s(self) -> float:
        return self.clock.monotonic_ns() / 1e9

    def _now_ms(self) -> int:
        return round(self.clock.wall_ms() + self._offset_ms)


def _first_number_of_run(journal: Journal, run_id: str) -> int:
    """The number of the first event that this run of the program has made, or will make."""
    told_id, _, told_number = (journal.meta("run") or "").rpartition(" ")
    if told_number and told_id == run_id:
        return int(told_number)
    number = journal.last_event_number + 1
    journal.set_meta("run", f"{run_id} {number}")
    return number


def _cancel_result(record: OrderRecord, reason: str) -> CancelResult:
    state = record.state
    if not reason and state is not OrderState.CANCELED:
        reason = record.reason or f"the order is {state.value}"
    return CancelResult(
        client_order_id=record.client_order_id,
        cancelled=state is OrderState.CANCELED,
        state=state,
        message=reason,
    )
