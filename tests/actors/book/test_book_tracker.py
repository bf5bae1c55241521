"""The book tracker: what it publishes, and that it never shows a book that is not in step."""

import math
from typing import Any

from harness import Stage, in_virtual_time

from openoutcry.actors.book.book_tracker import BookTracker
from openoutcry.actors.roles import BOOK, BOOK_SOURCE, FACADE
from openoutcry.actors.runtime import ComponentActor
from openoutcry.messages.lifecycle import Figures, GetFigures, Readiness, Subscribers, Topic
from openoutcry.messages.market import (
    BestBidAsk,
    BestQuote,
    BookDiff,
    BookSnapshot,
    BookStale,
    BookUnavailable,
    GetOrderBook,
    Level,
    OrderBookView,
    PairUnsynced,
    ResyncPair,
    TradingPairRemoved,
)

PAIR = "BTC-USDT"
READER = "reader"


class Scene:
    """A tracker, the source that feeds it, and a reader of best bid and ask."""

    def __init__(self, stage: Stage, tracker: Any) -> None:
        self.stage = stage
        self.tracker = tracker

    @classmethod
    async def set(cls, stage: Stage, *, reads: bool = True) -> "Scene":
        stage.play(BOOK_SOURCE)
        stage.play(READER)
        scene = cls(stage, await stage.start(BookTracker, BOOK))
        if reads:
            scene.subscribe(READER)
        return scene

    def subscribe(self, *readers: str) -> None:
        addresses = tuple(self.stage._addresses[reader][0] for reader in readers)
        self.stage.tell(self.tracker, Subscribers(topic=Topic.BEST_BID_ASK, addresses=addresses))

    def source_says(self, *messages: Any) -> None:
        for message in messages:
            self.stage.tell(self.tracker, message, as_role=BOOK_SOURCE)

    async def read(self) -> list[Any]:
        await self.stage.settle()
        heard = list(self.stage.heard[READER])
        self.stage.heard[READER].clear()
        return heard

    async def book(self, depth: int | None = None) -> Any:
        return await self.stage.ask(self.tracker, GetOrderBook(trading_pair=PAIR, depth=depth))

    async def figures(self) -> dict[str, str]:
        answer = await self.stage.ask(self.tracker, GetFigures(sent_ns=0))
        assert isinstance(answer, Figures)
        return dict(answer.extra)

    @property
    def resyncs(self) -> list[ResyncPair]:
        return [one for one in self.stage.heard[BOOK_SOURCE] if isinstance(one, ResyncPair)]


def snapshot(update_id: int = 10, pair: str = PAIR) -> BookSnapshot:
    return BookSnapshot(
        trading_pair=pair, update_id=update_id, bids=[(10.0, 1.0), (9.0, 3.0)], asks=[(11.0, 2.0)], received_ns=5
    )


def diff(update_id: int, bids: list[Level] | None = None, asks: list[Level] | None = None) -> BookDiff:
    return BookDiff(PAIR, update_id, update_id, bids or [], asks or [], 1_000 + update_id, 7)


def quote(update_id: int, bid: Level, ask: Level) -> BestQuote:
    return BestQuote(PAIR, update_id, *bid, *ask, 9)


STALE = BookStale(trading_pair=PAIR, reason=PairUnsynced.GAP)


@in_virtual_time
async def test_the_newest_best_bid_and_ask_is_published_once_for_all_that_had_come() -> None:
    async with Stage() as stage:
        scene = await Scene.set(stage)
        scene.source_says(snapshot(), diff(11, [(10.5, 4.0)]), diff(12, [(10.6, 5.0)]), diff(13, [(10.6, 6.0)]))
        assert await scene.read() == [BestBidAsk(PAIR, 10.6, 6.0, 11.0, 2.0, 13, 1_013, 7)]
        scene.source_says(diff(14, asks=[(11.0, 0.0), (12.0, 1.0)]))
        assert await scene.read() == [BestBidAsk(PAIR, 10.6, 6.0, 12.0, 1.0, 14, 1_014, 7)]


