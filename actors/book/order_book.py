"""One pair's order book: absolute amounts by price, and its best prices at once.

A side is a dict from price to amount. The best price comes from a heap of all prices that ever entered the side; prices
that have left it are thrown away only when they come to the top. Against a sorted container this makes the common
change, another amount at a known price, one dict store, and costs a push only for a new price. Reading in order sorts,
which is what a reader pays and not the stream. `benchmarks/book_path.py` shows both.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from openoutcry.messages.market import BookDiff, BookSnapshot, Level, OrderBookView

_SLACK = 64
"""How many dead prices a heap may hold beyond as many as it has live ones, before it is built anew."""


class OrderBook:
    """The levels of one trading pair at one update id. Pure: no clock, no I/O."""

    __slots__ = (
        "_ask_heap",
        "_bid_heap",
        "asks",
        "bids",
        "exchange_time_ms",
        "received_ns",
        "trading_pair",
        "update_id",
    )

    def __init__(self, trading_pair: str) -> None:
        self.trading_pair = trading_pair
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self._bid_heap: list[float] = []
        """Bid prices with their sign turned, for heapq keeps the smallest on top. On top is always a live price."""
        self._ask_heap: list[float] = []
        self.update_id = 0
        self.exchange_time_ms = 0
        self.received_ns = 0

    def apply_snapshot(self, snapshot: BookSnapshot) -> None:
        """Begin anew from a whole book."""
        self.bids = {price: amount for price, amount in snapshot.bids if amount}
        self.asks = {price: amount for price, amount in snapshot.asks if amount}
        self._rebuild_bid_heap()
        self._rebuild_ask_heap()
        self.update_id = snapshot.update_id
        self.exchange_time_ms = 0
        self.received_ns = snapshot.received_ns

    def apply_diff(self, diff: BookDiff) -> None:
        """Put the changed levels in place. Whether the diff may be applied now is the caller's to know."""
        changes = diff.bids
        if changes:
            levels = self.bids
            heap = self._bid_heap
            for price, amount in changes:
                if amount:
                    if price not in levels:
                        heappush(heap, -price)
                    levels[price] = amount
                elif price in levels:
                    del levels[price]
            while heap and -heap[0] not in levels:
                heappop(heap)
            if len(heap) > 2 * len(levels) + _SLACK:
                self._rebuild_bid_heap()
        changes = diff.asks
        if changes:
            levels = self.asks
            heap = self._ask_heap
            for price, amount in changes:
                if amount:
                    if price not in levels:
                        heappush(heap, price)
                    levels[price] = amount
                elif price in levels:
                    del levels[price]
            while heap and heap[0] not in levels:
                heappop(heap)
            if len(heap) > 2 * len(levels) + _SLACK:
                self._rebuild_ask_heap()
        self.update_id = diff.final_update_id
        self.exchange_time_ms = diff.exchange_time_ms
        self.received_ns = diff.received_ns

    @property
    def best_bid(self) -> Level | None:
        """The highest bid with its amount; None on an empty side."""
        if not self._bid_heap:
            return None
        price = -self._bid_heap[0]
        return price, self.bids[price]

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask with its amount; None on an empty side."""
        if not self._ask_heap:
            return None
        price = self._ask_heap[0]
        return price, self.asks[price]

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best ask: no exchange's book is, so ours is wrong."""
        bids = self._bid_heap
        asks = self._ask_heap
        return bool(bids and asks and -bids[0] >= asks[0])

    def view(self, depth: int | None = None) -> OrderBookView:
        """An immutable view, best levels first; `depth` levels a side, or all."""
        return OrderBookView(
            trading_pair=self.trading_pair,
            bids=tuple(sorted(self.bids.items(), reverse=True)[:depth]),
            asks=tuple(sorted(self.asks.items())[:depth]),
            sequence=self.update_id,
            timestamp=self.exchange_time_ms / 1000,
            received_ns=self.received_ns,
        )

    def _rebuild_bid_heap(self) -> None:
        self._bid_heap = _heap_of(-price for price in self.bids)

    def _rebuild_ask_heap(self) -> None:
        self._ask_heap = _heap_of(self.asks)


def _heap_of(prices: Iterable[float]) -> list[float]:
    heap = list(prices)
    heapify(heap)
    return heap
