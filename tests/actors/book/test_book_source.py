"""The book source in virtual time, with an exchange that is a script."""

import asyncio
import itertools
import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from harness import MemorySocket, ScriptedTransport, Stage, in_virtual_time
from plain_rules import rule

from openoutcry.actors.book.book_source import BookSource
from openoutcry.actors.roles import BOOK, BOOK_SOURCE, REST
from openoutcry.config.schema import ConnectorSettings
from openoutcry.exchanges.binance.dialect import BinanceSpot
from openoutcry.exchanges.binance.sync import BinanceSyncRule
from openoutcry.exchanges.dialect import SnapshotSource, StreamTimings
from openoutcry.messages.lifecycle import Figures, GetFigures, Readiness, Subscribers, Topic
from openoutcry.messages.market import (
    AddTradingPair,
    BookDiff,
    BookSnapshot,
    BookStale,
    PairUnsynced,
    PublicTrade,
    RemoveTradingPair,
    ResyncPair,
    TradingPairAdded,
    TradingPairRefused,
    TradingPairRemoved,
)
from openoutcry.messages.rest import ErrorKind, ExchangeError, ExecuteRest, RestAnswer, RestNotSent, RestRefused
from openoutcry.messages.trading_rules import TradingRule, TradingRules

BTC, ETH = "BTC-USDT", "ETH-USDT"


class Exchange:
    """Answers subscriptions and snapshots; each symbol's updates are numbered from 100."""

    def __init__(self) -> None:
        self.transport = ScriptedTransport(on_open=self._opened)
        self.ids: dict[str, int] = {}
        self.snapshot_outcome: Callable[[str], Any] | None = None
        self.snapshots: list[str] = []
        self.answers_subscriptions = True
        self.requests: list[tuple[float, dict[str, Any]]] = []
        self._trade_ids = itertools.count(1)

    def _opened(self, socket: MemorySocket) -> None:
        def hears(text: str) -> None:
            request = json.loads(text)
            self.requests.append((_now_s(), request))
            if self.answers_subscriptions:
                socket.push(json.dumps({"result": None, "id": request["id"]}).encode())

        socket.on_text = hears

    def answer(self, question: ExecuteRest) -> Any:
        symbol = dict(question.request.parameters)["symbol"]
        self.snapshots.append(symbol)
        if self.snapshot_outcome is not None:
            return self.snapshot_outcome(symbol)
        return self.snapshot(symbol)

    def snapshot(self, symbol: str) -> RestAnswer:
        last = self.ids.setdefault(symbol, 100)
        body = {"lastUpdateId": last, "bids": [["10.0", "1.0"]], "asks": [["11.0", "1.0"]]}
        return RestAnswer(body=json.dumps(body).encode(), sent_ms=0, received_ns=5)

    def happens(self, symbol: str, *sockets: MemorySocket) -> None:
        """One more update, told on these sockets."""
        self.ids[symbol] = self.ids.get(symbol, 100) + 1
        number = self.ids[symbol]
        frame = {"e": "depthUpdate", "E": 1, "s": symbol, "U": number, "u": number, "b": [["10.0", "2.0"]], "a": []}
        for socket in sockets:
            socket.push(json.dumps(frame).encode())

    def trades(self, symbol: str, *sockets: MemorySocket) -> None:
        frame = {"e": "trade", "E": 1, "s": symbol, "t": next(self._trade_ids), "p": "1", "q": "1", "T": 1, "m": True}
        for socket in sockets:
            socket.push(json.dumps(frame).encode())

    @property
    def sockets(self) -> list[MemorySocket]:
        return self.transport.sockets

    @property
    def open_sockets(self) -> list[MemorySocket]:
        return [socket for socket in self.sockets if socket.is_open]


def binance(silence_s: float = 60.0, lifetime_s: float = 86_400.0) -> BinanceSpot:
    dialect = BinanceSpot()
    dialect.timings = StreamTimings(longest_silence_s=silence_s, lifetime_s=lifetime_s)
    return dialect


