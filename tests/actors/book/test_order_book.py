"""The order book against a model that sorts everything anew each time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.actors.book.book_queries import BookTooThin, get_price_for_volume, get_vwap_for_volume
from openoutcry.actors.book.order_book import OrderBook
from openoutcry.messages.market import BookDiff, BookSnapshot, OrderBookView

PAIR = "BTC-USDT"
prices = st.integers(1, 40).map(lambda ticks: ticks / 4)
amounts = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.5])
levels = st.lists(st.tuples(prices, amounts), max_size=25)


def diff(update_id: int, bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> BookDiff:
    return BookDiff(PAIR, update_id, update_id, bids, asks, 1_700_000_000_000 + update_id, 7)


def snapshot(bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> BookSnapshot:
    return BookSnapshot(trading_pair=PAIR, update_id=1, bids=bids, asks=asks, received_ns=3)


class NaiveBook:
    def __init__(self) -> None:
        self.sides: tuple[dict[float, float], dict[float, float]] = ({}, {})

    def apply(self, bids: list[tuple[float, float]], asks: list[tuple[float, float]]) -> None:
        for side, changes in zip(self.sides, (bids, asks), strict=True):
            for price, amount in changes:
                side[price] = amount
            for price in [price for price, amount in side.items() if amount == 0]:
                del side[price]

    def bids(self) -> tuple[tuple[float, float], ...]:
        return tuple(sorted(self.sides[0].items(), key=lambda level: -level[0]))

    def asks(self) -> tuple[tuple[float, float], ...]:
        return tuple(sorted(self.sides[1].items()))


@given(start=st.tuples(levels, levels), changes=st.lists(st.tuples(levels, levels), max_size=30))
def test_any_run_of_diffs_leaves_what_sorting_everything_leaves(
    start: tuple[list[tuple[float, float]], list[tuple[float, float]]],
    changes: list[tuple[list[tuple[float, float]], list[tuple[float, float]]]],
) -> None:
    book = OrderBook(PAIR)
    naive = NaiveBook()
    unique = (list(dict(start[0]).items()), list(dict(start[1]).items()))
    book.apply_snapshot(snapshot(*unique))
    naive.apply(*unique)
    for update_id, (bids, asks) in enumerate(changes, start=2):
        book.apply_diff(diff(update_id, bids, asks))
        naive.apply(bids, asks)
        best_bid = naive.bids()[0] if naive.bids() else None
        best_ask = naive.asks()[0] if naive.asks() else None
        assert (book.best_bid, book.best_ask) == (best_bid, best_ask)
        assert book.is_crossed == bool(best_bid and best_ask and best_bid[0] >= best_ask[0])
        assert len(book._bid_heap) <= 2 * len(book.bids) + 64
        assert len(book._ask_heap) <= 2 * len(book.asks) + 64
    view = book.view()
    assert (view.bids, view.asks) == (naive.bids(), naive.asks())
    assert book.view(3).bids == naive.bids()[:3]
    assert book.view(3).asks == naive.asks()[:3]


def test_a_price_that_comes_and_goes_for_ever_does_not_fill_the_heap() -> None:
    book = OrderBook(PAIR)
    book.apply_snapshot(snapshot([(100.0, 1.0)], [(101.0, 1.0)]))
    for update_id in range(2, 2_000):
        book.apply_diff(diff(update_id, [(99.0, float(update_id % 2))], [(102.0, float(update_id % 2))]))
    assert len(book._bid_heap) <= 68
    assert len(book._ask_heap) <= 68
    assert (book.best_bid, book.best_ask) == ((100.0, 1.0), (101.0, 1.0))


def test_a_snapshot_begins_anew_and_a_view_carries_sequence_and_times() -> None:
    book = OrderBook(PAIR)
    book.apply_snapshot(snapshot([(100.0, 1.0)], [(101.0, 1.0)]))
    book.apply_diff(diff(9, [(100.5, 2.0)], []))
    view = book.view(1)
    assert view == OrderBookView(
        trading_pair=PAIR,
        bids=((100.5, 2.0),),
        asks=((101.0, 1.0),),
        sequence=9,
        timestamp=1_700_000_000.009,
        received_ns=7,
    )
    book.apply_snapshot(snapshot([(99.0, 1.0)], []))
    assert book.best_bid == (99.0, 1.0)
    assert book.best_ask is None
    assert not book.is_crossed
    assert book.view().timestamp == 0.0


@given(
    asks=st.dictionaries(prices, st.sampled_from([0.5, 1.0, 2.5]), min_size=1),
    share=st.floats(0.01, 1.0),
)
def test_price_and_average_for_a_volume_agree_with_taking_level_by_level(
    asks: dict[float, float], share: float
) -> None:
    book = OrderBook(PAIR)
    book.apply_snapshot(snapshot([], list(asks.items())))
    view = book.view()
    volume = sum(asks.values()) * share
    taken, cost, worst = 0.0, 0.0, 0.0
    for price, amount in sorted(asks.items()):
        if taken >= volume:
            break
        part = min(amount, volume - taken)
        taken += part
        cost += part * price
        worst = price
    if taken < volume:
        return
    assert math.isclose(get_vwap_for_volume(view, True, volume), cost / volume, rel_tol=1e-9)
    assert get_price_for_volume(view, True, volume) == worst


def test_a_book_that_is_too_thin_says_what_was_asked_and_what_there_is() -> None:
    book = OrderBook(PAIR)
    book.apply_snapshot(snapshot([(100.0, 1.0), (99.0, 2.0)], []))
    assert get_price_for_volume(book.view(), False, 2.5) == 99.0
    assert get_vwap_for_volume(book.view(), False, 2.0) == 99.5
    with pytest.raises(BookTooThin, match=r"3\.5 was asked for and the bids of this view hold 3"):
        get_price_for_volume(book.view(), False, 3.5)
    with pytest.raises(BookTooThin, match="asks"):
        get_vwap_for_volume(book.view(), True, 0.1)
    with pytest.raises(ValueError, match="above zero"):
        get_vwap_for_volume(book.view(), False, 0.0)
