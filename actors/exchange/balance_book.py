"""Balances where the exchange tells them as they change: its newest word on each asset counts. Pure.

Three sources meet here. The user stream says absolute values with the time of the change; a REST snapshot says all of
them, as of some moment after it was asked for; and our own orders that the exchange has not confirmed yet will hold
something as soon as it has them. All times are the exchange's, in ms since the epoch.
"""

from dataclasses import dataclass
from decimal import Decimal

from openoutcry.actors.exchange.order_hold import Hold, hold_of
from openoutcry.messages.account import Balance, Balances, BalanceSnapshot, BalanceUpdate
from openoutcry.messages.orders import InFlightOrder, OrderActivity, OrderState
from openoutcry.messages.trading_rules import TradingRule

_ZERO = Decimal(0)
_NOT_CONFIRMED = frozenset({OrderState.PENDING_CREATE, OrderState.UNKNOWN})

CLOCK_MARGIN_MS = 50
"""When a question left is known by our estimate of the exchange's clock, and that may be late by as much: a change that
the stream told of within this time before it is not overwritten by the snapshot."""


@dataclass(slots=True)
class _Word:
    """The exchange's word on an asset."""

    total: Decimal
    available: Decimal
    as_of_ms: int


@dataclass(slots=True)
class _Unconfirmed:
    """What an order holds until the exchange's word on that asset contains it."""

    hold: Hold
    confirmed_ms: int | None
    """When the exchange confirmed the order; None while it has not."""


class BalanceBook:
    """All balances, from the user stream and REST."""

    is_estimated = False

    def __init__(self) -> None:
        self._words: dict[str, _Word] = {}
        self._snapshot_ms = -1
        self._unconfirmed: dict[str, _Unconfirmed] = {}
        self._rules: dict[str, TradingRule] = {}

    @property
    def is_known(self) -> bool:
        """Whether there was a snapshot."""
        return self._snapshot_ms >= 0

    def set_rules(self, rules: dict[str, TradingRule]) -> None:
        """Learn which assets the pairs trade."""
        self._rules = rules

    def apply_snapshot(self, snapshot: BalanceSnapshot, received_ms: int) -> bool:
        """Take all balances by REST; True: it could be taken. An older snapshot than the last changes nothing."""
        if snapshot.asked_ms < self._snapshot_ms:
            return True
        self._snapshot_ms = snapshot.asked_ms
        as_of_ms = snapshot.asked_ms - CLOCK_MARGIN_MS
        told = {balance.asset: balance for balance in snapshot.balances}
        for asset in {*told, *self._words}:
            word = self._words.get(asset)
            if word is not None and word.as_of_ms > as_of_ms:
                continue
            balance = told.get(asset)
            if balance is None:
                self._words.pop(asset, None)
            else:
                self._words[asset] = _Word(balance.total, balance.available, as_of_ms)
        self._settle_unconfirmed()
        return True

    def apply_update(self, update: BalanceUpdate) -> None:
        """Take the stream's word on some assets, unless there is a newer one."""
        for balance in update.balances:
            word = self._words.get(balance.asset)
            newest_ms = word.as_of_ms if word is not None else self._snapshot_ms - CLOCK_MARGIN_MS
            if update.updated_ms >= newest_ms:
                self._words[balance.asset] = _Word(balance.total, balance.available, update.updated_ms)
        self._settle_unconfirmed()

    def apply_activity(self, activity: OrderActivity) -> bool:
        """Hold what an unconfirmed order needs; True: a snapshot is needed to let it go again.

        When a confirmed order was UNKNOWN before, the stream's word on the balance is as a rule lost with its events.
        """
        order = activity.order
        if order.state is OrderState.FAILED:
            self._unconfirmed.pop(order.client_order_id, None)
        elif order.state in _NOT_CONFIRMED:
            self._hold(order)
        elif (unconfirmed := self._unconfirmed.get(order.client_order_id)) is not None:
            unconfirmed.confirmed_ms = order.updated_ms
            self._settle_unconfirmed()
            return order.client_order_id in self._unconfirmed
        return False

    def forget_orders(self) -> None:
        """Let go of all orders: whoever told of them is gone, and its successor tells anew."""
        self._unconfirmed.clear()

    def balances(self) -> Balances:
        """All that are not zero, by asset."""
        held: dict[str, Decimal] = {}
        for unconfirmed in self._unconfirmed.values():
            hold = unconfirmed.hold
            held[hold.asset] = held.get(hold.asset, _ZERO) + hold.amount
        balances = []
        for asset in sorted(self._words):
            word = self._words[asset]
            if word.total or word.available:
                available = max(_ZERO, word.available - held.get(asset, _ZERO))
                balances.append(Balance(asset=asset, total=word.total, available=available))
        return Balances(balances=tuple(balances), is_estimated=bool(held))

    def _hold(self, order: InFlightOrder) -> None:
        hold = hold_of(order, self._rules)
        if hold is not None:
            self._unconfirmed[order.client_order_id] = _Unconfirmed(hold, None)

    def _settle_unconfirmed(self) -> None:
        """Let go of the orders that the exchange's word contains by now."""
        for client_order_id, unconfirmed in list(self._unconfirmed.items()):
            if unconfirmed.confirmed_ms is None:
                continue
            word = self._words.get(unconfirmed.hold.asset)
            as_of_ms = word.as_of_ms if word is not None else self._snapshot_ms
            if as_of_ms >= unconfirmed.confirmed_ms:
                del self._unconfirmed[client_order_id]
