"""The ledger of in-flight orders: a pure state machine. Time is an argument, and what is to be done is an output.

What keeps it true, whatever comes late, twice or not at all:

1. Facts only grow. The exchange's word has a rank (OPEN < PARTIALLY_FILLED < an end), and amounts executed never
   shrink; a message that says less than is known already changes nothing.
2. A fill counts once: its trade id is remembered as long as its order is. (Trade ids are kept by order, as the two
   orders of a trade with oneself share one.)
3. Only the exchange ends an order. A request whose outcome is not known makes it UNKNOWN, and then the exchange is
   asked until it says. "No such order" counts only if it was asked so late that the request can't be accepted any
   more, and if no word of that order ever came.
4. An order's last event comes when its fills add up to what the exchange says was executed; until then fills are
   asked for. A fill that comes even later is still counted and told.
5. Each step is O(1): ended orders leave after a bounded retention.

Events are made with their numbers here; whoever drives the ledger journals a batch of changes before it lets anything
of it out (`take`).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from decimal import Decimal

from openoutcry.actors.order_tracker import order_events
from openoutcry.actors.order_tracker.changes import Changes
from openoutcry.actors.order_tracker.order_record import CancelPhase, OrderRecord
from openoutcry.actors.order_tracker.questions import Questions
from openoutcry.messages.orders import (
    FillUpdate,
    OrderNotFound,
    OrderState,
    OrderUpdate,
)

_RANK = {
    None: 0,
    OrderState.OPEN: 1,
    OrderState.PARTIALLY_FILLED: 2,
    OrderState.FILLED: 3,
    OrderState.CANCELED: 3,
    OrderState.FAILED: 3,
}
_FINAL_RANK = 3
_FILLS_GRACE_S = 0.2
"""The user stream's fill may be on its way when a faster answer has told the state already."""
_MAX_CANCEL_ATTEMPTS = 5
_MAX_ORPHANS = 256
"""Orders whose messages are kept until their exchange order id is known to be ours."""
_MAX_ORPHAN_MESSAGES = 64
_MAX_FOREIGN = 1000