@in_virtual_time
async def test_a_side_that_is_empty_has_no_price() -> None:
    async with Stage() as stage:
        scene = await Scene.set(stage)
        scene.source_says(snapshot(), diff(11, asks=[(11.0, 0.0)]))
        (published,) = await scene.read()
        assert math.isnan(published.ask_price)
        assert published.ask_amount == 0.0
        assert published.bid_price == 10.0


@in_virtual_time
async def test_a_stale_book_is_not_shown_and_diffs_do_not_bring_it_back() -> None:
    async with Stage() as stage:
        scene = await Scene.set(stage)
        unknown = await scene.book()
        assert isinstance(unknown, BookUnavailable)
        assert "has come yet" in unknown.reason
        scene.source_says(snapshot())
        view = await scene.book(1)
        assert isinstance(view, OrderBookView)
        assert view.bids == ((10.0, 1.0),)
        await scene.read()
        scene.source_says(diff(11, [(10.1, 1.0)]), STALE, diff(12), STALE)
        assert await scene.read() == [STALE]
        unavailable = await scene.book()
        assert unavailable == BookUnavailable(trading_pair=PAIR, reason="the book is stale: gap in the sequence")
        assert stage.last_status is not None
        assert stage.last_status.readiness is Readiness.DEGRADED
        scene.source_says(snapshot(20))
        assert [one.update_id for one in await scene.read()] == [20]
        assert (await scene.book()).sequence == 20
        await stage.is_told(Readiness.READY)
        assert scene.resyncs == []


@in_virtual_time
async def test_a_crossed_book_is_stale_at_once_and_fetched_again() -> None:
    async with Stage() as stage:
        scene = await Scene.set(stage)
        scene.source_says(snapshot())
        await scene.read()
        scene.source_says(diff(11, [(11.0, 1.0)]), diff(12, [(11.0, 0.0)]))
        (stale,) = await scene.read()
        assert isinstance(stale, BookStale)
        assert stale.reason is PairUnsynced.CROSSED
        assert scene.resyncs == [ResyncPair(trading_pair=PAIR, reason=PairUnsynced.CROSSED)]
        assert isinstance(await scene.book(), BookUnavailable)
        crossed = BookSnapshot(trading_pair=PAIR, update_id=30, bids=[(5.0, 1.0)], asks=[(4.0, 1.0)], received_ns=0)
        scene.source_says(crossed)
        await stage.settle()
        assert len(scene.resyncs) == 2
        assert isinstance(await scene.book(), BookUnavailable)


@in_virtual_time
async def test_the_exchanges_own_quote_is_compared_at_its_update_id_before_or_after_the_diff() -> None:
    async with Stage() as stage:
        scene = await Scene.set(stage)
        scene.source_says(
            quote(12, (10.2, 1.0), (11.0, 2.0)),  # before there is any book
            snapshot(),
            quote(10, (10.0, 1.0), (11.0, 2.0)),  # of the snapshot
            quote(11, (10.1, 1.0), (11.0, 2.0)),  # before its diff
            quote(12, (10.2, 1.0), (11.0, 2.0)),
            diff(11, [(10.1, 1.0)]),
            diff(13, [(10.3, 1.0)]),
            quote(13, (10.3, 1.0), (11.0, 2.0)),  # after its diff
            quote(9, (1.0, 1.0), (2.0, 2.0)),  # of the past
        )
        await stage.settle()
        assert (await scene.figures())["witness_agreed"] == "3"
        assert (await scene.figures())["witness_differed"] == "0"
        assert scene.resyncs == []
        scene.source_says(quote(14, (10.4, 1.0), (11.0, 2.0)), diff(14, [(10.4, 2.0)]))
        assert isinstance((await scene.read())[-1], BookStale)
        assert scene.resyncs == [ResyncPair(trading_pair=PAIR, reason=PairUnsynced.CHECKSUM)]
        unavailable = await scene.book()
        assert "the exchange quotes (10.4, 1.0)" in unavailable.reason
        assert (await scene.figures())["witness_differed"] == "1"


