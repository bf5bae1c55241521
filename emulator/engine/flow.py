"""Simulated market participants, so that books move: a maker that quotes around a wandering price, and a taker.

Pure, and deterministic from its seed: the same seed, exchange and calls give the same orders.
"""

from collections.abc import Mapping
from decimal import Decimal
from math import exp
from random import Random

from openoutcry.emulator.engine.enums import OrderType, SelfTradePrevention, Side, TimeInForce
from openoutcry.emulator.engine.errors import Rejected
from openoutcry.emulator.engine.events import Event
from openoutcry.emulator.engine.exchange import Exchange
from openoutcry.emulator.engine.market import Market
from openoutcry.emulator.engine.records import NewOrder, Order

MAKER = "liquidity-maker"
TAKER = "liquidity-taker"
_DEPOSIT = Decimal(10) ** 15


class OrderFlow:
    """Background orders on some symbols of an exchange, by two accounts of its own with huge balances.

    Each call of `step` moves each price a little and acts a few times; afterwards both sides of each book have quotes.
    """

    def __init__(
        self,
        seed: int,
        symbols: Mapping[str, Decimal],
        *,
        levels: int = 30,
        actions: int = 12,
        volatility: float = 0.00005,
        taker_share: float = 0.1,
        width: float = 0.002,
        level_notional: float = 10_000.0,
    ) -> None:
        """`symbols` maps each symbol to its first price.

        `levels` is how many orders the maker keeps a side, `actions` how often they act a step and symbol,
        `volatility` the standard deviation of a step's relative price move, `taker_share` the part of the actions
        that take liquidity, `width` how far from the price the maker quotes (relative), `level_notional` the usual
        worth of an order in the quote asset. Raises ValueError unless `levels` and `actions` are at least 1.
        """
        if levels < 1 or actions < 1:
            raise ValueError(f"expected at least 1 level and 1 action, received {levels} and {actions}")
        self._random = Random(seed)  # noqa: S311 - a simulation
        self._levels = levels
        self._actions = actions
        self._volatility = volatility
        self._taker_share = taker_share
        self._width = width
        self._level_notional = level_notional
        self._start = {symbol: float(price) for symbol, price in symbols.items()}
        self._mid = dict(self._start)
        self.refused = 0
        """Orders that the exchange did not take, as happens while a market is closed."""

    def start(self, exchange: Exchange, now_ms: int) -> tuple[Event, ...]:
        """Open the two accounts and quote all levels. `step` does this by itself the first time."""
        if MAKER not in exchange.accounts:
            markets = [exchange.market(symbol) for symbol in self._mid]
            assets = {asset: _DEPOSIT for market in markets for asset in (market.base_asset, market.quote_asset)}
            for account_id in (MAKER, TAKER):
                exchange.open_account(account_id, assets, keeps_history=False)
        events: list[Event] = []
        for symbol in self._mid:
            self._fill_up(exchange, exchange.market(symbol), self._levels, now_ms, events)
        return tuple(events)

    def step(self, exchange: Exchange, now_ms: int) -> tuple[Event, ...]:
        """Let time pass on every symbol. Returns all events that it caused, for the accounts of others too."""
        if MAKER not in exchange.accounts:
            return self.start(exchange, now_ms)
        events: list[Event] = []
        for symbol in self._mid:
            self._step_symbol(exchange, exchange.market(symbol), now_ms, events)
        return tuple(events)

    def _step_symbol(self, exchange: Exchange, market: Market, now_ms: int, events: list[Event]) -> None:
        if market.status != "TRADING":
            return
        self._move(market.symbol)
        budget = self._actions
        budget -= self._withdraw_stale(exchange, market, budget, now_ms, events)
        while budget > 0:
            budget -= 1
            if self._random.random() < self._taker_share:
                self._take(exchange, market, now_ms, events)
            else:
                self._requote(exchange, market, now_ms, events)
        # Whatever was taken or withdrawn, nobody finds a side empty.
        self._fill_up(exchange, market, 1, now_ms, events)

    def _move(self, symbol: str) -> None:
        start, mid = self._start[symbol], self._mid[symbol]
        # The pull back to the first price keeps a long run within the symbol's filters.
        drift = 0.0005 * (start - mid) / start * self._volatility / 0.00005
        self._mid[symbol] = mid * exp(self._random.gauss(drift, self._volatility))

    def _withdraw_stale(self, exchange: Exchange, market: Market, budget: int, now_ms: int, events: list[Event]) -> int:
        """Cancel quotes that the price has passed or left far behind, the last one of a side excepted."""
        mid = self._mid[market.symbol]
        span = self._span(market)
        used = 0
        left = {side: len(orders) for side, orders in self._quotes(exchange, market).items()}
        for order in exchange.open_orders(MAKER, market.symbol):
            distance = (mid - float(order.price)) / mid * (1 if order.side is Side.BUY else -1)
            if used < budget and left[order.side] > 1 and not 0 < distance < 2 * span:
                left[order.side] -= 1
                used += 1
                self._cancel(exchange, order, now_ms, events)
        return used

    def _requote(self, exchange: Exchange, market: Market, now_ms: int, events: list[Event]) -> None:
        side = self._random.choice((Side.BUY, Side.SELL))
        orders = self._quotes(exchange, market)[side]
        if len(orders) >= self._levels and len(orders) > 1:
            self._cancel(exchange, self._random.choice(orders), now_ms, events)
        else:
            self._quote(exchange, market, side, now_ms, events)

    def _fill_up(self, exchange: Exchange, market: Market, levels: int, now_ms: int, events: list[Event]) -> None:
        # A new quote may trade at once with what others have on the book, or take the place of a stale one of the
        # other side, so a few tries may be needed.
        for _ in range(3 * levels):
            quotes = self._quotes(exchange, market)
            missing = [side for side, orders in quotes.items() if len(orders) < levels]
            if not missing:
                break
            for side in missing:
                self._quote(exchange, market, side, now_ms, events)

    def _quotes(self, exchange: Exchange, market: Market) -> dict[Side, list[Order]]:
        quotes: dict[Side, list[Order]] = {Side.BUY: [], Side.SELL: []}
        for order in exchange.open_orders(MAKER, market.symbol):
            quotes[order.side].append(order)
        return quotes

    def _quote(self, exchange: Exchange, market: Market, side: Side, now_ms: int, events: list[Event]) -> None:
        mid = self._mid[market.symbol]
        # Denser near the price, as books are.
        distance = self._span(market) * (0.02 + self._random.random() ** 2)
        raw = mid * (1 - distance if side is Side.BUY else 1 + distance)
        tick = market.tick_size or market.quote_unit
        ticks = int(raw / float(tick)) + (side is Side.SELL)
        price = max(ticks, 1) * tick
        new = NewOrder(
            symbol=market.symbol,
            side=side,
            type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            quantity=self._quantity(market, price, self._random.lognormvariate(0.0, 0.8)),
            price=price,
            # A quote that the price has passed gives way to the new one of the other side.
            self_trade_prevention_mode=SelfTradePrevention.EXPIRE_MAKER,
        )
        self._place(exchange, MAKER, new, now_ms, events)

    def _take(self, exchange: Exchange, market: Market, now_ms: int, events: list[Event]) -> None:
        side = self._random.choice((Side.BUY, Side.SELL))
        best = exchange.best(market.symbol)
        opposite = best.ask if side is Side.BUY else best.bid
        if opposite is None:
            return
        quantity = self._quantity(market, opposite[0], 0.5 * self._random.lognormvariate(0.0, 1.0))
        new = NewOrder(symbol=market.symbol, side=side, type=OrderType.MARKET, quantity=quantity)
        self._place(exchange, TAKER, new, now_ms, events)

    def _span(self, market: Market) -> float:
        """How far from the price quotes lie, relative to it: wide enough for the levels where the tick is coarse."""
        tick = float(market.tick_size or market.quote_unit)
        return max(self._width, 2 * self._levels * tick / self._mid[market.symbol])

    def _quantity(self, market: Market, price: Decimal, factor: float) -> Decimal:
        """`factor` times the usual size on the symbol's grid, within its filters as far as they can be met."""
        step = market.step_size or market.base_unit
        least = max(market.min_quantity, market.market_min_quantity, market.min_notional / price)
        steps = max(int(self._level_notional * factor / float(price) / float(step)), int(least / step) + 1)
        quantity = steps * step
        largest = min(limit for limit in (market.max_quantity, market.market_max_quantity, quantity) if limit)
        return largest // step * step

    def _place(self, exchange: Exchange, account_id: str, new: NewOrder, now_ms: int, events: list[Event]) -> None:
        try:
            events.extend(exchange.place(account_id, new, now_ms).events)
        except Rejected:
            self.refused += 1

    @staticmethod
    def _cancel(exchange: Exchange, order: Order, now_ms: int, events: list[Event]) -> None:
        events.extend(exchange.cancel(MAKER, order.symbol, order_id=order.order_id, now_ms=now_ms).events)