def stage_for(exchange: Exchange, *pairs: str, dialect: BinanceSpot | None = None) -> Stage:
    settings = ConnectorSettings(exchange="binance", trading_pairs=pairs)
    stage = Stage(transport=exchange.transport, settings=settings, dialect=dialect or binance())
    stage.play(REST, exchange.answer)
    stage.play(BOOK)
    return stage


async def started(stage: Stage, *known: str) -> Any:
    source = await stage.start(BookSource, BOOK_SOURCE)
    stage.tell(source, TradingRules(rules=tuple(rule(pair) for pair in known)))
    return source


async def ready(stage: Stage, *pairs: str) -> Any:
    source = await started(stage, *pairs)
    await stage.is_told(Readiness.READY)
    return source


async def figures(stage: Stage, source: Any) -> dict[str, str]:
    answer = await stage.ask(source, GetFigures(sent_ns=0))
    assert isinstance(answer, Figures)
    return dict(answer.extra)


def told(stage: Stage, kind: type) -> list[Any]:
    return [message for message in stage.heard[BOOK] if type(message) is kind]


def applied(stage: Stage, pair: str) -> list[int]:
    """The update ids that the book was given, in order, by what it was told: a snapshot's, then its diffs'."""
    ids = []
    for message in stage.heard[BOOK]:
        if getattr(message, "trading_pair", None) == pair:
            if isinstance(message, BookSnapshot):
                ids.append(message.update_id)
            elif isinstance(message, BookDiff):
                ids.append(message.final_update_id)
    return ids


async def until(stage: Stage, condition: Callable[[], bool]) -> None:
    await stage.hears(BOOK, lambda _: condition(), patience_s=600.0)


@in_virtual_time
async def test_the_snapshot_waits_for_the_subscription_and_is_followed_by_the_diffs() -> None:
    exchange = Exchange()
    exchange.answers_subscriptions = False
    async with stage_for(exchange, BTC) as stage:
        await started(stage, BTC)
        await stage.settle()
        await _pause(0.5)
        assert exchange.snapshots == []
        exchange.sockets[0].push(b'{"result":null,"id":1}')
        await stage.is_told(Readiness.READY)
        for _ in range(3):
            exchange.happens("BTCUSDT", *exchange.sockets)
        await stage.settle()
        assert applied(stage, BTC) == [100, 101, 102, 103]
        assert exchange.snapshots == ["BTCUSDT"]
        assert told(stage, BookStale) == []


@in_virtual_time
async def test_a_diff_before_any_confirmation_is_enough_to_fetch() -> None:
    exchange = Exchange()
    exchange.answers_subscriptions = False
    exchange.ids["BTCUSDT"] = 100
    async with stage_for(exchange, BTC) as stage:
        await started(stage, BTC)
        await _pause(0.1)
        exchange.happens("BTCUSDT", *exchange.sockets)
        await stage.hears_a(BOOK, BookSnapshot)
        exchange.happens("BTCUSDT", *exchange.sockets)
        await stage.settle()
        assert applied(stage, BTC) == [101, 102]


@in_virtual_time
async def test_a_gap_resyncs_that_one_pair_and_no_other() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC, ETH) as stage:
        source = await ready(stage, BTC, ETH)
        exchange.happens("BTCUSDT")  # and nobody is told
        exchange.happens("BTCUSDT", *exchange.sockets)
        exchange.happens("ETHUSDT", *exchange.sockets)
        await stage.settle()
        assert [(one.trading_pair, one.reason) for one in told(stage, BookStale)] == [(BTC, PairUnsynced.GAP)]
        assert stage.last_status is not None
        await stage.is_told(Readiness.READY)
        exchange.happens("BTCUSDT", *exchange.sockets)
        await stage.settle()
        assert applied(stage, BTC) == [100, 102, 103]
        assert applied(stage, ETH) == [100, 101]
        assert exchange.snapshots.count("ETHUSDT") == 1
        assert (await figures(stage, source))["gaps"] == "1"
        degraded = [one for one in stage.heard["facade"] if getattr(one, "readiness", None) is Readiness.DEGRADED]
        assert "BTC-USDT (gap in the sequence)" in degraded[0].reason


