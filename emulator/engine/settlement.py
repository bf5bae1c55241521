"""What happens to orders and balances when something is placed, traded or ended, and the events that tell of it."""

from collections import deque
from decimal import ROUND_DOWN, Decimal

from openoutcry.emulator.engine.account import Account, LiveOrder
from openoutcry.emulator.engine.book import Book
from openoutcry.emulator.engine.enums import ExecutionType, ExpiryReason, OrderStatus, OrderType, SelfTradePrevention
from openoutcry.emulator.engine.events import BalanceReport, Event, OrderReport, PublicTrade
from openoutcry.emulator.engine.market import ZERO, Market
from openoutcry.emulator.engine.matching import quote_amount, quote_hold
from openoutcry.emulator.engine.records import PreventedMatch, Trade

PUBLIC_TRADES_KEPT = 10_000


class Listing:
    """A market with its book and what was traded on it."""

    __slots__ = ("book", "last_price", "market", "next_prevented_match_id", "next_trade_id", "trades")

    def __init__(self, market: Market) -> None:
        self.market = market
        self.book = Book(market.symbol)
        self.last_price: Decimal | None = None
        self.next_trade_id = 1
        self.next_prevented_match_id = 0
        self.trades: deque[PublicTrade] = deque(maxlen=PUBLIC_TRADES_KEPT)


class Counters:
    """What the whole exchange shares: its sequences and the fees it has taken."""

    __slots__ = ("execution_id", "fees", "order_id")

    def __init__(self) -> None:
        self.order_id = 0
        self.execution_id = 0
        self.fees: dict[str, Decimal] = {}