@in_virtual_time
async def test_quotes_without_their_diff_do_not_pile_up() -> None:
    async with Stage() as stage:
        scene = await Scene.set(stage)
        scene.source_says(snapshot())
        for update_id in range(11, 5_000):
            scene.source_says(quote(update_id, (10.0, 1.0), (11.0, 2.0)))
            if update_id % 100 == 0:
                scene.source_says(diff(update_id, [(9.0, float(update_id))]))
                await stage.settle()
        await stage.settle()
        instance: Any = scene.tracker.cell.instance
        assert len(instance._fresh[PAIR].witnesses) <= 64
        assert (await scene.figures())["witness_differed"] == "0"
        assert int((await scene.figures())["witness_agreed"]) > 40


@in_virtual_time
async def test_a_new_reader_gets_the_present_state_at_once_and_the_old_one_no_repetition() -> None:
    async with Stage() as stage:
        scene = await Scene.set(stage)
        other = BookStale(trading_pair="ETH-USDT", reason=PairUnsynced.DISCONNECTED)
        scene.source_says(snapshot(), other)
        await scene.read()
        stage.play("second")
        scene.subscribe(READER, "second")
        assert await scene.read() == []
        assert stage.heard["second"] == [BestBidAsk(PAIR, 10.0, 1.0, 11.0, 2.0, 10, 0, 5), other]
        scene.subscribe("second")
        scene.source_says(diff(11))
        assert await scene.read() == []
        assert stage.heard["second"][-1].update_id == 11


@in_virtual_time
async def test_without_its_source_no_book_is_fresh() -> None:
    async with Stage() as stage:
        scene = await Scene.set(stage)
        scene.source_says(snapshot())
        await scene.read()
        stage.lose(BOOK_SOURCE)
        (stale,) = await scene.read()
        assert stale.detail == "the book source is down"
        unavailable = await scene.book()
        assert "the book source is down" in unavailable.reason


@in_virtual_time
async def test_diffs_that_overflow_the_mailbox_make_the_book_stale() -> None:
    async with Stage() as stage:
        scene = await Scene.set(stage)
        scene.source_says(snapshot())
        await scene.read()
        scene.source_says(*(diff(11 + number, [(9.5, float(number + 1))]) for number in range(12_000)))
        await stage.is_told(Readiness.DEGRADED)
        await stage.settle()
        assert scene.resyncs == [ResyncPair(trading_pair=PAIR, reason=PairUnsynced.OVERFLOW)]
        assert isinstance(await scene.book(), BookUnavailable)


@in_virtual_time
async def test_a_pair_that_is_removed_is_forgotten() -> None:
    async with Stage() as stage:
        scene = await Scene.set(stage)
        scene.source_says(snapshot())
        await scene.read()
        scene.source_says(TradingPairRemoved(trading_pair=PAIR), diff(11))
        (stale,) = await scene.read()
        assert stale.detail == "no longer followed"
        unavailable = await scene.book()
        assert "has come yet" in unavailable.reason
        assert stage.last_status is not None
        assert stage.last_status.readiness is Readiness.READY


@in_virtual_time
async def test_nothing_is_published_without_readers() -> None:
    async with Stage() as stage:
        scene = await Scene.set(stage, reads=False)
        scene.source_says(snapshot(), diff(11), diff(12))
        await stage.settle()
        assert (await scene.figures())["published"] == "0"
        assert (await scene.figures())["diffs"] == "2"
        assert [one for one in stage.heard[FACADE] if isinstance(one, BestBidAsk)] == []


def test_the_tracker_declares_its_handlers_and_hides_none_of_its_base() -> None:
    own = {name for name in vars(BookTracker) if not name.startswith("__")}
    inherited = {name for name in vars(ComponentActor) if name.startswith("_") and not name.startswith("__")}
    assert own & inherited <= {"_table", "_abc_impl"}