@in_virtual_time
async def test_a_book_that_is_crossed_is_fetched_again() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC) as stage:
        source = await ready(stage, BTC)
        stage.tell(source, ResyncPair(trading_pair=BTC, reason=PairUnsynced.CROSSED), as_role=BOOK)
        await stage.settle()
        await stage.is_told(Readiness.READY)
        assert [one.reason for one in told(stage, BookStale)] == [PairUnsynced.CROSSED]
        assert exchange.snapshots == ["BTCUSDT"] * 2


@in_virtual_time
async def test_a_pair_that_loses_step_again_and_again_is_fetched_with_growing_pauses() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC) as stage:
        source = await ready(stage, BTC)
        begin_s = _now_s()
        for number in range(8):
            stage.tell(source, ResyncPair(trading_pair=BTC, reason=PairUnsynced.CROSSED), as_role=BOOK)
            await until(stage, lambda: len(told(stage, BookSnapshot)) == number + 2)  # noqa: B023 - awaited at once
        assert _now_s() - begin_s > 5.0


@in_virtual_time
async def test_a_lost_stream_makes_every_pair_stale_and_is_opened_again() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC, ETH) as stage:
        source = await ready(stage, BTC, ETH)
        exchange.sockets[0].drop("connection lost")
        await stage.settle()
        assert {(one.trading_pair, one.reason) for one in told(stage, BookStale)} == {
            (BTC, PairUnsynced.DISCONNECTED),
            (ETH, PairUnsynced.DISCONNECTED),
        }
        status = stage.last_status
        assert status is not None
        assert status.readiness is Readiness.DEGRADED
        assert "public stream: connection lost" in status.reason
        assert status.next_step == "reconnects"
        await stage.is_told(Readiness.READY, patience_s=60)
        assert len(exchange.sockets) == 2
        assert (await figures(stage, source))["reconnects"] == "1"


@in_virtual_time
async def test_an_exchange_that_refuses_connections_is_tried_with_growing_pauses() -> None:
    exchange = Exchange()
    exchange.transport.refuses_sockets = True
    async with stage_for(exchange, BTC) as stage:
        source = await started(stage, BTC)
        await _pause(300)
        attempts = int((await figures(stage, source))["reconnects"])
        assert 10 <= attempts <= 40
        assert stage.last_status is not None
        assert "did not open" in stage.last_status.reason
        exchange.transport.refuses_sockets = False
        await stage.is_told(Readiness.READY, patience_s=60)


@in_virtual_time
async def test_a_silent_stream_is_probed_and_given_up_only_when_the_probe_stays_unanswered() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC, dialect=binance(silence_s=20.0)) as stage:
        await ready(stage, BTC)
        await _pause(300)
        socket = exchange.sockets[0]
        assert socket.pings > 5
        assert told(stage, BookStale) == []
        socket.answers_pings = False
        await stage.hears_a(BOOK, BookStale, patience_s=60)
        assert told(stage, BookStale)[0].reason is PairUnsynced.SILENT
        assert not socket.is_open
        await stage.is_told(Readiness.READY, patience_s=60)


@in_virtual_time
async def test_a_stream_is_renewed_before_its_end_without_a_gap_or_a_repetition() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC, dialect=binance(lifetime_s=100.0)) as stage:
        source = await ready(stage, BTC)
        readers = [stage._addresses["facade"][0]]
        stage.tell(source, Subscribers(topic=Topic.TRADES, addresses=tuple(readers)))
        most_open = 0
        for _ in range(3_000):
            exchange.happens("BTCUSDT", *exchange.open_sockets)
            exchange.trades("BTCUSDT", *exchange.open_sockets)
            await _pause(0.1)
            most_open = max(most_open, len(exchange.open_sockets))
        assert most_open == 2
        assert len(exchange.open_sockets) == 1
        assert len(exchange.sockets) == 4
        assert applied(stage, BTC) == list(range(100, 3_101))
        trades = [int(one.trade_id) for one in stage.heard["facade"] if isinstance(one, PublicTrade)]
        assert trades == list(range(1, 3_001))
        assert told(stage, BookStale) == []
        assert (await figures(stage, source))["renewals"] == "3"


