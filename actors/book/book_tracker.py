"""BookTracker: the order books of a connector.

Hears: from the book source `BookSnapshot`, `BookDiff`, `BookStale`, `BestQuote`, `TradingPairRemoved`; from anyone
`GetOrderBook`; from the facade `Subscribers` (best bid and ask).
Says: `BestBidAsk` and `BookStale` to the subscribers, the newest of each pair once all that had come is applied;
`ResyncPair` to the book source when a book is crossed or differs from the exchange's own best quote.
On restart it forgets every book; the book source hears of it and begins each pair anew.

A book is fresh between a snapshot and the next `BookStale`; nothing is shown of it at other times.
"""

from typing import Any

import msgspec

from openoutcry.actors import roles
from openoutcry.actors.book.order_book import OrderBook
from openoutcry.actors.runtime import ComponentActor, handles
from openoutcry.messages.lifecycle import Readiness, Subscribers, Topic
from openoutcry.messages.market import (
    BestBidAsk,
    BestQuote,
    BookDiff,
    BookSnapshot,
    BookStale,
    BookUnavailable,
    GetOrderBook,
    PairUnsynced,
    ResyncPair,
    TradingPairRemoved,
)

WITNESSES_KEPT = 64
"""Best quotes of a pair that wait for the diff with their update id."""


class _Sweep(msgspec.Struct, frozen=True):
    """From the tracker to itself: what lay in the mailbox is applied, publish now."""


class _Fresh:
    """A book that is in step, and the quotes that will prove it."""

    __slots__ = ("book", "witnesses")

    def __init__(self, book: OrderBook) -> None:
        self.book = book
        self.witnesses: dict[int, BestQuote] = {}


_NOT_A_NUMBER = float("nan")
_EMPTY_SIDE = (_NOT_A_NUMBER, 0.0)
_SWEEP = _Sweep()


