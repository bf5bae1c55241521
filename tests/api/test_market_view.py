"""What a bot is shown of the market: never a stale price as fresh."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.errors import StaleMarketData, UnknownTradingPair
from openoutcry.market_view import MarketView
from openoutcry.messages.market import BestBidAsk, BookStale, PairUnsynced

PAIRS = ("BTC-USDT", "ETH-USDT")


def best(pair: str, update_id: int) -> BestBidAsk:
    return BestBidAsk(pair, 100.0, 1.0, 101.0, 2.0, update_id, 0, 1_000_000_000)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("best"), st.sampled_from(PAIRS)),
            st.tuples(st.just("stale"), st.sampled_from(PAIRS)),
            st.tuples(st.just("all stale"), st.just("")),
            st.tuples(st.just("removed"), st.sampled_from(PAIRS)),
            st.tuples(st.just("added"), st.sampled_from(PAIRS)),
        ),
        max_size=30,
    )
)
def test_a_price_is_shown_exactly_while_the_newest_word_on_its_pair_is_a_price(steps: list[tuple[str, str]]) -> None:
    view = MarketView("binance", PAIRS, lambda: 3_000_000_000)
    fresh: dict[str, int | None] = dict.fromkeys(PAIRS)
    for number, (what, pair) in enumerate(steps, start=1):
        if what == "best":
            view.best_bid_ask_published(best(pair, number))
            if pair in fresh:
                fresh[pair] = number
        elif what == "stale":
            view.book_stale(BookStale(trading_pair=pair, reason=PairUnsynced.GAP))
            if pair in fresh:
                fresh[pair] = None
        elif what == "all stale":
            view.all_stale("gone")
            fresh = dict.fromkeys(fresh)
        elif what == "removed" and pair in fresh:
            view.remove(pair)
            del fresh[pair]
        elif what == "added" and pair not in fresh:
            view.add(pair)
            fresh[pair] = None
        for one in PAIRS:
            if one not in fresh:
                with pytest.raises(UnknownTradingPair, match=one):
                    view.best(one)
            elif fresh[one] is None:
                with pytest.raises(StaleMarketData, match=one):
                    view.best(one)
            else:
                shown = view.best(one)
                assert shown.sequence == fresh[one]
                assert shown.age_s == 2.0
                assert tuple(shown) == (100.0, 101.0)