@in_virtual_time
async def test_a_renewal_that_fails_leaves_the_old_stream_and_is_tried_again() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC, dialect=binance(lifetime_s=100.0)) as stage:
        await ready(stage, BTC)
        exchange.transport.refuses_sockets = True
        await _pause(96)
        assert len(exchange.open_sockets) == 1
        assert told(stage, BookStale) == []
        exchange.transport.refuses_sockets = False
        await _pause(35)
        assert len(exchange.open_sockets) == 1
        assert exchange.open_sockets[0] is not exchange.sockets[0]
        assert told(stage, BookStale) == []
        assert stage.last_status is not None
        assert stage.last_status.readiness is Readiness.READY


@in_virtual_time
async def test_an_announced_end_renews_at_once() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC) as stage:
        await ready(stage, BTC)
        exchange.sockets[0].push(b'{"e":"serverShutdown","E":1}')
        await _pause(0.5)
        assert len(exchange.open_sockets) == 2
        exchange.sockets[0].drop("closed by the exchange")
        exchange.happens("BTCUSDT", *exchange.open_sockets)
        await _pause(5)
        assert applied(stage, BTC) == [100, 101]
        assert told(stage, BookStale) == []


@in_virtual_time
async def test_when_the_stream_dies_while_its_successor_opens_that_one_takes_over() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC) as stage:
        await ready(stage, BTC)
        exchange.answers_subscriptions = False
        exchange.sockets[0].push(b'{"e":"serverShutdown","E":1}')
        await _pause(0.5)
        exchange.sockets[0].drop("closed by the exchange")
        await stage.hears_a(BOOK, BookStale)
        number = exchange.requests[-1][1]["id"]
        exchange.sockets[1].push(json.dumps({"result": None, "id": number}).encode())
        await stage.is_told(Readiness.READY)
        await _pause(10)
        assert len(exchange.sockets) == 2


@in_virtual_time
async def test_a_subscription_without_an_answer_or_refused_ends_the_stream() -> None:
    exchange = Exchange()
    exchange.answers_subscriptions = False
    async with stage_for(exchange, BTC) as stage:
        await started(stage, BTC)
        await _pause(9)
        assert len(exchange.sockets) == 1
        await _pause(2)
        assert len(exchange.sockets) == 2
        assert stage.last_status is not None
        assert "was not answered" in stage.last_status.reason
        number = exchange.requests[-1][1]["id"]
        exchange.sockets[1].push(json.dumps({"code": 2, "msg": "Invalid request", "id": number}).encode())
        await _pause(0.05)
        assert "Invalid request" in stage.last_status.reason
        exchange.answers_subscriptions = True
        await stage.is_told(Readiness.READY, patience_s=60)


@in_virtual_time
async def test_frames_leave_no_faster_than_the_exchange_allows() -> None:
    pairs = tuple(f"A{number}-USDT" for number in range(330))
    exchange = Exchange()
    async with stage_for(exchange, *pairs) as stage:
        await ready(stage, *pairs)
        times = [at for at, _ in exchange.requests]
        assert len(times) == 5
        assert all(later - earlier >= 0.24 for earlier, later in itertools.pairwise(times))


@in_virtual_time
async def test_at_most_ten_snapshots_are_asked_for_at_once() -> None:
    pairs = tuple(f"A{number}-USDT" for number in range(25))
    exchange = Exchange()
    exchange.snapshot_outcome = lambda _symbol: None  # silence: they stay under way
    async with stage_for(exchange, *pairs) as stage:
        await started(stage, *pairs)
        await _pause(5)
        assert len(exchange.snapshots) == 10
        exchange.snapshot_outcome = None
        await stage.is_told(Readiness.READY, patience_s=120)
        assert all(exchange.snapshots.count(pair.replace("-", "")) <= 2 for pair in pairs)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (RestNotSent(reason="Connection refused"), "could not be asked for: Connection refused"),
        (
            RestRefused(error=ExchangeError(kind=ErrorKind.RATE_LIMITED, code="-1003", message="slow down"), sent_ms=0),
            "was refused: rate limited: slow down",
        ),
        (RestAnswer(body=b'{"lastUpdateId":', sent_ms=0, received_ns=0), "cannot be read"),
        (
            RestAnswer(body=b'{"lastUpdateId":1,"bids":[],"asks":[]}', sent_ms=0, received_ns=0),
            "older than the stream",
        ),
    ],
)
def test_a_snapshot_that_fails_is_fetched_again_with_pauses_and_the_status_says_why(outcome: Any, words: str) -> None:
    @in_virtual_time
    async def run() -> None:
        exchange = Exchange()
        exchange.snapshot_outcome = lambda _symbol: outcome
        async with stage_for(exchange, BTC) as stage:
            await started(stage, BTC)
            await _pause(0.05)
            exchange.happens("BTCUSDT", *exchange.sockets)
            exchange.happens("BTCUSDT", *exchange.sockets)
            await _pause(60)
            assert 3 <= len(exchange.snapshots) <= 12
            assert stage.last_status is not None
            assert words in stage.last_status.reason
            exchange.snapshot_outcome = None
            await stage.is_told(Readiness.READY, patience_s=60)

    run()