class Settlement:
    """One request's effects on one market, all at one time. `finish` gives the events in the order they are sent."""

    __slots__ = ("_accounts", "_counters", "_events", "_listing", "_market", "_now_ms", "prevented_matches")

    def __init__(self, listing: Listing, counters: Counters, now_ms: int) -> None:
        self._listing = listing
        self._market = listing.market
        self._counters = counters
        self._now_ms = now_ms
        self._events: list[Event] = []
        self._accounts: dict[str, Account] = {}
        self.prevented_matches: list[PreventedMatch] = []

    def accept(self, order: LiveOrder) -> None:
        """A new order: what it may cost is held, and it is told of as NEW, before any trade."""
        order.account.add_order(order)
        self._hold(order)
        self._report(order, ExecutionType.NEW, is_on_book=True)

    def rest(self, order: LiveOrder) -> None:
        """Put what is left of a new order on the book."""
        self._listing.book.add(order)

    def trade(self, taker: LiveOrder, maker: LiveOrder, quantity: Decimal) -> Trade:
        """The two orders trade at the maker's price. Returns the taker's side of it."""
        listing = self._listing
        price = maker.price
        quote = quote_amount(self._market, price, quantity)
        trade_id = listing.next_trade_id
        listing.next_trade_id += 1
        listing.last_price = price
        fill = self._fill(taker, trade_id, price, quantity, quote, is_maker=False)
        self._fill(maker, trade_id, price, quantity, quote, is_maker=True)
        listing.book.reduce(maker, quantity)
        buyer, seller = (taker, maker) if taker.is_buy else (maker, taker)
        public = PublicTrade(
            self._market.symbol,
            trade_id,
            price,
            quantity,
            quote,
            buyer.order_id,
            seller.order_id,
            maker.is_buy,
            self._now_ms,
        )
        listing.trades.append(public)
        self._events.append(public)
        return fill

    def prevent(self, taker: LiveOrder, maker: LiveOrder) -> None:
        """The two orders are of one account; the taker's mode says which of them expires."""
        listing = self._listing
        match_id = listing.next_prevented_match_id
        listing.next_prevented_match_id += 1
        mode = taker.self_trade_prevention_mode
        taker_expires = mode is not SelfTradePrevention.EXPIRE_MAKER
        maker_expires = mode is not SelfTradePrevention.EXPIRE_TAKER
        self.prevented_matches.append(
            PreventedMatch(
                self._market.symbol,
                match_id,
                taker.order_id,
                maker.order_id,
                mode,
                maker.price,
                taker.remaining if taker_expires else None,
                maker.remaining if maker_expires else None,
                self._now_ms,
            )
        )
        if taker_expires:
            self._expire_in_match(taker, match_id)
        if maker_expires:
            listing.book.remove(maker)
            self._expire_in_match(maker, match_id)

    def expire(self, order: LiveOrder, reason: ExpiryReason) -> None:
        """What is left of an order that doesn't rest has ended."""
        order.expiry_reason = reason
        self._end(order, OrderStatus.EXPIRED)
        self._report(order, ExecutionType.EXPIRED, is_on_book=False)

    def cancel(self, order: LiveOrder, cancel_id: str) -> None:
        """Take an open order off the book at its account's wish."""
        self._listing.book.remove(order)
        self._end(order, OrderStatus.CANCELED)
        self._report(order, ExecutionType.CANCELED, is_on_book=False, cancel_id=cancel_id)

    def finish(self) -> tuple[Event, ...]:
        """All events: orders and trades as they happened, then each account's balances."""
        events = self._events
        base, quote = self._market.base_asset, self._market.quote_asset
        for account_id, account in self._accounts.items():
            events.append(BalanceReport(account_id, self._now_ms, (account.balance(base), account.balance(quote))))
        return tuple(events)

    def _hold(self, order: LiveOrder) -> None:
        """Hold exactly what the open order may still need. Market orders pay as they trade."""
        market = self._market
        if order.type is OrderType.MARKET or not order.is_open:
            hold = ZERO
        else:
            hold = quote_hold(market, order.price, order.remaining) if order.is_buy else order.remaining
        difference = hold - order.hold
        if difference:
            asset = market.quote_asset if order.is_buy else market.base_asset
            order.hold = hold
            order.account.free[asset] -= difference
            order.account.locked[asset] += difference

    def _fill(
        self, order: LiveOrder, trade_id: int, price: Decimal, quantity: Decimal, quote: Decimal, *, is_maker: bool
    ) -> Trade:
        market = self._market
        account = order.account
        order.remaining -= quantity
        order.executed_quantity += quantity
        order.executed_quote += quote
        if order.remaining:
            order.status = OrderStatus.PARTIALLY_FILLED
        else:
            order.status = OrderStatus.FILLED
            order.is_open = False
        self._hold(order)
        own_rate = account.maker_fee if is_maker else account.taker_fee
        market_rate = market.maker_fee if is_maker else market.taker_fee
        rate = own_rate if own_rate is not None else market_rate
        if order.is_buy:
            paid_asset, paid = market.quote_asset, quote
            received_asset, received, unit = market.base_asset, quantity, market.base_unit
        else:
            paid_asset, paid = market.base_asset, quantity
            received_asset, received, unit = market.quote_asset, quote, market.quote_unit
        fee = (received * rate).quantize(unit, ROUND_DOWN) if rate else ZERO
        account.free[paid_asset] -= paid
        account.free[received_asset] += received - fee
        fees = self._counters.fees
        fees[received_asset] = fees.get(received_asset, ZERO) + fee
        trade = Trade(
            market.symbol,
            trade_id,
            order.order_id,
            order.client_order_id,
            price,
            quantity,
            quote,
            fee,
            received_asset,
            self._now_ms,
            order.is_buy,
            is_maker,
        )
        account.add_trade(order, trade)
        order.touch(self._now_ms)
        if not order.is_open:
            account.close_order(order)
        is_on_book = order.is_open and order.type is not OrderType.MARKET
        self._report(order, ExecutionType.TRADE, is_on_book=is_on_book, trade=trade)
        return trade

    def _expire_in_match(self, order: LiveOrder, match_id: int) -> None:
        order.prevented_quantity = order.remaining
        order.prevented_match_id = match_id
        self._end(order, OrderStatus.EXPIRED_IN_MATCH)
        self._report(
            order, ExecutionType.TRADE_PREVENTION, is_on_book=False, last_prevented_quantity=order.prevented_quantity
        )

    def _end(self, order: LiveOrder, status: OrderStatus) -> None:
        order.status = status
        order.is_open = False
        self._hold(order)
        order.touch(self._now_ms)
        order.account.close_order(order)

    def _report(
        self,
        order: LiveOrder,
        execution_type: ExecutionType,
        *,
        is_on_book: bool,
        trade: Trade | None = None,
        cancel_id: str | None = None,
        last_prevented_quantity: Decimal | None = None,
    ) -> None:
        counters = self._counters
        counters.execution_id += 1
        account = order.account
        self._accounts[account.account_id] = account
        self._events.append(
            OrderReport(
                account.account_id,
                order.view(),
                execution_type,
                counters.execution_id,
                self._now_ms,
                is_on_book,
                trade,
                cancel_id,
                last_prevented_quantity,
            )
        )
