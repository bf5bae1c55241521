"""Balances told by the stream and by REST: in whatever order they come, the newest word on an asset counts."""

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.actors.exchange.balance_book import CLOCK_MARGIN_MS, BalanceBook
from openoutcry.messages.account import Balance, BalanceSnapshot, BalanceUpdate
from openoutcry.messages.orders import (
    InFlightOrder,
    OrderActivity,
    OrderState,
    OrderType,
    TimeInForce,
    TradeSide,
)


def balance(asset: str, total: int | str, available: int | str | None = None) -> Balance:
    return Balance(asset=asset, total=Decimal(total), available=Decimal(total if available is None else available))


def snapshot(asked_ms: int, *balances: Balance) -> BalanceSnapshot:
    return BalanceSnapshot(balances=balances, asked_ms=asked_ms)


def update(updated_ms: int, *balances: Balance) -> BalanceUpdate:
    return BalanceUpdate(balances=balances, updated_ms=updated_ms)


def order(state: OrderState, updated_ms: int, side: TradeSide = TradeSide.BUY, order_id: str = "a") -> OrderActivity:
    made = InFlightOrder(
        client_order_id=order_id,
        exchange_order_id=None,
        trading_pair="BTC-USDT",
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=Decimal(100),
        amount=Decimal(2),
        state=state,
        executed_amount_base=Decimal(0),
        executed_amount_quote=Decimal(0),
        fees=(),
        created_ms=0,
        updated_ms=updated_ms,
    )
    return OrderActivity(order=made, fill=None)


def available(book: BalanceBook, asset: str) -> Decimal:
    return {one.asset: one.available for one in book.balances().balances}[asset]


def test_a_snapshot_that_was_asked_before_an_update_does_not_overwrite_that_asset() -> None:
    book = BalanceBook()
    book.apply_update(update(2_000, balance("BTC", 5)))
    book.apply_snapshot(snapshot(1_500, balance("BTC", 1), balance("ETH", 7)), 2_100)
    assert book.balances().balances == (balance("BTC", 5), balance("ETH", 7))


def test_an_asset_that_a_newer_snapshot_does_not_name_is_gone() -> None:
    book = BalanceBook()
    book.apply_update(update(1_000, balance("BTC", 5)))
    book.apply_snapshot(snapshot(9_000), 9_100)
    assert book.balances().balances == ()


def test_a_late_update_does_not_overwrite_a_newer_one() -> None:
    book = BalanceBook()
    book.apply_update(update(2_000, balance("BTC", 5)))
    book.apply_update(update(1_000, balance("BTC", 4)))
    book.apply_update(update(2_000, balance("BTC", 6)))
    assert book.balances().balances == (balance("BTC", 6),)


def test_an_order_that_the_exchange_has_not_confirmed_is_held_back() -> None:
    book = BalanceBook()
    book.apply_snapshot(snapshot(1_000, balance("USDT", 500), balance("BTC", 3)), 1_010)
    book.apply_activity(order(OrderState.PENDING_CREATE, 1_100))
    assert available(book, "USDT") == 300
    assert book.balances().is_estimated
    book.apply_activity(order(OrderState.UNKNOWN, 1_200, TradeSide.SELL, "b"))
    assert available(book, "BTC") == 1


def test_a_confirmed_order_is_held_back_until_the_exchanges_word_contains_it() -> None:
    book = BalanceBook()
    book.apply_snapshot(snapshot(1_000, balance("USDT", 500)), 1_010)
    book.apply_activity(order(OrderState.PENDING_CREATE, 1_100))
    book.apply_activity(order(OrderState.OPEN, 1_200))
    assert available(book, "USDT") == 300
    book.apply_update(update(1_200, balance("USDT", 500, 300)))
    assert available(book, "USDT") == 300
    assert not book.balances().is_estimated


def test_an_order_that_was_unknown_asks_for_a_snapshot_when_no_word_on_the_balance_came_with_its_confirmation() -> None:
    book = BalanceBook()
    book.apply_snapshot(snapshot(1_100, balance("USDT", 500, 300)), 1_110)
    book.apply_activity(order(OrderState.UNKNOWN, 1_200))
    assert book.apply_activity(order(OrderState.OPEN, 1_200))
    book.apply_snapshot(snapshot(1_400, balance("USDT", 500, 300)), 1_410)
    assert available(book, "USDT") == 300


def test_a_refused_order_holds_nothing() -> None:
    book = BalanceBook()
    book.apply_snapshot(snapshot(1_000, balance("USDT", 500)), 1_010)
    book.apply_activity(order(OrderState.PENDING_CREATE, 1_100))
    book.apply_activity(order(OrderState.FAILED, 1_200))
    assert available(book, "USDT") == 500


def test_what_is_available_is_never_less_than_nothing() -> None:
    book = BalanceBook()
    book.apply_snapshot(snapshot(1_000, balance("USDT", 50)), 1_010)
    book.apply_activity(order(OrderState.PENDING_CREATE, 1_100))
    assert available(book, "USDT") == 0


@dataclass(frozen=True)
class Change:
    """The account's holding of an asset becomes this much."""

    at_ms: int
    asset: str
    amount: int


changes = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from("ABC"), st.integers(0, 9), st.integers(0, 2_000), st.booleans()),
    max_size=25,
)
snapshots = st.lists(
    st.tuples(st.integers(0, 5_000), st.integers(0, 300), st.integers(0, 2_000)),
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(changes, snapshots)
def test_after_all_has_come_in_any_order_the_book_is_the_account(
    plan: list[tuple[int, str, int, int, bool]], asked: list[tuple[int, int, int]]
) -> None:
    """Updates may be lost as long as a snapshot is asked for after the last of them."""
    history: list[Change] = []
    messages: list[tuple[int, BalanceUpdate | BalanceSnapshot]] = []
    now_ms = 1_000
    for pause_ms, asset, amount, delay_ms, is_lost in plan:
        now_ms += pause_ms
        history.append(Change(now_ms, asset, amount))
        if not is_lost:
            messages.append((now_ms + delay_ms, update(now_ms, balance(asset, amount))))

    def state_at(at_ms: int) -> tuple[Balance, ...]:
        held = {change.asset: change.amount for change in history if change.at_ms <= at_ms}
        return tuple(balance(asset, amount) for asset, amount in sorted(held.items()) if amount)

    for asked_ms, until_taken_ms, delay_ms in [*asked, (now_ms + CLOCK_MARGIN_MS, 0, 0)]:
        taken_ms = asked_ms + until_taken_ms
        messages.append((taken_ms + delay_ms, snapshot(asked_ms, *state_at(taken_ms))))
    book = BalanceBook()
    for at_ms, message in sorted(messages, key=lambda one: one[0]):
        if isinstance(message, BalanceUpdate):
            book.apply_update(message)
        else:
            book.apply_snapshot(message, at_ms)
    assert book.balances().balances == state_at(now_ms)