@in_virtual_time
async def test_malformed_frames_are_counted_and_logged_once_a_kind() -> None:
    exchange = Exchange()
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Keep()
    logging.getLogger("openoutcry.test.book_source").addHandler(handler)
    async with stage_for(exchange, BTC) as stage:
        source = await ready(stage, BTC)
        for number in range(50):
            exchange.sockets[0].push(b'{"e":"depthUpdate","E":%d,"s":' % number)
            exchange.sockets[0].push(b"\xff\x00 no json")
        exchange.happens("BTCUSDT", *exchange.sockets)
        await stage.settle()
        assert (await figures(stage, source))["malformed"] == "100"
        assert applied(stage, BTC) == [100, 101]
        assert stage.crashes == []
    logging.getLogger("openoutcry.test.book_source").removeHandler(handler)
    assert 1 <= len([line for line in lines if "dropped" in line]) <= 4


@in_virtual_time
async def test_pairs_can_be_added_and_removed_while_it_runs() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC) as stage:
        source = await ready(stage, BTC, ETH)
        assert await stage.ask(source, AddTradingPair(trading_pair=ETH)) == TradingPairAdded(trading_pair=ETH)
        await until(stage, lambda: applied(stage, ETH) == [100])
        exchange.happens("ETHUSDT", *exchange.sockets)
        await stage.settle()
        assert applied(stage, ETH) == [100, 101]
        refused = await stage.ask(source, AddTradingPair(trading_pair="NO-SUCH"))
        assert isinstance(refused, TradingPairRefused)
        assert "does not list NO-SUCH" in refused.reason
        assert await stage.ask(source, RemoveTradingPair(trading_pair=BTC)) == TradingPairRemoved(trading_pair=BTC)
        assert isinstance(await stage.ask(source, RemoveTradingPair(trading_pair=BTC)), TradingPairRefused)
        await _pause(1)
        assert told(stage, TradingPairRemoved) == [TradingPairRemoved(trading_pair=BTC)]
        exchange.happens("BTCUSDT", *exchange.sockets)
        await stage.settle()
        assert applied(stage, BTC) == [100]
        assert (await figures(stage, source))["malformed"] == "0"
        assert "btcusdt@depth@100ms" in exchange.requests[-1][1]["params"]
        assert exchange.requests[-1][1]["method"] == "UNSUBSCRIBE"
        # A reconnect follows what is followed now.
        exchange.sockets[0].drop("connection lost")
        await _pause(5)
        assert [name for name in exchange.requests[-1][1]["params"] if "depth" in name] == ["ethusdt@depth@100ms"]


@in_virtual_time
async def test_an_added_pair_is_fetched_only_when_its_subscription_is_confirmed() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC) as stage:
        source = await ready(stage, BTC, ETH)
        exchange.answers_subscriptions = False
        await stage.ask(source, AddTradingPair(trading_pair=ETH))
        await _pause(1)
        assert "ETHUSDT" not in exchange.snapshots
        number = exchange.requests[-1][1]["id"]
        exchange.sockets[0].push(json.dumps({"result": None, "id": number}).encode())
        await until(stage, lambda: applied(stage, ETH) == [100])


