"""What the bot's side knows of the market: the newest of what was published, and whether it may be trusted."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass

from openoutcry.errors import StaleMarketData, UnknownTradingPair
from openoutcry.feeds import Feed
from openoutcry.messages.market import BestBidAsk, BookStale, PublicTrade


@dataclass(frozen=True, slots=True)
class BestPrices:
    """Best bid and ask; unpacks as `bid, ask`."""

    bid: float
    ask: float
    bid_amount: float
    ask_amount: float
    sequence: int
    """The exchange's sequence number of the book."""
    age_s: float
    """Since the last change arrived here."""

    def __iter__(self) -> Iterator[float]:
        return iter((self.bid, self.ask))


class MarketView:
    """The newest best bid and ask of each followed pair, and the feeds of one connector."""

    def __init__(self, connector: str, trading_pairs: Iterable[str], now_ns: Callable[[], int]) -> None:
        self._connector = connector
        self._now_ns = now_ns
        self._best: dict[str, BestBidAsk] = {}
        self._stale: dict[str, str] = {}
        self._updates: dict[str, Feed[BestBidAsk]] = {}
        self._trades: dict[str, Feed[PublicTrade]] = {}
        for trading_pair in trading_pairs:
            self.add(trading_pair)

    @property
    def trading_pairs(self) -> tuple[str, ...]:
        """The pairs that are followed."""
        return tuple(self._updates)

    def add(self, trading_pair: str) -> None:
        """Follow a pair; stale until its first book."""
        if trading_pair not in self._updates:
            self._updates[trading_pair] = Feed(buffer=1)
            self._trades[trading_pair] = Feed(buffer=10_000)
            self._stale[trading_pair] = "its first book is on the way"

    def remove(self, trading_pair: str) -> None:
        """Follow a pair no longer; its iterations end."""
        self._updates.pop(trading_pair).close()
        self._trades.pop(trading_pair).close()
        self._best.pop(trading_pair, None)
        self._stale.pop(trading_pair, None)

    def require(self, trading_pair: str) -> None:
        """Complain of a pair that is not followed."""
        if trading_pair not in self._updates:
            followed = ", ".join(self._updates) or "none"
            raise UnknownTradingPair(
                f"{self._connector} does not follow {trading_pair}; it follows {followed}. "
                "Name it under trading_pairs in the config, or call add_trading_pair"
            )

    def best(self, trading_pair: str) -> BestPrices:
        """The newest best bid and ask, if the book may be trusted."""
        self.require(trading_pair)
        if trading_pair in self._stale:
            raise StaleMarketData(f"{self._connector}: {trading_pair} is stale: {self._stale[trading_pair]}")
        best = self._best[trading_pair]
        return BestPrices(
            bid=best.bid_price,
            ask=best.ask_price,
            bid_amount=best.bid_amount,
            ask_amount=best.ask_amount,
            sequence=best.update_id,
            age_s=(self._now_ns() - best.received_ns) / 1e9,
        )

    def best_bid_ask_published(self, message: BestBidAsk) -> None:
        """The pair's book is fresh. A late word on a pair that was removed changes nothing."""
        trading_pair = message.trading_pair
        feed = self._updates.get(trading_pair)
        if feed is not None:
            self._best[trading_pair] = message
            if trading_pair in self._stale:
                del self._stale[trading_pair]
            feed.publish(message)

    def book_stale(self, message: BookStale) -> None:
        """The pair's book is not to be trusted until the next best bid and ask."""
        if message.trading_pair in self._updates:
            self._stale[message.trading_pair] = message.reason.value + (
                f" ({message.detail})" if message.detail else ""
            )

    def all_stale(self, reason: str) -> None:
        """No book is to be trusted."""
        self._stale = dict.fromkeys(self._updates, reason)

    def trade_published(self, message: PublicTrade) -> None:
        """A public trade."""
        feed = self._trades.get(message.trading_pair)
        if feed is not None:
            feed.publish(message)

    def trades(self, trading_pair: str) -> AsyncIterator[PublicTrade]:
        """Public trades from now on."""
        self.require(trading_pair)
        return self._trades[trading_pair].items()

    def book_updates(self, trading_pair: str) -> AsyncIterator[BestBidAsk]:
        """The present best bid and ask, if fresh, and each newer one."""
        self.require(trading_pair)
        return self._updates[trading_pair].items(None if trading_pair in self._stale else self._best.get(trading_pair))

    def close(self) -> None:
        """End all iterations."""
        for updates in self._updates.values():
            updates.close()
        for trades in self._trades.values():
            trades.close()
