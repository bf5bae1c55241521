"""Books kept by the real tree over real sockets: against an exchange that misbehaves, and against recordings."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness import Stage

from openoutcry.actors.book.book_source import BookSource
from openoutcry.actors.book.book_tracker import BookTracker
from openoutcry.actors.exchange.rest_gateway import RestGateway
from openoutcry.actors.exchange.trading_rules_poller import TradingRulesPoller
from openoutcry.actors.ports.aiohttp_transport import AiohttpTransport
from openoutcry.actors.ports.clock import SystemClock
from openoutcry.actors.roles import BOOK, BOOK_SOURCE, FACADE, REST, RULES
from openoutcry.config.schema import ConnectorSettings
from openoutcry.emulator.faults import (
    AnnounceShutdown,
    Answer,
    Connections,
    CrossBook,
    DropConnection,
    Duplicate,
    Fault,
    Inject,
    Malform,
    MarketFrames,
    RejectHandshake,
    Requests,
    ResetConnection,
    Skip,
    Stall,
    SwapWithNext,
    TruncateBody,
)
from openoutcry.emulator.markets import demo_markets
from openoutcry.emulator.recording import Recording
from openoutcry.emulator.replay import ReplayStart
from openoutcry.emulator.server import EmulatorServer
from openoutcry.exchanges.binance.dialect import BinanceSpot
from openoutcry.exchanges.dialect import Endpoints
from openoutcry.messages.lifecycle import ComponentStatus, Figures, GetFigures, Readiness, Subscribers, Topic
from openoutcry.messages.market import BestBidAsk, BookStale, GetOrderBook, OrderBookView, PairUnsynced

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"
READER = "reader"


class Followed(Stage):
    """The market-data part of a connector's tree, connected to an emulator, with a reader of its books."""

    def __init__(self, server: EmulatorServer, pairs: tuple[str, ...], silence_s: float) -> None:
        urls = server.urls
        dialect = BinanceSpot()
        dialect.timings = replace(dialect.timings, longest_silence_s=silence_s)
        super().__init__(
            transport=AiohttpTransport(),
            settings=ConnectorSettings(exchange="binance", trading_pairs=pairs),
            dialect=dialect,
            endpoints=Endpoints(rest_url=urls.rest_url, ws_url=urls.ws_url, ws_api_url=urls.ws_api_url),
            clock=SystemClock(),
        )
        self.server = server
        self.play(READER)

    async def bring_up(self) -> None:
        await self.start(RestGateway, REST)
        self.book = await self.start(BookTracker, BOOK)
        self.source = await self.start(BookSource, BOOK_SOURCE)
        readers = (self._addresses[READER][0],)
        self.tell(self.book, Subscribers(topic=Topic.BEST_BID_ASK, addresses=readers))
        await self.start(TradingRulesPoller, RULES)
        self.announce(BOOK_SOURCE)

    async def source_is(self, readiness: Readiness) -> ComponentStatus:
        def newest(_message: Any) -> bool:
            last = self.source_status
            return last is not None and last.readiness is readiness

        await self.hears(FACADE, newest, patience_s=15)
        last = self.source_status
        assert last is not None
        return last

    @property
    def source_status(self) -> ComponentStatus | None:
        told = [one for one in self.heard[FACADE] if isinstance(one, ComponentStatus) and one.role == BOOK_SOURCE]
        return told[-1] if told else None

    async def figures(self, actor: Any) -> dict[str, str]:
        answer = await self.ask(actor, GetFigures(sent_ns=0))
        assert isinstance(answer, Figures)
        return dict(answer.extra)

    async def matches_the_exchange(self, symbol: str, pair: str) -> None:
        """Wait until the book is where the exchange's own is, and hold them against each other."""
        self.server.stop_flow()
        self.server.tick()
        truth = self.server.exchange.depth(symbol, 5_000)
        async with asyncio.timeout(15):
            while True:
                view = await self.ask(self.book, GetOrderBook(trading_pair=pair, depth=None))
                if isinstance(view, OrderBookView) and view.sequence >= truth.last_update_id:
                    break
                heard = len(self.heard[READER])
                await self.hears(READER, lambda _: len(self.heard[READER]) > heard, patience_s=15)  # noqa: B023
        assert view.sequence == truth.last_update_id
        assert view.bids == tuple((float(price), float(amount)) for price, amount in truth.bids)
        assert view.asks == tuple((float(price), float(amount)) for price, amount in truth.asks)

    def stale(self) -> list[BookStale]:
        return [one for one in self.heard[READER] if isinstance(one, BookStale)]