@in_virtual_time
async def test_a_new_book_tracker_gets_every_book_anew_and_nothing_is_sent_to_nobody() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC) as stage:
        await ready(stage, BTC)
        stage.lose(BOOK)
        await stage.settle()
        exchange.happens("BTCUSDT", *exchange.sockets)
        await stage.settle()
        assert applied(stage, BTC) == [100]
        stage.heard[BOOK].clear()
        stage.play(BOOK)
        stage.announce(BOOK)
        await stage.is_told(Readiness.READY)
        exchange.happens("BTCUSDT", *exchange.sockets)
        await stage.settle()
        assert applied(stage, BTC) == [101, 102]


@in_virtual_time
async def test_a_pair_that_the_exchange_does_not_have_is_named() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC, "NO-SUCH") as stage:
        source = await started(stage, BTC)
        await until(stage, lambda: applied(stage, BTC) == [100])
        await stage.settle()
        assert stage.last_status is not None
        assert "the exchange has no NO-SUCH" in stage.last_status.reason
        stage.tell(source, TradingRules(rules=(rule(BTC), rule("NO-SUCH"))))
        await stage.is_told(Readiness.READY)


@in_virtual_time
async def test_an_answer_for_an_earlier_need_is_not_used() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC) as stage:
        source = await ready(stage, BTC)
        exchange.snapshot_outcome = lambda _symbol: None
        stage.tell(source, ResyncPair(trading_pair=BTC, reason=PairUnsynced.CROSSED), as_role=BOOK)
        await _pause(0.1)
        exchange.sockets[0].drop("connection lost")
        exchange.snapshot_outcome = None
        await stage.is_told(Readiness.READY, patience_s=60)
        exchange.happens("BTCUSDT", *exchange.open_sockets)
        await _pause(30)
        assert applied(stage, BTC) == [100, 100, 101]


@in_virtual_time
async def test_the_sockets_are_closed_when_the_actor_ends() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC) as stage:
        source = await ready(stage, BTC)
        stage.stop(source)
        await _pause(1)
        assert exchange.open_sockets == []
        assert stage.crashes == []


class SnapshotsOnTheStream(BinanceSpot):
    """An exchange that sends a snapshot after each subscription, as frames `{"snapshot": id}` of BTC-USDT."""

    def __init__(self) -> None:
        super().__init__()
        self.sync_rule = BinanceSyncRule()
        self.sync_rule.snapshot_source = SnapshotSource.STREAM

    def market_decoder(self, rules: Sequence[TradingRule]) -> Any:
        usual = super().market_decoder(rules)

        class Decoder:
            def decode(self, frame: bytes, received_ns: int) -> Any:
                if not frame.startswith(b'{"snapshot"'):
                    return usual.decode(frame, received_ns)
                update_id = json.loads(frame)["snapshot"]
                return BookSnapshot(trading_pair=BTC, update_id=update_id, bids=[], asks=[], received_ns=received_ns)

        return Decoder()


@in_virtual_time
async def test_where_the_snapshot_comes_on_the_stream_a_gap_means_a_new_subscription() -> None:
    exchange = Exchange()
    async with stage_for(exchange, BTC, dialect=SnapshotsOnTheStream()) as stage:
        await started(stage, BTC)
        await _pause(0.1)
        assert stage.last_status is not None
        exchange.sockets[0].push(b'{"snapshot":100}')
        await stage.is_told(Readiness.READY)
        exchange.happens("BTCUSDT", *exchange.sockets)
        exchange.happens("BTCUSDT")
        exchange.happens("BTCUSDT", *exchange.sockets)
        await _pause(2)
        assert [request["method"] for _, request in exchange.requests] == ["SUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"]
        exchange.sockets[0].push(b'{"snapshot":103}')
        await stage.is_told(Readiness.READY)
        exchange.happens("BTCUSDT", *exchange.sockets)
        await stage.settle()
        assert applied(stage, BTC) == [100, 101, 103, 104]
        assert exchange.snapshots == []


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def _pause(seconds: float) -> None:
    """Virtual: it takes no time."""
    await asyncio.sleep(seconds)