class OrderLedger:
    """In-flight orders, and for a while those that have ended."""

    def __init__(
        self,
        *,
        next_event_number: int,
        delay_s: Callable[[int], float],
        not_found_grace_ms: int,
        finished_kept: int = 1000,
    ) -> None:
        """`delay_s` gives the wait before an order is asked for again, by the number of times it was asked for."""
        self.live: dict[str, OrderRecord] = {}
        self.next_event_number = next_event_number
        self.unknown_count = 0
        self.reconciling_count = 0
        self.foreign_count = 0
        self.contradictions = 0
        self.questions = Questions(delay_s)
        self._finished: OrderedDict[str, OrderRecord] = OrderedDict()
        self._finished_kept = finished_kept
        self._by_exchange_id: dict[tuple[str, str], OrderRecord] = {}
        self._orphans: OrderedDict[tuple[str, str], list[OrderUpdate | FillUpdate]] = OrderedDict()
        self._foreign: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._not_found_grace_ms = not_found_grace_ms
        self._changes = Changes()

    # Looking

    def find(self, client_order_id: str) -> OrderRecord | None:
        """An order that is in flight or ended not long ago."""
        return self.live.get(client_order_id) or self._finished.get(client_order_id)

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to `take`."""
        return bool(self._changes)

    def take(self) -> Changes:
        """What has changed and is to be journaled and let out, since this was last called."""
        changes = self._changes
        self._changes = Changes()
        for record in changes.records:
            record.is_dirty = False
        return changes

    # Orders of ours

    def add(self, record: OrderRecord) -> None:
        """A new order, whose request leaves once it is journaled."""
        self.live[record.client_order_id] = record
        self._touch(record)

    def restore(self, records: Iterable[OrderRecord], now_s: float, now_ms: int, longest_request_ms: int) -> None:
        """Orders from the journal. Those whose answer was not journaled may or may not have reached the exchange.

        `longest_request_ms` is how long after an order was made its request may still have been stamped.
        """
        for record in records:
            record.is_new = record.is_requesting = False
            if record.exchange_order_id is not None:
                self._by_exchange_id[record.trading_pair, record.exchange_order_id] = record
            if record.is_finished:
                self._keep_finished(record)
                continue
            self.live[record.client_order_id] = record
            if record.cancel is not CancelPhase.NONE:
                record.cancel = CancelPhase.WANTED if record.word is None else CancelPhase.CONFIRMING
            if record.is_unknown:
                self.unknown_count += 1
            elif record.word is None:
                record.stamp_ms = max(now_ms, record.created_ms + longest_request_ms)
                self._become_unknown(record, "restarted before the exchange's answer was journaled", now_ms)
        self.reconcile(now_s)

    def placement_refused(self, record: OrderRecord, reason: str, now_ms: int) -> None:
        """The exchange refused the order, or the request certainly never left."""
        record.is_requesting = False
        if record.word is not None:
            # The exchange told of the order all the same. Its state decides, not this.
            self.contradictions += 1
            self.questions.ask(record, 0.0, state=True)
            return
        record.word = OrderState.FAILED
        record.reason = reason
        record.updated_ms = now_ms
        self._settle(record, 0.0)

    def placement_unknown(self, record: OrderRecord, reason: str, stamp_ms: int, now_ms: int, now_s: float) -> None:
        """The request left, and whether it had an effect is not known. `stamp_ms` is the latest stamp it may carry."""
        record.is_requesting = False
        if record.word is not None:
            return
        record.stamp_ms = stamp_ms
        self._become_unknown(record, reason, now_ms)
        self.questions.ask(record, now_s, state=True)

    def placement_answered(self, record: OrderRecord) -> None:
        """The answer to the placement is there; what it says is applied as updates."""
        record.is_requesting = False

    # What the exchange says

    def apply_update(self, update: OrderUpdate, now_s: float) -> None:
        """The exchange's word on a state, from wherever and however late."""
        record = self._locate(update)
        if record is None:
            return
        self._heard(record, now_s)
        if record.exchange_order_id is None and update.exchange_order_id:
            self._learn_exchange_id(record, update.exchange_order_id, now_s)
        word = update.state
        executed = update.executed_amount_base
        if word not in _RANK or word is OrderState.OPEN:
            word = OrderState.PARTIALLY_FILLED if executed else OrderState.OPEN
        known = record.word
        rank, known_rank = _RANK[word], _RANK[known]
        if executed > record.reported_base:
            record.reported_base = executed
            record.reported_quote = update.executed_amount_quote
            self._touch(record)
        elif rank <= known_rank:
            if rank == known_rank == _FINAL_RANK and word is not known:
                self.contradictions += 1
            self._confirm(record, now_s)
            return
        if known_rank == _FINAL_RANK:
            if word.is_final and word is not known:
                self.contradictions += 1
            self._settle(record, now_s)
            return
        if rank > known_rank:
            record.word = word
        self._touch(record)
        record.updated_ms = max(record.updated_ms, update.updated_ms)
        self._end_unknown(record)
        if word is not OrderState.FAILED:
            self._create(record, update.updated_ms)
        if rank == _FINAL_RANK:
            record.reason = update.reason or record.reason
            self._settle(record, now_s)
        else:
            self._confirm(record, now_s)

    def apply_fill(self, fill: FillUpdate, now_s: float) -> None:
        """An execution, from wherever and however often it is told."""
        record = self._locate(fill)
        if record is None:
            return
        if record.exchange_order_id is None and fill.exchange_order_id:
            self._learn_exchange_id(record, fill.exchange_order_id, now_s)
        trade_ids = record.trade_ids
        if trade_ids is None:
            trade_ids = record.trade_ids = set()
        elif fill.trade_id in trade_ids:
            return
        trade_ids.add(fill.trade_id)
        self._heard(record, now_s)
        self._touch(record)
        record.filled_base += fill.amount
        record.filled_quote += fill.quote_amount
        if fill.fee_asset:
            record.fees[fill.fee_asset] = record.fees.get(fill.fee_asset, Decimal(0)) + fill.fee_amount
        record.updated_ms = max(record.updated_ms, fill.traded_ms)
        if _RANK[record.word] < _RANK[OrderState.PARTIALLY_FILLED]:
            record.word = OrderState.PARTIALLY_FILLED
        self._end_unknown(record)
        self._create(record, fill.traded_ms)
        changes = self._changes
        changes.fills.append((record, fill))
        changes.events.append(order_events.filled(record, self._number(), fill))
        if record.is_decided:
            self._settle(record, now_s)
        else:
            if record.filled_base >= record.amount:
                # The word that it is filled follows as a rule; if it was lost it is asked for.
                self.questions.ask(record, now_s + 1.0, state=True)
            self._confirm(record, now_s)

    def apply_not_found(self, answer: OrderNotFound, now_s: float) -> None:
        """The exchange was asked and knows no such order: final if asked late enough, and if it never spoke of it."""
        record = self.live.get(answer.client_order_id)
        if record is None or record.is_decided or record.is_requesting:
            return
        self._heard(record, now_s)
        if record.word is not None:
            # It did know the order. Another answer, or an archive: asked again, later and later.
            self.contradictions += 1
            return
        final_ms = record.stamp_ms + self._not_found_grace_ms
        if answer.asked_ms <= final_ms:
            self.questions.ask(record, now_s + (final_ms - answer.asked_ms + 100) / 1000, state=True)
            return
        record.word = OrderState.FAILED
        record.reason = f"the exchange never had it: {record.reason}" if record.reason else "the exchange never had it"
        record.updated_ms = answer.asked_ms
        self._touch(record)
        self._end_unknown(record)
        self._settle(record, now_s)

    # Cancels

    def want_cancel(self, record: OrderRecord) -> None:
        """Cancel an order as soon as its creation is known. Repeating it does nothing."""
        if record.is_decided or record.cancel is not CancelPhase.NONE:
            return
        record.cancel_attempts = 0
        record.cancel = CancelPhase.WANTED
        self._touch(record)
        if record.word is not None:
            self._send_cancel(record)

    def cancel_refused(self, record: OrderRecord, reason: str) -> None:
        """The cancel had no effect, and the order stays."""
        if not record.is_decided and record.cancel is not CancelPhase.NONE:
            record.cancel = CancelPhase.NONE
            self._touch(record)
            self._changes.resolved.append((record, reason))

    def cancel_unclear(self, record: OrderRecord, now_s: float) -> None:
        """The cancel's outcome does not say what became of the order: its state is asked for."""
        if not record.is_decided and record.cancel is not CancelPhase.NONE:
            record.cancel = CancelPhase.CONFIRMING
            self._touch(record)
            self.questions.ask(record, now_s, state=True)

    # Asking

    def reconcile(self, now_s: float) -> None:
        """Something may have been missed: ask for everything in flight."""
        for record in self.live.values():
            if record.is_requesting:
                # Its own answer is still to come.
                continue
            if not record.is_reconciling:
                record.is_reconciling = True
                self.reconciling_count += 1
            self.questions.ask(record, now_s, state=not record.is_decided, fills=record.is_decided)

    def ask_the_silent(self, silent_since_s: float, now_s: float) -> None:
        """Ask for the orders of which no word has come since a moment."""
        for record in self.live.values():
            if record.last_word_s < silent_since_s and not record.is_requesting and not record.is_decided:
                self.questions.ask(record, now_s, state=True)

    # The inside

    def _locate(self, message: OrderUpdate | FillUpdate) -> OrderRecord | None:
        client_order_id = message.client_order_id
        if client_order_id:
            record = self.live.get(client_order_id) or self._finished.get(client_order_id)
            if record is None:
                self._count_foreign(message.trading_pair, client_order_id)
            return record
        key = (message.trading_pair, message.exchange_order_id)
        record = self._by_exchange_id.get(key)
        if record is None:
            # It may be of an order whose exchange order id is still to be told.
            kept = self._orphans.setdefault(key, [])
            if len(kept) < _MAX_ORPHAN_MESSAGES:
                kept.append(message)
            if len(self._orphans) > _MAX_ORPHANS:
                (pair, exchange_order_id), _ = self._orphans.popitem(last=False)
                self._count_foreign(pair, exchange_order_id)
        return record

    def _count_foreign(self, trading_pair: str, order_id: str) -> None:
        key = (trading_pair, order_id)
        if key not in self._foreign:
            self.foreign_count += 1
            self._foreign[key] = None
            if len(self._foreign) > _MAX_FOREIGN:
                self._foreign.popitem(last=False)

    def _learn_exchange_id(self, record: OrderRecord, exchange_order_id: str, now_s: float) -> None:
        record.exchange_order_id = exchange_order_id
        key = (record.trading_pair, exchange_order_id)
        self._by_exchange_id[key] = record
        self._touch(record)
        if self._orphans and key in self._orphans:
            for message in self._orphans.pop(key):
                if isinstance(message, FillUpdate):
                    self.apply_fill(message, now_s)
                else:
                    self.apply_update(message, now_s)

    def _heard(self, record: OrderRecord, now_s: float) -> None:
        record.last_word_s = now_s
        if record.is_reconciling:
            record.is_reconciling = False
            self.reconciling_count -= 1
            self._changes.is_status = True

    def _confirm(self, record: OrderRecord, now_s: float) -> None:
        """The order is known to live on: what was asked is answered, and a cancel may go on."""
        if record.is_unknown:
            self._end_unknown(record)
        if record.ask_state and not record.is_decided and record.filled_base < record.amount:
            asked = record.ask_attempts > 0
            # What came unasked may be older than the cancel: whether that had an effect is still to be asked for.
            if asked or record.cancel is not CancelPhase.CONFIRMING:
                self.questions.answered_state(record)
        else:
            asked = False
        if record.reported_base > record.filled_base:
            self.questions.ask(record, now_s + _FILLS_GRACE_S, fills=True)
        elif record.ask_fills:
            self.questions.answered_fills(record)
        if record.cancel is CancelPhase.WANTED or (record.cancel is CancelPhase.CONFIRMING and asked):
            self._send_cancel(record)

    def _send_cancel(self, record: OrderRecord) -> None:
        if record.is_decided:
            return
        if record.cancel_attempts >= _MAX_CANCEL_ATTEMPTS:
            self.cancel_refused(record, "the exchange does not cancel it, and says that it is open")
            return
        record.cancel_attempts += 1
        record.cancel = CancelPhase.SENT
        self._touch(record)
        self._changes.cancels.append(record)

    def _become_unknown(self, record: OrderRecord, reason: str, now_ms: int) -> None:
        record.is_unknown = True
        record.reason = reason
        record.updated_ms = now_ms
        self.unknown_count += 1
        self._touch(record)
        self._changes.is_status = True
        self._changes.unknown_changed.append(record)
        self._changes.events.append(order_events.outcome_unknown(record, self._number(), now_ms, reason))

    def _end_unknown(self, record: OrderRecord) -> None:
        if record.is_unknown:
            record.is_unknown = False
            if not record.is_decided:
                record.reason = ""
            self.unknown_count -= 1
            self._touch(record)
            self._changes.is_status = True
            self._changes.unknown_changed.append(record)

    def _create(self, record: OrderRecord, time_ms: int) -> None:
        if record.is_created or record.is_finished:
            return
        record.is_created = True
        self._changes.events.append(order_events.created(record, self._number(), time_ms))

    def _settle(self, record: OrderRecord, now_s: float) -> None:
        """The last word is said: end the order, or ask for the fills that are missing."""
        self._touch(record)
        self.questions.answered_state(record)
        if record.cancel is not CancelPhase.NONE:
            record.cancel = CancelPhase.NONE
        self._changes.resolved.append((record, ""))
        if record.filled_base < record.target_base:
            self.questions.ask(record, now_s + _FILLS_GRACE_S, fills=True)
            return
        self.questions.drop(record)
        if not record.is_finished:
            self._finish(record)

    def _finish(self, record: OrderRecord) -> None:
        record.is_finished = True
        if record.is_reconciling:
            record.is_reconciling = False
            self.reconciling_count -= 1
            self._changes.is_status = True
        self._changes.events.append(order_events.ended(record, self._number()))
        del self.live[record.client_order_id]
        self._keep_finished(record)

    def _keep_finished(self, record: OrderRecord) -> None:
        self._finished[record.client_order_id] = record
        if len(self._finished) > self._finished_kept:
            _, oldest = self._finished.popitem(last=False)
            self.questions.drop(oldest)
            if oldest.exchange_order_id is not None:
                self._by_exchange_id.pop((oldest.trading_pair, oldest.exchange_order_id), None)

    def _touch(self, record: OrderRecord) -> None:
        if not record.is_dirty:
            record.is_dirty = True
            self._changes.records.append(record)

    def _number(self) -> int:
        number = self.next_event_number
        self.next_event_number = number + 1
        return number