@asynccontextmanager
async def followed(
    *pairs: str, silence_s: float = 60.0, fault: Fault | None = None, **options: Any
) -> AsyncIterator[Followed]:
    async with EmulatorServer(auto_tick=False, **options) as server:
        if fault is not None:
            server.faults.add(fault)
        async with Followed(server, pairs, silence_s) as stage:
            await stage.bring_up()
            yield stage
            assert stage.crashes == []


async def goes_on(stage: Followed, until: Callable[[], bool]) -> None:
    """Let the market move until something is so."""
    async with asyncio.timeout(15):
        while not until():
            stage.server.tick()
            await asyncio.sleep(0.002)


async def test_the_books_are_the_exchanges_own() -> None:
    async with followed("BTC-USDT", "ETH-USDT", "BNB-USDT") as stage:
        await stage.source_is(Readiness.READY)
        await goes_on(stage, lambda: len(stage.heard[READER]) > 150)
        for symbol, pair in (("BTCUSDT", "BTC-USDT"), ("ETHUSDT", "ETH-USDT"), ("BNBUSDT", "BNB-USDT")):
            await stage.matches_the_exchange(symbol, pair)
        assert stage.stale() == []
        figures = await stage.figures(stage.book)
        assert figures["witness_differed"] == "0"
        assert int(figures["witness_agreed"]) > 0


@pytest.mark.parametrize(
    ("action", "reasons"),
    [
        (Skip(), {PairUnsynced.GAP}),
        (Malform(), {PairUnsynced.GAP}),
        (SwapWithNext(), {PairUnsynced.GAP}),
        (CrossBook(), {PairUnsynced.CROSSED}),
        (Duplicate(), set()),
        (Inject(), set()),
        (Inject(b"\x00\xff no json"), set()),
        (DropConnection(), {PairUnsynced.DISCONNECTED}),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_whatever_happens_to_a_diff_the_book_is_right_in_the_end_and_stale_meanwhile(
    action: Any, reasons: set[PairUnsynced]
) -> None:
    fault = Fault(MarketFrames("btcusdt@depth*"), action, skip=5)
    async with followed("BTC-USDT", "ETH-USDT", fault=fault) as stage:
        await stage.source_is(Readiness.READY)
        await goes_on(stage, lambda: not stage.server.faults.market_frames)
        seen = len(stage.heard[READER])
        await goes_on(stage, lambda: len(stage.heard[READER]) > seen + 100)
        await stage.source_is(Readiness.READY)
        await stage.matches_the_exchange("BTCUSDT", "BTC-USDT")
        await stage.matches_the_exchange("ETHUSDT", "ETH-USDT")
        assert {one.reason for one in stage.stale() if one.trading_pair == "BTC-USDT"} == reasons
        if not isinstance(action, DropConnection):
            assert {one.trading_pair for one in stage.stale()} <= {"BTC-USDT"}


async def test_a_stream_that_stalls_is_given_up_and_replaced() -> None:
    fault = Fault(MarketFrames("btcusdt@depth*"), Stall(), skip=5)
    async with followed("BTC-USDT", silence_s=0.3, fault=fault) as stage:
        await stage.source_is(Readiness.READY)
        await goes_on(stage, lambda: any(one.reason is PairUnsynced.SILENT for one in stage.stale()))
        seen = len(stage.heard[READER])
        await goes_on(stage, lambda: len(stage.heard[READER]) > seen + 20)
        await stage.matches_the_exchange("BTCUSDT", "BTC-USDT")


async def test_an_announced_shutdown_is_survived() -> None:
    fault = Fault(MarketFrames("btcusdt@depth*"), AnnounceShutdown(), skip=5)
    async with followed("BTC-USDT", fault=fault) as stage:
        await stage.source_is(Readiness.READY)
        await goes_on(stage, lambda: not stage.server.faults.market_frames)
        seen = len(stage.heard[READER])
        await goes_on(stage, lambda: len(stage.heard[READER]) > seen + 50)
        await stage.matches_the_exchange("BTCUSDT", "BTC-USDT")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Requests(path="/api/v3/depth"), ResetConnection(), count=2),
        Fault(Requests(path="/api/v3/depth"), TruncateBody(), count=2),
        Fault(Requests(path="/api/v3/depth"), Answer(503, b"Unknown error"), count=2),
        Fault(Connections(), RejectHandshake(), count=2),
    ],
)
async def test_a_start_that_goes_wrong_comes_right(fault: Fault) -> None:
    async with followed("BTC-USDT", "ETH-USDT", fault=fault) as stage:
        await goes_on(stage, lambda: (last := stage.source_status) is not None and last.readiness is Readiness.READY)
        await stage.matches_the_exchange("BTCUSDT", "BTC-USDT")