class BookTracker(ComponentActor):
    """The only owner of the order books."""

    def on_start(self) -> None:
        """Wait for snapshots."""
        self._fresh: dict[str, _Fresh] = {}
        self._stale: dict[str, BookStale] = {}
        self._dirty: dict[str, OrderBook] = {}
        self._readers: tuple[Any, ...] = ()
        self._diffs = self._snapshots = self._crossed = self._published = self._agreed = self._differed = 0
        self._report()

    def figures(self) -> tuple[tuple[str, str], ...]:
        """What was applied, and what the exchange's own quotes said of it."""
        return (
            ("diffs", str(self._diffs)),
            ("snapshots", str(self._snapshots)),
            ("published", str(self._published)),
            ("crossed", str(self._crossed)),
            ("witness_agreed", str(self._agreed)),
            ("witness_differed", str(self._differed)),
        )

    # The hot path

    @handles(BookDiff)
    def _diff_came(self, message: BookDiff, _sender: Any) -> None:
        pair = message.trading_pair
        fresh = self._fresh.get(pair)
        if fresh is None:
            return
        self._diffs += 1
        book = fresh.book
        book.apply_diff(message)
        if book.is_crossed:
            self._found_crossed(book)
            return
        if fresh.witnesses:
            quote = fresh.witnesses.pop(book.update_id, None)
            if quote is not None and not self._agrees(book, quote):
                return
        if self._readers:
            dirty = self._dirty
            if not dirty:
                self._myRef.actor_send(self._myRef.address, _SWEEP)
            dirty[pair] = book

    @handles(BestQuote)
    def _quote_came(self, message: BestQuote, _sender: Any) -> None:
        fresh = self._fresh.get(message.trading_pair)
        if fresh is None:
            return
        last = fresh.book.update_id
        update_id = message.update_id
        if update_id > last:
            witnesses = fresh.witnesses
            witnesses[update_id] = message
            if len(witnesses) > WITNESSES_KEPT:
                self._thin_out(fresh)
        elif update_id == last:
            self._agrees(fresh.book, message)

    @handles(_Sweep)
    def _publish(self, _message: _Sweep, _sender: Any) -> None:
        dirty = self._dirty
        self._dirty = {}
        for book in dirty.values():
            message = _best_bid_ask(book)
            self._published += 1
            for reader in self._readers:
                self.send(reader, message)

    # Snapshots, staleness

    @handles(BookSnapshot)
    def _snapshot_came(self, message: BookSnapshot, _sender: Any) -> None:
        pair = message.trading_pair
        self._snapshots += 1
        self._stale.pop(pair, None)
        book = OrderBook(pair)
        book.apply_snapshot(message)
        self._fresh[pair] = _Fresh(book)
        if book.is_crossed:
            self._found_crossed(book)
            return
        if self._readers:
            if not self._dirty:
                self.send(self.myAddress, _SWEEP)
            self._dirty[pair] = book
        self._report()

    @handles(BookStale)
    def _stale_came(self, message: BookStale, _sender: Any) -> None:
        self._make_stale(message)

    @handles(TradingPairRemoved)
    def _pair_removed(self, message: TradingPairRemoved, _sender: Any) -> None:
        pair = message.trading_pair
        self._make_stale(BookStale(trading_pair=pair, reason=PairUnsynced.DISCONNECTED, detail="no longer followed"))
        del self._stale[pair]
        self._report()

    def on_overflow(self, message_type: type, key: object) -> None:
        """Diffs of a pair were dropped: its book has a hole."""
        if message_type is BookDiff and isinstance(key, str):
            self._lose(BookStale(trading_pair=key, reason=PairUnsynced.OVERFLOW, detail="diffs came faster than read"))

    def on_peer_down(self, role: str) -> None:
        """Without a source no book is fresh."""
        if role == roles.BOOK_SOURCE:
            for pair in list(self._fresh):
                stale = BookStale(trading_pair=pair, reason=PairUnsynced.DISCONNECTED, detail="the book source is down")
                self._make_stale(stale)

    def _found_crossed(self, book: OrderBook) -> None:
        self._crossed += 1
        detail = f"best bid {book.best_bid}, best ask {book.best_ask} at update {book.update_id}"
        self._lose(BookStale(trading_pair=book.trading_pair, reason=PairUnsynced.CROSSED, detail=detail))

    def _lose(self, stale: BookStale) -> None:
        """This actor itself has found the book wrong."""
        self.log.warning("The book of %s is not to be trusted: %s (%s)", stale.trading_pair, stale.reason, stale.detail)
        self._make_stale(stale)
        self.tell(roles.BOOK_SOURCE, ResyncPair(trading_pair=stale.trading_pair, reason=stale.reason))

    def _make_stale(self, stale: BookStale) -> None:
        pair = stale.trading_pair
        was_stale = pair in self._stale
        self._fresh.pop(pair, None)
        self._dirty.pop(pair, None)
        self._stale[pair] = stale
        if not was_stale:
            for reader in self._readers:
                self.send(reader, stale)
            self._report()

    # The witness

    def _agrees(self, book: OrderBook, quote: BestQuote) -> bool:
        """Whether the exchange's best quote of this update id is what the book says; if not the book is wrong."""
        bid = book.best_bid
        ask = book.best_ask
        if bid == (quote.bid_price, quote.bid_amount) and ask == (quote.ask_price, quote.ask_amount):
            self._agreed += 1
            return True
        if (bid is None and not quote.bid_amount) or (ask is None and not quote.ask_amount):
            return True  # an empty side, which exchanges quote as they please
        self._differed += 1
        self._lose(
            BookStale(
                trading_pair=book.trading_pair,
                reason=PairUnsynced.CHECKSUM,
                detail=f"best bid {bid} and ask {ask} at update {book.update_id}, the exchange quotes "
                f"{(quote.bid_price, quote.bid_amount)} and {(quote.ask_price, quote.ask_amount)}",
            )
        )
        return False

    def _thin_out(self, fresh: _Fresh) -> None:
        last = fresh.book.update_id
        kept = {update_id: quote for update_id, quote in fresh.witnesses.items() if update_id > last}
        fresh.witnesses = kept if len(kept) <= WITNESSES_KEPT else {}

    # Answers

    @handles(GetOrderBook)
    def _book_asked(self, message: GetOrderBook, sender: Any) -> None:
        pair = message.trading_pair
        fresh = self._fresh.get(pair)
        if fresh is not None:
            self.reply(sender, fresh.book.view(message.depth))
            return
        stale = self._stale.get(pair)
        if stale is None:
            reason = "no book of this pair has come yet"
        else:
            reason = f"the book is stale: {stale.reason.value}" + (f" ({stale.detail})" if stale.detail else "")
        self.reply(sender, BookUnavailable(trading_pair=pair, reason=reason))

    @handles(Subscribers)
    def _subscribers_changed(self, message: Subscribers, _sender: Any) -> None:
        if message.topic is not Topic.BEST_BID_ASK:
            return
        new = [address for address in message.addresses if address not in self._readers]
        self._readers = message.addresses
        for address in new:
            for fresh in self._fresh.values():
                self.send(address, _best_bid_ask(fresh.book))
            for stale in self._stale.values():
                self.send(address, stale)

    def _report(self) -> None:
        if self._stale:
            pairs = ", ".join(f"{pair} ({stale.reason.value})" for pair, stale in list(self._stale.items())[:5])
            self.set_readiness(
                Readiness.DEGRADED, f"{len(self._stale)} books are stale: {pairs}", "waits for snapshots"
            )
        else:
            self.set_readiness(Readiness.READY)


def _best_bid_ask(book: OrderBook) -> BestBidAsk:
    """A side that is empty has a price of nan and an amount of zero."""
    bid_price, bid_amount = book.best_bid or _EMPTY_SIDE
    ask_price, ask_amount = book.best_ask or _EMPTY_SIDE
    return BestBidAsk(
        book.trading_pair,
        bid_price,
        bid_amount,
        ask_price,
        ask_amount,
        book.update_id,
        book.exchange_time_ms,
        book.received_ns,
    )
