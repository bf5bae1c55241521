"""The sync rule against a naive reading of the exchange's recipe, and against what live exchanges sent."""

import pytest
from binance_samples import BINANCE, recording, rules_of
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.exchanges.dialect import DiffVerdict
from openoutcry.messages.market import BestQuote, BookDiff

RULE = BINANCE.sync_rule


def diff(first: int, final: int) -> BookDiff:
    return BookDiff("BTC-USDT", first, final, [], [], 0, 0)


@pytest.mark.parametrize(("snapshot", "usable"), [(155, False), (156, True), (157, True), (200, True)])
def test_a_snapshot_that_the_first_buffered_diff_cannot_continue_is_fetched_again(snapshot: int, usable: bool) -> None:
    assert RULE.snapshot_is_usable(snapshot, diff(157, 160)) is usable


def test_any_snapshot_is_usable_while_nothing_is_buffered() -> None:
    assert RULE.snapshot_is_usable(1, None)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 10), st.booleans())
def test_a_verdict_is_what_the_recipe_says(book: int, first: int, span: int, after_snapshot: bool) -> None:
    final = first + span
    verdict = RULE.verdict(book, diff(first, final), first_after_snapshot=after_snapshot)
    if after_snapshot:
        if final <= book:  # step 4: drop it
            assert verdict is DiffVerdict.IGNORE
        elif first <= book + 1 <= final:
            assert verdict is DiffVerdict.APPLY
        else:
            assert verdict is DiffVerdict.GAP
    elif final < book:  # step 5
        assert verdict is DiffVerdict.IGNORE
    elif first > book + 1:
        assert verdict is DiffVerdict.GAP
    elif final == book:  # the recipe applies what the book holds already: no difference
        assert verdict is DiffVerdict.IGNORE
    else:
        assert verdict is DiffVerdict.APPLY


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.data())
def test_an_unbroken_stream_is_applied_once_and_a_missing_diff_is_noticed_at_the_next_one(
    spans: list[int], data: st.DataObject
) -> None:
    stream, at = [], 100
    for span in spans:
        stream.append(diff(at + 1, at + span))
        at += span
    twice = [one for one in stream for _ in range(2)]
    book = 100
    applied: list[BookDiff] = []
    for one in twice:
        verdict = RULE.verdict(book, one, first_after_snapshot=not applied)
        assert verdict is not DiffVerdict.GAP
        if verdict is DiffVerdict.APPLY:
            applied.append(one)
            book = one.final_update_id
    assert applied == stream
    missing = data.draw(st.integers(0, len(stream) - 1))
    if missing + 1 < len(stream):
        before = stream[missing].first_update_id - 1
        assert RULE.verdict(before, stream[missing + 1], first_after_snapshot=False) is DiffVerdict.GAP


@pytest.mark.parametrize(("domain", "agreements"), [("us", 56), ("tr", 24)])
def test_a_recorded_stream_has_no_gap_and_agrees_with_the_exchanges_own_best_quotes(
    domain: str, agreements: int
) -> None:
    rules = rules_of(domain)
    pairs = {rule.symbol: rule for rule in rules}
    decoder = BINANCE.market_decoder(rules)
    buffered: dict[str, list[BookDiff]] = {}
    books: dict[str, tuple[dict[float, float], dict[float, float]]] = {}
    ids: dict[str, int] = {}
    tops: dict[tuple[str, int], tuple[float, float, float, float]] = {}
    quotes: dict[tuple[str, int], tuple[float, float, float, float]] = {}
    is_first: set[str] = set()

    def apply(one: BookDiff) -> None:
        pair = one.trading_pair
        verdict = RULE.verdict(ids[pair], one, first_after_snapshot=pair in is_first)
        assert verdict is not DiffVerdict.GAP
        if verdict is DiffVerdict.IGNORE:
            return
        is_first.discard(pair)
        for levels, changes in zip(books[pair], (one.bids, one.asks), strict=True):
            for price, amount in changes:
                levels.pop(price, None)
                if amount:
                    levels[price] = amount
        ids[pair] = one.final_update_id
        bids, asks = books[pair]
        bid, ask = max(bids), min(asks)
        tops[pair, one.final_update_id] = (bid, bids[bid], ask, asks[ask])

    for came in recording(domain):
        if came.symbol:
            rule = pairs[came.symbol]
            snapshot = BINANCE.parse_book_snapshot(rule, came.payload, 0)
            waiting = buffered.pop(rule.trading_pair, [])
            assert RULE.snapshot_is_usable(snapshot.update_id, waiting[0] if waiting else None)
            books[rule.trading_pair] = (dict(snapshot.bids), dict(snapshot.asks))
            ids[rule.trading_pair] = snapshot.update_id
            is_first.add(rule.trading_pair)
            for one in waiting:
                apply(one)
            continue
        event = decoder.decode(came.payload, 0)
        if isinstance(event, BookDiff):
            if event.trading_pair in books:
                apply(event)
            else:
                buffered.setdefault(event.trading_pair, []).append(event)
        elif isinstance(event, BestQuote):
            quotes[event.trading_pair, event.update_id] = (
                event.bid_price,
                event.bid_amount,
                event.ask_price,
                event.ask_amount,
            )

    both = tops.keys() & quotes.keys()
    assert len(both) >= agreements
    assert {key: tops[key] for key in both} == {key: quotes[key] for key in both}