async def test_the_server_goes_and_comes_back_on_the_same_port() -> None:
    async with followed("BTC-USDT") as stage:
        await stage.source_is(Readiness.READY)
        await stage.server.stop_listening()
        stage.server.drop_connections()
        lost = await stage.source_is(Readiness.DEGRADED)
        assert "public stream" in lost.reason
        await stage.server.resume_listening()
        await goes_on(stage, lambda: (last := stage.source_status) is not None and last.readiness is Readiness.READY)
        await stage.matches_the_exchange("BTCUSDT", "BTC-USDT")


async def test_fifty_pairs_come_into_step() -> None:
    markets = demo_markets(50)
    pairs = tuple(f"{market.base_asset}-{market.quote_asset}" for market, _ in markets.values())
    async with followed(*pairs, markets=markets) as stage:
        await stage.source_is(Readiness.READY)
        assert (await stage.figures(stage.source))["snapshots"] == "50"


@pytest.mark.parametrize(
    ("name", "pairs", "points"),
    [
        (
            "binance_us",
            {"CRVUSDT": "CRV-USDT", "COMPUSDT": "COMP-USDT", "OMGBUSD": "OMG-BUSD", "ZRXUSDT": "ZRX-USDT"},
            56,
        ),
        ("binance_tr", {"BELBTC": "BEL-BTC", "XEMUSDT": "XEM-USDT", "ELFBUSD": "ELF-BUSD", "LTCBRL": "LTC-BRL"}, 24),
    ],
)
async def test_a_recording_has_no_gap_and_its_own_quotes_agree_with_the_books(
    name: str, pairs: dict[str, str], points: int
) -> None:
    recording = Recording.load(RECORDINGS / name)
    quotes: dict[tuple[str, int], tuple[float, float, float, float]] = {}
    for frame in recording.frames:
        content: Any = json.loads(frame.payload)
        if frame.stream.endswith("@bookTicker"):
            quotes[content["s"], content["u"]] = tuple(float(content[key]) for key in "bBaA")  # type: ignore[assignment]
    async with followed(*pairs.values(), replay=recording, replay_start=ReplayStart.MANUAL) as stage:
        replay = stage.server.replay
        assert replay is not None
        await stage.source_is(Readiness.READY)
        await stage.hears(READER, lambda _: {one.trading_pair for one in stage.heard[READER]} == set(pairs.values()))
        book_ids = {one.trading_pair: one.update_id for one in stage.heard[READER]}
        compared = 0
        for frame in recording.frames:
            replay.send(1)
            content = json.loads(frame.payload)
            if content.get("e") != "depthUpdate":
                continue
            pair, update_id = pairs[content["s"]], content["u"]
            if update_id <= book_ids[pair]:
                continue
            book_ids[pair] = update_id
            stage.heard[READER].clear()
            best = await stage.hears(READER, lambda _: bool(stage.heard[READER]))
            assert isinstance(best, BestBidAsk)
            assert (best.trading_pair, best.update_id) == (pair, update_id)
            quote = quotes.get((content["s"], update_id))
            if quote is not None:
                assert (best.bid_price, best.bid_amount, best.ask_price, best.ask_amount) == quote
                compared += 1
        assert compared == points
        await stage.settle()
        source = await stage.figures(stage.source)
        assert (source["gaps"], source["resyncs"], source["malformed"]) == ("0", "0", "0")
        assert (await stage.figures(stage.book))["witness_differed"] == "0"
