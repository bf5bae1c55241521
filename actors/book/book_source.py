"""BookSource: the public stream of a connector, and what keeps every pair's book in step with the exchange.

Hears: `TradingRules` (which pairs there are), `ResyncPair`, `AddTradingPair`, `RemoveTradingPair`, `Subscribers`.
Says: to the book tracker `BookSnapshot` and the `BookDiff`s that continue it, `BestQuote`, `BookStale`,
`TradingPairRemoved`; `PublicTrade` straight to the subscribers.
On restart it forgets everything: it opens a new stream and fetches every snapshot again.

One stream carries all pairs. A second one lives beside it while the first is renewed: it is live before the first goes,
and what comes twice falls by its sequence number. A pair that loses step is fetched again alone.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from openoutcry.actors import roles
from openoutcry.actors.book.frame_inbox import StreamClosed, StreamFrames, StreamOpened
from openoutcry.actors.book.market_stream import MarketStream
from openoutcry.actors.book.pair_sync import PairSync, Step
from openoutcry.actors.book.snapshot_fetcher import SnapshotFetcher
from openoutcry.actors.book.stream_keeper import StreamKeeper
from openoutcry.actors.book.trade_filter import TradeFilter
from openoutcry.actors.runtime import Backoff, ComponentActor, handles
from openoutcry.exchanges.dialect import MalformedPayload, MarketDecoder, StreamAnswer, StreamNotice
from openoutcry.messages.lifecycle import Readiness, Subscribers, Topic
from openoutcry.messages.market import (
    AddTradingPair,
    BestQuote,
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
from openoutcry.messages.trading_rules import TradingRule, TradingRules

SETTLED_AFTER_S = 10.0
"""A pair that has kept step for this long begins its back-off anew."""
PAIRS_NAMED = 5

_FORWARD = Step.FORWARD
_RESYNC = Step.RESYNC


class BookSource(ComponentActor):
    """Owns the public stream and each pair's place in the sequence; owns no book."""

    def on_start(self) -> None:
        """Wait for the trading rules: without them no pair has a symbol."""
        environment = self.environment
        self._backoff = Backoff(0.25, 30.0, environment.random_for(self.role, self.generation))
        self._fetcher = SnapshotFetcher(self, self._snapshot_came, self._fetch_failed)
        self._streams = StreamKeeper(self, self._followed_rules, self._stream_confirmed, self._stream_lost)
        self._trades = TradeFilter()
        self._rules: dict[str, TradingRule] = {}
        self._wanted_pairs: list[str] = list(environment.settings.trading_pairs)
        self._pairs: dict[str, PairSync] = {}
        self._troubles: dict[str, str] = {}
        self._decoder: MarketDecoder | None = None
        self._trade_readers: tuple[Any, ...] = ()
        self._malformed_kinds: set[str] = set()
        self._has_been_ready = False
        self._frames_read = self._malformed = self._gaps = self._resyncs = 0
        self._settled_candidates: list[PairSync] = []
        self.every(SETTLED_AFTER_S, self._settle)
        self._report()

    def on_stop(self) -> None:
        """Close the sockets."""
        if self.environment is not None:
            self._streams.close()

    def figures(self) -> tuple[tuple[str, str], ...]:
        """Frames, and how often what went wrong."""
        return (
            ("frames", str(self._frames_read)),
            ("malformed", str(self._malformed)),
            ("gaps", str(self._gaps)),
            ("resyncs", str(self._resyncs)),
            ("reconnects", str(self._streams.reconnects)),
            ("renewals", str(self._streams.renewals)),
            ("snapshots", str(self._fetcher.fetched)),
            ("snapshot_failures", str(self._fetcher.failures)),
            ("pairs_synced", f"{sum(sync.is_synced for sync in self._pairs.values())}/{len(self._pairs)}"),
        )

    # The hot path

    @handles(StreamFrames)
    def _frames_came(self, message: StreamFrames, _sender: Any) -> None:
        stream = self._streams.find(message.stream_id)
        if stream is None or self._decoder is None:
            return
        decode = self._decoder.decode
        pairs = self._pairs
        send = self._myRef.actor_send
        book = self._peers.get(roles.BOOK)
        address = book[0] if book is not None else None
        frames = stream.inbox.take()
        self._frames_read += len(frames)
        for frame, received_ns in frames:
            try:
                event = decode(frame, received_ns)
            except MalformedPayload as error:
                self._malformed_came(error)
                continue
            kind = type(event)
            if kind is BookDiff:
                sync = pairs.get(event.trading_pair)  # type: ignore[union-attr]  # the line above says what it is
                if sync is not None:
                    step = sync.on_diff(event)  # type: ignore[arg-type]
                    if step is _FORWARD:
                        if address is not None:
                            send(address, event)
                    elif step is _RESYNC:
                        self._gap_found(sync)
                    elif not sync.is_synced:
                        self._fetch(sync)
            elif kind is BestQuote:
                if address is not None:
                    send(address, event)
            elif event is not None:
                self._rare_event_came(stream, event)
                if stream.is_closed:
                    return

    def _rare_event_came(self, stream: MarketStream, event: Any) -> None:
        if isinstance(event, PublicTrade):
            if (
                self._trade_readers
                and event.trading_pair in self._pairs
                and self._trades.is_new(event, is_overlapping=self._streams.is_overlapping)
            ):
                for reader in self._trade_readers:
                    self.send(reader, event)
        elif isinstance(event, StreamAnswer):
            if event.error is not None:
                self._streams.refused(stream, str(event.error))
            else:
                self._streams.confirmed(stream, event.request_id)
        elif isinstance(event, StreamNotice):
            self.log.info("The exchange says of the public stream: %s", event.text)
            if event.is_ending:
                self._streams.renew()
        elif isinstance(event, BookSnapshot):
            sync = self._pairs.get(event.trading_pair)
            if sync is not None:
                if sync.is_synced:
                    sync.restart(PairUnsynced.STARTING)
                self._snapshot_came(sync, event)

    def _malformed_came(self, error: MalformedPayload) -> None:
        """A lost diff is noticed at the next one of its pair, by its sequence number: nothing else is to be done."""
        self._malformed += 1
        kind = str(error)[:40]
        if kind not in self._malformed_kinds and len(self._malformed_kinds) < 100:
            self._malformed_kinds.add(kind)
            self.log.warning("A frame of the public stream was dropped; the next like it are only counted: %s", error)

    # Pairs

    @handles(TradingRules)
    def _rules_came(self, message: TradingRules, _sender: Any) -> None:
        self._rules = message.by_trading_pair()
        new = [pair for pair in self._wanted_pairs if pair in self._rules and pair not in self._pairs]
        if new:
            self._follow(new)
        self._report()

    @handles(AddTradingPair)
    def _add_pair(self, message: AddTradingPair, sender: Any) -> None:
        pair = message.trading_pair
        if pair not in self._rules:
            reason = f"the exchange does not list {pair}" if self._rules else "the trading rules are not known yet"
            self.reply(sender, TradingPairRefused(trading_pair=pair, reason=reason))
            return
        if pair not in self._pairs:
            self._wanted_pairs.append(pair)
            self._follow([pair])
            self._report()
        self.reply(sender, TradingPairAdded(trading_pair=pair))

    @handles(RemoveTradingPair)
    def _remove_pair(self, message: RemoveTradingPair, sender: Any) -> None:
        pair = message.trading_pair
        if pair not in self._wanted_pairs:
            self.reply(sender, TradingPairRefused(trading_pair=pair, reason="the pair is not followed"))
            return
        self._wanted_pairs.remove(pair)
        if self._pairs.pop(pair, None) is not None:
            self._fetcher.cancel(pair)
            self._troubles.pop(pair, None)
            # The decoder still knows its symbol: frames that are under way are no mistakes of the exchange.
            self._streams.request(self.environment.dialect.unsubscribe_frames, [self._rules[pair]])
            if self.has_peer(roles.BOOK):
                self.tell(roles.BOOK, TradingPairRemoved(trading_pair=pair))
        self.reply(sender, TradingPairRemoved(trading_pair=pair))
        self._report()

    @handles(ResyncPair)
    def _resync_asked(self, message: ResyncPair, _sender: Any) -> None:
        sync = self._pairs.get(message.trading_pair)
        if sync is not None and sync.is_synced:
            sync.restart(message.reason)
            self._lost_step(sync)

    @handles(Subscribers)
    def _subscribers_changed(self, message: Subscribers, _sender: Any) -> None:
        if message.topic is Topic.TRADES:
            self._trade_readers = message.addresses

    def on_peer_up(self, role: str) -> None:
        """A new book tracker knows nothing: every pair begins anew."""
        if role == roles.BOOK:
            for sync in self._pairs.values():
                sync.restart(PairUnsynced.STARTING)
                self._begin_anew(sync)
            self._report()

    def on_peer_down(self, role: str) -> None:
        """Without a book tracker there is nobody to keep in step."""
        if role == roles.BOOK:
            for sync in self._pairs.values():
                sync.restart(PairUnsynced.STARTING)
            self._report()

    def _follow(self, new: Sequence[str]) -> None:
        rule = self.environment.dialect.sync_rule
        for pair in new:
            self._pairs[pair] = PairSync(pair, rule)
        self._decoder = self.environment.dialect.market_decoder([self._rules[pair] for pair in self._wanted_known()])
        self._streams.request(self.environment.dialect.subscribe_frames, [self._rules[pair] for pair in new])

    def _wanted_known(self) -> list[str]:
        return [pair for pair in self._wanted_pairs if pair in self._rules]

    # Keeping in step

    def _gap_found(self, sync: PairSync) -> None:
        self._gaps += 1
        self._lost_step(sync)

    def _lost_step(self, sync: PairSync) -> None:
        self._resyncs += 1
        if self.has_peer(roles.BOOK):
            self.tell(roles.BOOK, BookStale(trading_pair=sync.trading_pair, reason=sync.reason))
        self._begin_anew(sync)
        self._report()

    def _fetch(self, sync: PairSync) -> None:
        """Get the pair a snapshot, if a stream runs that will continue it and somebody who wants it."""
        if not sync.wants_fetch or not self.has_peer(roles.BOOK):
            return
        if sync.buffered or self._streams.is_confirmed:
            self._fetcher.fetch(sync, self._rules[sync.trading_pair])

    def _subscribe_anew(self, sync: PairSync) -> None:
        """Where the snapshot comes with the subscription, a new subscription is how to ask for it."""
        if sync.is_synced or self._pairs.get(sync.trading_pair) is not sync:
            return
        rules = [self._rules[sync.trading_pair]]
        self._streams.request(self.environment.dialect.unsubscribe_frames, rules)
        self._streams.request(self.environment.dialect.subscribe_frames, rules)

    def _begin_anew(self, sync: PairSync) -> None:
        if sync.comes_on_stream:
            delay_s = self._backoff.delay_s(sync.attempts - 1) if sync.attempts > 1 else 0.0
            self.after(delay_s, partial(self._subscribe_anew, sync))
        else:
            self._fetch(sync)

    def _snapshot_came(self, sync: PairSync, snapshot: BookSnapshot) -> None:
        if not self.has_peer(roles.BOOK):
            return
        forward = sync.on_snapshot(snapshot)
        if forward is None:
            self._troubles[sync.trading_pair] = "its snapshot is older than the stream"
            self._begin_anew(sync)
        else:
            for item in forward:
                self.tell(roles.BOOK, item)
            self._troubles.pop(sync.trading_pair, None)
        self._report()

    def _fetch_failed(self, sync: PairSync, trouble: str) -> None:
        self._troubles[sync.trading_pair] = trouble
        self._report()

    def _settle(self) -> None:
        for sync in self._settled_candidates:
            if sync.is_synced:
                sync.settled()
        self._settled_candidates = [sync for sync in self._pairs.values() if sync.is_synced and sync.attempts]

    # The stream's life

    @handles(StreamOpened)
    def _stream_opened(self, message: StreamOpened, _sender: Any) -> None:
        self._streams.opened(message)

    @handles(StreamClosed)
    def _stream_closed(self, message: StreamClosed, _sender: Any) -> None:
        self._streams.closed(message)

    def _stream_confirmed(self) -> None:
        for sync in self._pairs.values():
            self._fetch(sync)
        self._report()

    def _stream_lost(self, reason: PairUnsynced, text: str) -> None:
        for sync in self._pairs.values():
            sync.forget(reason)
            if self.has_peer(roles.BOOK):
                self.tell(roles.BOOK, BookStale(trading_pair=sync.trading_pair, reason=reason, detail=text))
        self._report()

    def _followed_rules(self) -> list[TradingRule]:
        return [self._rules[pair] for pair in self._pairs]

    # Readiness

    def _report(self) -> None:
        reasons: list[str] = []
        if not self._rules:
            reasons.append("waits for the trading rules")
        elif unknown := [pair for pair in self._wanted_pairs if pair not in self._rules]:
            reasons.append(f"the exchange has no {', '.join(unknown)}")
        if self._streams.trouble:
            reasons.append(f"public stream: {self._streams.trouble}")
        unsynced = [sync for sync in self._pairs.values() if not sync.is_synced]
        if unsynced:
            named = ", ".join(self._describe(sync) for sync in unsynced[:PAIRS_NAMED])
            more = f" and {len(unsynced) - PAIRS_NAMED} more" if len(unsynced) > PAIRS_NAMED else ""
            reasons.append(f"{len(unsynced)} of {len(self._pairs)} pairs without a book: {named}{more}")
        if not reasons:
            self._has_been_ready = True
            self.set_readiness(Readiness.READY)
        else:
            readiness = Readiness.DEGRADED if self._has_been_ready else Readiness.STARTING
            next_step = "reconnects" if self._streams.is_reopening else "fetches their snapshots" if unsynced else ""
            self.set_readiness(readiness, "; ".join(reasons), next_step)

    def _describe(self, sync: PairSync) -> str:
        return f"{sync.trading_pair} ({self._troubles.get(sync.trading_pair, sync.reason.value)})"
