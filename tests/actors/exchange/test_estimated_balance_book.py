"""Balances that are estimated between two words of the exchange, against an exchange that keeps its books by hand."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.actors.exchange.estimated_balance_book import AMBIGUOUS_SNAPSHOTS_IN_A_ROW, EstimatedBalanceBook
from openoutcry.messages.account import Balance, BalanceSnapshot
from openoutcry.messages.orders import (
    FillUpdate,
    InFlightOrder,
    OrderActivity,
    OrderState,
    OrderType,
    TimeInForce,
    TradeSide,
)

ZERO = Decimal(0)
START = {"BTC": Decimal(100), "USDT": Decimal(100_000), "BNB": Decimal(50)}


@dataclass
class NaiveExchange:
    """An account whose every movement is written down with its time."""

    movements: list[tuple[int, str, Decimal]] = field(default_factory=list)
    orders: dict[str, InFlightOrder] = field(default_factory=dict)
    trades: int = 0

    def totals_at(self, at_ms: int) -> dict[str, Decimal]:
        totals = dict(START)
        for moved_ms, asset, amount in self.movements:
            if moved_ms <= at_ms:
                totals[asset] = totals.get(asset, ZERO) + amount
        return totals

    def balances(self, at_ms: int) -> tuple[Balance, ...]:
        held: dict[str, Decimal] = {}
        for order in self.orders.values():
            if not order.state.is_final:
                asset = "USDT" if order.side is TradeSide.BUY else "BTC"
                price = order.price or ZERO
                amount = order.remaining_amount * (price if order.side is TradeSide.BUY else 1)
                held[asset] = held.get(asset, ZERO) + amount
        return tuple(
            Balance(asset=asset, total=total, available=max(ZERO, total - held.get(asset, ZERO)))
            for asset, total in sorted(self.totals_at(at_ms).items())
            if total
        )

    def snapshot(self, asked_ms: int, taken_ms: int) -> BalanceSnapshot:
        balances = (
            Balance(asset=asset, total=total, available=total) for asset, total in self.totals_at(taken_ms).items()
        )
        return BalanceSnapshot(balances=tuple(balances), asked_ms=asked_ms)

    def place(self, side: TradeSide, price: int, amount: int) -> OrderActivity:
        order = InFlightOrder(
            client_order_id=f"order-{len(self.orders)}",
            exchange_order_id=None,
            trading_pair="BTC-USDT",
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price=Decimal(price),
            amount=Decimal(amount),
            state=OrderState.OPEN,
            executed_amount_base=ZERO,
            executed_amount_quote=ZERO,
            fees=(),
            created_ms=0,
            updated_ms=0,
        )
        self.orders[order.client_order_id] = order
        return OrderActivity(order=order, fill=None)

    def fill(self, order: InFlightOrder, at_ms: int, share: int, fee_asset: str) -> OrderActivity:
        amount = min(order.remaining_amount, Decimal(share))
        quote = amount * (order.price or ZERO)
        sign = 1 if order.side is TradeSide.BUY else -1
        fee = Decimal("0.25")
        self.trades += 1
        self.movements += [(at_ms, "BTC", sign * amount), (at_ms, "USDT", -sign * quote), (at_ms, fee_asset, -fee)]
        fill = FillUpdate(
            trading_pair="BTC-USDT",
            client_order_id=order.client_order_id,
            exchange_order_id="1",
            trade_id=str(self.trades),
            price=order.price or ZERO,
            amount=amount,
            quote_amount=quote,
            fee_asset=fee_asset,
            fee_amount=fee,
            is_maker=True,
            traded_ms=at_ms,
        )
        executed = order.executed_amount_base + amount
        state = OrderState.FILLED if executed == order.amount else OrderState.PARTIALLY_FILLED
        changed = replace(order, executed_amount_base=executed, state=state)
        self.orders[order.client_order_id] = changed
        return OrderActivity(order=changed, fill=fill)

    def cancel(self, order: InFlightOrder) -> OrderActivity:
        changed = replace(order, state=OrderState.CANCELED)
        self.orders[order.client_order_id] = changed
        return OrderActivity(order=changed, fill=None)


def test_a_fill_since_the_snapshot_moves_both_assets_and_the_fee() -> None:
    exchange, book = NaiveExchange(), EstimatedBalanceBook()
    assert book.apply_snapshot(exchange.snapshot(1_000, 1_000), 1_000)
    placed = exchange.place(TradeSide.BUY, 10, 4)
    book.apply_activity(placed)
    book.apply_activity(exchange.fill(placed.order, 1_500, 3, "BNB"))
    by_asset = {one.asset: one for one in book.balances().balances}
    assert by_asset["BTC"].total == 103
    assert by_asset["USDT"].total == 99_970
    assert by_asset["USDT"].available == 99_960
    assert by_asset["BNB"].total == Decimal("49.75")
    assert book.balances().is_estimated


def test_a_fill_that_is_told_twice_counts_once() -> None:
    exchange, book = NaiveExchange(), EstimatedBalanceBook()
    book.apply_snapshot(exchange.snapshot(1_000, 1_000), 1_000)
    told = exchange.fill(exchange.place(TradeSide.SELL, 10, 4).order, 1_500, 3, "USDT")
    book.apply_activity(told)
    book.apply_activity(told)
    assert book.balances().balances == exchange.balances(2_000)


def test_a_fill_that_the_snapshot_contains_does_not_count_again_however_late_it_is_told() -> None:
    exchange, book = NaiveExchange(), EstimatedBalanceBook()
    told = exchange.fill(exchange.place(TradeSide.SELL, 10, 4).order, 1_000, 3, "USDT")
    book.apply_snapshot(exchange.snapshot(1_000, 1_000), 1_000)
    assert not book.apply_activity(told)
    assert book.balances().balances == exchange.balances(2_000)


def test_a_snapshot_with_a_fill_between_question_and_answer_is_asked_for_again() -> None:
    exchange, book = NaiveExchange(), EstimatedBalanceBook()
    book.apply_snapshot(exchange.snapshot(1_000, 1_000), 1_000)
    book.apply_activity(exchange.fill(exchange.place(TradeSide.SELL, 10, 4).order, 1_500, 4, "USDT"))
    assert not book.apply_snapshot(exchange.snapshot(1_400, 1_600), 1_700)
    assert book.balances().balances == exchange.balances(2_000)
    assert book.apply_snapshot(exchange.snapshot(1_800, 1_800), 1_900)
    assert book.balances().balances == exchange.balances(2_000)


def test_an_account_that_never_rests_is_not_asked_for_ever() -> None:
    exchange, book = NaiveExchange(), EstimatedBalanceBook()
    book.apply_activity(exchange.fill(exchange.place(TradeSide.SELL, 10, 4).order, 1_500, 4, "USDT"))
    for _ in range(AMBIGUOUS_SNAPSHOTS_IN_A_ROW):
        assert not book.apply_snapshot(exchange.snapshot(1_400, 1_400), 1_700)
        assert not book.is_known
    book.apply_snapshot(exchange.snapshot(1_400, 1_400), 1_700)
    assert book.is_known


steps = st.lists(
    st.tuples(
        st.integers(1, 60),  # ms since the step before
        st.sampled_from(["buy", "sell", "fill", "fill", "fill", "cancel", "snapshot", "snapshot"]),
        st.integers(1, 9),
        st.integers(0, 120),  # until it is told, or until the snapshot is taken
        st.integers(0, 120),  # from the taking of the snapshot to its answer
        st.sampled_from(["BTC", "USDT", "BNB"]),
    ),
    max_size=40,
)


@settings(max_examples=250, deadline=None)
@given(steps)
def test_the_estimate_is_the_account_once_everything_is_told(plan: list[tuple[int, str, int, int, int, str]]) -> None:
    exchange, book = NaiveExchange(), EstimatedBalanceBook()
    book.apply_snapshot(exchange.snapshot(0, 0), 0)
    now_ms, told_ms, answered_ms = 0, 0, 0
    inbox: list[tuple[int, int, OrderActivity | tuple[int, int]]] = []
    for number, (pause_ms, what, amount, delay_ms, answer_ms, fee_asset) in enumerate(plan):
        now_ms += pause_ms
        open_orders = [order for order in exchange.orders.values() if not order.state.is_final]
        activity = None
        if what in ("buy", "sell"):
            activity = exchange.place(TradeSide[what.upper()], 10 + amount, amount)
        elif what == "fill" and open_orders:
            activity = exchange.fill(open_orders[amount % len(open_orders)], now_ms, amount, fee_asset)
        elif what == "cancel" and open_orders:
            activity = exchange.cancel(open_orders[amount % len(open_orders)])
        elif what == "snapshot" and now_ms > answered_ms:
            # One question at a time: the next is asked when the last is answered.
            answered_ms = now_ms + delay_ms + answer_ms
            inbox.append((now_ms + delay_ms + answer_ms, number, (now_ms, now_ms + delay_ms)))
        if activity is not None:
            # The tracker tells in the order in which it heard, late as it may be.
            told_ms = max(told_ms, now_ms + delay_ms)
            inbox.append((told_ms, number, activity))
    must_ask_again = False
    for at_ms, _, message in sorted(inbox, key=lambda one: one[:2]):
        if isinstance(message, OrderActivity):
            must_ask_again |= book.apply_activity(message)
        else:
            asked_ms, taken_ms = message
            must_ask_again = not book.apply_snapshot(exchange.snapshot(asked_ms, taken_ms), at_ms)
    if must_ask_again:
        assert book.apply_snapshot(exchange.snapshot(now_ms + 1_000, now_ms + 1_000), now_ms + 1_001)
    assert book.balances().balances == exchange.balances(now_ms)
