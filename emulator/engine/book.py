"""One symbol's order book: price levels, each a queue, and the sequence of its changes.

A level's quantity is always the sum of what its orders have left to trade. Each change of a level's quantity takes one
update id.
"""

from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

from sortedcontainers import SortedDict

from openoutcry.emulator.engine.account import LiveOrder
from openoutcry.emulator.engine.market import ZERO
from openoutcry.emulator.engine.records import BestPrices, DepthChange, DepthView, PriceLevel


class Level:
    """All orders of one side at one price, oldest first."""

    __slots__ = ("is_changed", "orders", "price", "quantity")

    def __init__(self, price: Decimal) -> None:
        self.price = price
        self.quantity = ZERO
        # Unlike a dict, it finds its first item in constant time after many were taken from the front.
        self.orders: OrderedDict[int, LiveOrder] = OrderedDict()
        self.is_changed = False
        """Whether it stands in its side's list of changes already."""


class BookSide:
    """The levels of one side, sorted; those that changed since they were last taken."""

    __slots__ = ("best", "changes", "is_bid", "levels")

    def __init__(self, *, is_bid: bool) -> None:
        self.is_bid = is_bid
        self.levels: SortedDict = SortedDict()
        """Price → Level, lowest price first. Changed by `add_level` and `remove_level` only."""
        self.best: Level | None = None
        """The level that trades first. Kept at hand, for every order asks for it."""
        self.changes: list[Level] = []
        """A price that emptied and filled again stands here twice; the later level counts."""

    def add_level(self, price: Decimal) -> Level:
        """A new, empty level."""
        level: Level = Level(price)
        self.levels[price] = level
        best = self.best
        if best is None or (price > best.price if self.is_bid else price < best.price):
            self.best = level
        return level

    def remove_level(self, level: Level) -> None:
        """A level has emptied."""
        levels = self.levels
        del levels[level.price]
        if level is self.best:
            self.best = levels.peekitem(-1 if self.is_bid else 0)[1] if levels else None

    def from_best(self) -> Iterator[Level]:
        """The levels, best first. The side must not change meanwhile."""
        levels = self.levels
        return (levels[price] for price in (reversed(levels) if self.is_bid else levels))

    def top(self, limit: int) -> tuple[PriceLevel, ...]:
        """The best `limit` levels."""
        return tuple((level.price, level.quantity) for level in islice(self.from_best(), limit))

    def take_changes(self) -> tuple[PriceLevel, ...]:
        """The levels that changed since the last call."""
        changes: dict[Decimal, Decimal] = {}
        for level in self.changes:
            changes[level.price] = level.quantity
            level.is_changed = False
        self.changes = []
        return tuple(changes.items())


class Book:
    """An order book. It knows nothing of money and doesn't match; it keeps queues and counts changes."""

    __slots__ = ("asks", "bids", "symbol", "taken_update_id", "update_id")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.bids = BookSide(is_bid=True)
        self.asks = BookSide(is_bid=False)
        self.update_id = 0
        """Of the last change."""
        self.taken_update_id = 0

    def add(self, order: LiveOrder) -> None:
        """Put an order at the end of its price's queue."""
        side = self.bids if order.is_buy else self.asks
        level: Level | None = side.levels.get(order.price)
        if level is None:
            level = side.add_level(order.price)
        level.orders[order.order_id] = order
        order.level = level
        self._change(side, level, order.remaining)

    def reduce(self, order: LiveOrder, quantity: Decimal) -> None:
        """A resting order has traded `quantity`; it leaves if nothing remains. Its own figures are up to date."""
        level = order.level
        assert level is not None  # noqa: S101 - resting orders have one
        side = self.bids if order.is_buy else self.asks
        if not order.remaining:
            self._take_out(side, level, order)
        self._change(side, level, -quantity)

    def remove(self, order: LiveOrder) -> None:
        """Take a resting order off the book."""
        level = order.level
        assert level is not None  # noqa: S101 - resting orders have one
        side = self.bids if order.is_buy else self.asks
        self._take_out(side, level, order)
        self._change(side, level, -order.remaining)

    def depth(self, limit: int) -> DepthView:
        """The best `limit` levels of each side."""
        return DepthView(self.symbol, self.update_id, self.bids.top(limit), self.asks.top(limit))

    def best(self) -> BestPrices:
        """The top of the book."""
        bid = self.bids.best
        ask = self.asks.best
        return BestPrices(
            self.symbol,
            self.update_id,
            (bid.price, bid.quantity) if bid is not None else None,
            (ask.price, ask.quantity) if ask is not None else None,
        )

    def take_changes(self) -> DepthChange | None:
        """What changed since the last call, merged; None if nothing did."""
        first = self.taken_update_id + 1
        last = self.taken_update_id = self.update_id
        if last < first:
            return None
        return DepthChange(self.symbol, first, last, self.bids.take_changes(), self.asks.take_changes())

    @staticmethod
    def _take_out(side: BookSide, level: Level, order: LiveOrder) -> None:
        del level.orders[order.order_id]
        order.level = None
        if not level.orders:
            side.remove_level(level)

    def _change(self, side: BookSide, level: Level, by: Decimal) -> None:
        level.quantity += by
        self.update_id += 1
        if not level.is_changed:
            level.is_changed = True
            side.changes.append(level)
