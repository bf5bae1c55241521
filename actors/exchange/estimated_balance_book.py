"""Balances where the exchange tells them only when asked: the last answer and our own activity since. Pure.

total = total of the last snapshot + what the fills since have brought, paid and cost in fees
available = total − what the orders in flight hold

A snapshot shows the account at some moment between question and answer. A fill in just that time may be in it or not:
such a snapshot is not taken, and asked for again. All times are the exchange's, in ms since the epoch. Holds of
orders that are not ours are not known here: the available balance is then too high by them.
"""

from decimal import Decimal

from openoutcry.actors.exchange.order_hold import assets_of, hold_of
from openoutcry.messages.account import Balance, Balances, BalanceSnapshot, BalanceUpdate
from openoutcry.messages.orders import FillUpdate, InFlightOrder, OrderActivity, TradeSide
from openoutcry.messages.trading_rules import TradingRule

_ZERO = Decimal(0)
AMBIGUOUS_SNAPSHOTS_IN_A_ROW = 5
"""After so many the newest is taken all the same: an account that trades all the time would never be asked again."""


class EstimatedBalanceBook:
    """All balances, from REST and the activity of our orders."""

    is_estimated = True

    def __init__(self) -> None:
        self._totals: dict[str, Decimal] = {}
        self._asked_ms = -1
        self._received_ms = -1
        self._fills: dict[tuple[str, str], tuple[FillUpdate, TradeSide]] = {}
        self._orders: dict[str, InFlightOrder] = {}
        self._rules: dict[str, TradingRule] = {}
        self._ambiguous_in_a_row = 0

    @property
    def is_known(self) -> bool:
        """Whether there was a snapshot."""
        return self._asked_ms >= 0

    def set_rules(self, rules: dict[str, TradingRule]) -> None:
        """Learn which assets the pairs trade."""
        self._rules = rules

    def apply_snapshot(self, snapshot: BalanceSnapshot, received_ms: int) -> bool:
        """Take all balances by REST. False: a fill lies between question and answer; ask again.

        Args:
            snapshot: with the time at which the question was sent.
            received_ms: exchange time at which the answer had come.
        """
        if snapshot.asked_ms < self._asked_ms:
            return True
        is_ambiguous = self._has_fill_between(snapshot.asked_ms, received_ms)
        if is_ambiguous and self._ambiguous_in_a_row < AMBIGUOUS_SNAPSHOTS_IN_A_ROW:
            self._ambiguous_in_a_row += 1
            return False
        self._ambiguous_in_a_row = 0
        self._asked_ms, self._received_ms = snapshot.asked_ms, received_ms
        self._totals = {balance.asset: balance.total for balance in snapshot.balances}
        self._fills = {key: kept for key, kept in self._fills.items() if kept[0].traded_ms > snapshot.asked_ms}
        return not is_ambiguous

    def apply_update(self, update: BalanceUpdate) -> None:
        """Nothing: where balances are estimated the stream's word on them is not relied on."""

    def apply_activity(self, activity: OrderActivity) -> bool:
        """Take an order's state and, if any, its fill. True: the last snapshot has become ambiguous; ask again."""
        order, fill = activity.order, activity.fill
        if order.state.is_final:
            self._orders.pop(order.client_order_id, None)
        else:
            self._orders[order.client_order_id] = order
        if fill is None or fill.traded_ms <= self._asked_ms:
            return False
        self._fills[fill.trading_pair, fill.trade_id] = (fill, order.side)
        return fill.traded_ms <= self._received_ms

    def forget_orders(self) -> None:
        """Let go of all orders: whoever told of them is gone, and its successor tells anew."""
        self._orders.clear()

    def balances(self) -> Balances:
        """All that are not zero, by asset."""
        totals = dict(self._totals)
        for fill, side in self._fills.values():
            self._add(totals, fill, side)
        held: dict[str, Decimal] = {}
        for order in self._orders.values():
            hold = hold_of(order, self._rules)
            if hold is not None:
                held[hold.asset] = held.get(hold.asset, _ZERO) + hold.amount
        balances = tuple(
            Balance(asset=asset, total=total, available=max(_ZERO, total - held.get(asset, _ZERO)))
            for asset, total in sorted(totals.items())
            if total
        )
        return Balances(balances=balances, is_estimated=bool(self._fills or self._orders))

    def _add(self, totals: dict[str, Decimal], fill: FillUpdate, side: TradeSide) -> None:
        base, quote = assets_of(fill.trading_pair, self._rules)
        sign = 1 if side is TradeSide.BUY else -1
        totals[base] = totals.get(base, _ZERO) + sign * fill.amount
        totals[quote] = totals.get(quote, _ZERO) - sign * fill.quote_amount
        if fill.fee_asset:
            totals[fill.fee_asset] = totals.get(fill.fee_asset, _ZERO) - fill.fee_amount

    def _has_fill_between(self, asked_ms: int, received_ms: int) -> bool:
        return any(asked_ms < fill.traded_ms <= received_ms for fill, _side in self._fills.values())
