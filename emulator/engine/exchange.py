"""The embedded exchange: markets, accounts, orders and trades behind one class. No I/O, no clock.

Its rules are those of Binance spot: price-time priority, fees from what is received, holds for open orders, filters and
refusals with its codes. Times are integers in ms since the epoch that the caller passes in; one that is earlier than
the last counts as the last, so that records stay sorted by time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import islice

from openoutcry.emulator.engine import errors, filters
from openoutcry.emulator.engine.account import Account, LiveOrder, select_orders, select_trades
from openoutcry.emulator.engine.admission import admit
from openoutcry.emulator.engine.enums import (
    CancelRestriction,
    ExpiryReason,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from openoutcry.emulator.engine.events import (
    BalanceDelta,
    BalanceReport,
    Cancellation,
    Event,
    Placement,
    PublicTrade,
)
from openoutcry.emulator.engine.market import ZERO, Market
from openoutcry.emulator.engine.records import Balance, BestPrices, DepthChange, DepthView, NewOrder, Order, Trade
from openoutcry.emulator.engine.settlement import Counters, Listing, Settlement

LARGEST_BALANCE = Decimal(10) ** 18
"""Larger ones, with 8 digits after the point, would come near the 28 digits to which Decimal is exact."""

_ID_MASK = (1 << 88) - 1
_ID_FACTOR = 0x9E3779B97F4A7C15F39CC1  # odd, so that multiplying by it modulo 2⁸⁸ repeats nothing


class Exchange:
    """A whole exchange. Methods that name an account raise `KeyError` if it was never opened.

    What the exchange refuses raises `Rejected` and changes nothing.
    """

    def __init__(self, markets: Iterable[Market] = ()) -> None:
        self._listings: dict[str, Listing] = {}
        self._accounts: dict[str, Account] = {}
        self._counters = Counters()
        self._made_up_ids = 0
        self._now_ms = 0
        for market in markets:
            self.add_market(market)

    # Set-up

    def add_market(self, market: Market) -> None:
        """List a symbol. Raises ValueError if it is listed already."""
        if market.symbol in self._listings:
            raise ValueError(f"{market.symbol} is listed already")
        self._listings[market.symbol] = Listing(market)
        for account in self._accounts.values():
            account.know(market.base_asset)
            account.know(market.quote_asset)

    def set_status(self, symbol: str, status: str) -> None:
        """Open a market ("TRADING") or close it ("HALT", "BREAK", "CANCEL_ONLY"). Orders on the book stay."""
        listing = self._listing(symbol)
        listing.market = replace(listing.market, status=status)

    def open_account(
        self,
        account_id: str,
        balances: Mapping[str, Decimal],
        *,
        maker_fee: Decimal | None = None,
        taker_fee: Decimal | None = None,
        keeps_history: bool = True,
    ) -> Account:
        """Open an account. Raises ValueError if it is open already.

        Fee rates of None are those of the market. Without history, closed orders and trades are forgotten: for
        liquidity accounts that run for days.
        """
        if account_id in self._accounts:
            raise ValueError(f"account {account_id} is open already")
        account = Account(account_id, maker_fee=maker_fee, taker_fee=taker_fee, keeps_history=keeps_history)
        for listing in self._listings.values():
            account.know(listing.market.base_asset)
            account.know(listing.market.quote_asset)
        for asset, amount in balances.items():
            if not 0 <= amount <= LARGEST_BALANCE:
                raise ValueError(f"balance of {asset}: expected 0 to {LARGEST_BALANCE}, received {amount}")
            account.know(asset)
            account.free[asset] = amount
        self._accounts[account_id] = account
        return account

    def deposit(self, account_id: str, asset: str, amount: Decimal, now_ms: int) -> tuple[Event, ...]:
        """Add to a free balance; a negative amount is a withdrawal. Raises `Rejected` if it isn't covered."""
        account = self._accounts[account_id]
        free = account.free.get(asset, ZERO) + amount
        if free < 0:
            raise errors.insufficient_balance()
        if free > LARGEST_BALANCE:
            raise ValueError(f"balance of {asset}: expected at most {LARGEST_BALANCE}, received {free}")
        now_ms = self._advance(now_ms)
        account.know(asset)
        account.free[asset] = free
        return (
            BalanceDelta(account_id, now_ms, asset, amount),
            BalanceReport(account_id, now_ms, (account.balance(asset),)),
        )

    # Orders

    def check(self, account_id: str, new: NewOrder) -> None:
        """Raise `Rejected` if `place` would; otherwise do nothing (`order/test`)."""
        admit(self._listings, self._accounts[account_id], new)

    def place(self, account_id: str, new: NewOrder, now_ms: int) -> Placement:
        """Take a new order, match it, and rest or expire what is left.

        Raises `Rejected` with Binance's code and text; then nothing has changed.
        """
        account = self._accounts[account_id]
        listing, plan = admit(self._listings, account, new)
        now_ms = self._advance(now_ms)
        counters = self._counters
        counters.order_id += 1
        order = LiveOrder(
            account,
            listing.market,
            counters.order_id,
            new.client_order_id if new.client_order_id is not None else self._make_up_id(),
            new.side,
            new.type,
            new.time_in_force or TimeInForce.GTC,
            new.price if new.price is not None else ZERO,
            plan.quantity,
            new.quote_quantity if new.quote_quantity is not None else ZERO,
            new.self_trade_prevention_mode,
            now_ms,
        )
        settlement = Settlement(listing, counters, now_ms)
        settlement.accept(order)
        fills: list[Trade] = []
        if order.time_in_force is TimeInForce.FOK and plan.filled < plan.quantity:
            settlement.expire(order, ExpiryReason.UNFILLED_FOK_ORDER_EXPIRED)
        else:
            for maker, quantity in plan.steps:
                if quantity:
                    fills.append(settlement.trade(order, maker, quantity))
                else:
                    settlement.prevent(order, maker)
        if order.is_open:
            if order.type is OrderType.MARKET:
                settlement.expire(order, ExpiryReason.INSUFFICIENT_LIQUIDITY)
            elif order.time_in_force is TimeInForce.IOC:
                settlement.expire(order, ExpiryReason.UNFILLED_IOC_QUANTITY_EXPIRED)
            else:
                settlement.rest(order)
        return Placement(order.view(), tuple(fills), tuple(settlement.prevented_matches), settlement.finish())

    def cancel(
        self,
        account_id: str,
        symbol: str,
        *,
        order_id: int | None = None,
        client_order_id: str | None = None,
        cancel_id: str | None = None,
        restrictions: CancelRestriction | None = None,
        now_ms: int,
    ) -> Cancellation:
        """Cancel an open order, named by its id, by its client order id, or by both, which then must fit.

        Raises `Rejected`: -2011 if there is no such open order, or if it isn't in the state of `restrictions`.
        """
        account = self._accounts[account_id]
        listing = self._listing(symbol)
        if order_id is None and client_order_id is None:
            raise errors.one_of("origClientOrderId", "orderId")
        if cancel_id is not None:
            filters.check_client_id("newClientOrderId", cancel_id)
        order = account.find_open(symbol, order_id, client_order_id)
        if order is None:
            raise errors.cancel_rejected()
        if (restrictions is CancelRestriction.ONLY_NEW and order.status is not OrderStatus.NEW) or (
            restrictions is CancelRestriction.ONLY_PARTIALLY_FILLED and order.status is not OrderStatus.PARTIALLY_FILLED
        ):
            raise errors.cancel_rejected("Order was not canceled due to cancel restrictions.")
        return self._cancel(listing, order, cancel_id, self._advance(now_ms))

    def cancel_all(self, account_id: str, symbol: str, now_ms: int) -> tuple[Cancellation, ...]:
        """Cancel all open orders of a symbol, oldest first. Raises `Rejected` (-2011) if there is none."""
        account = self._accounts[account_id]
        listing = self._listing(symbol)
        orders = list(account.open_orders.get(symbol, {}).values())
        if not orders:
            raise errors.cancel_rejected()
        now_ms = self._advance(now_ms)
        return tuple(self._cancel(listing, order, None, now_ms) for order in orders)

    # What an account may ask

    def order(
        self, account_id: str, symbol: str, order_id: int | None = None, client_order_id: str | None = None
    ) -> Order:
        """An order, open or closed; of a client order id that was used again, the latest.

        Raises `Rejected` (-2013) if there is none.
        """
        account = self._accounts[account_id]
        self._listing(symbol)
        if order_id is None and client_order_id is None:
            raise errors.one_of("origClientOrderId", "orderId")
        order = account.find(symbol, order_id, client_order_id)
        if order is None:
            raise errors.no_such_order()
        return order.view()

    def open_orders(self, account_id: str, symbol: str | None = None) -> tuple[Order, ...]:
        """Open orders of one symbol, or of all, oldest first."""
        account = self._accounts[account_id]
        if symbol is not None:
            self._listing(symbol)
            return tuple(order.view() for order in account.open_orders.get(symbol, {}).values())
        orders = [order for by_id in account.open_orders.values() for order in by_id.values()]
        orders.sort(key=lambda order: order.order_id)
        return tuple(order.view() for order in orders)

    def all_orders(
        self,
        account_id: str,
        symbol: str,
        *,
        order_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> tuple[Order, ...]:
        """Orders of a symbol, open and closed, by id: from `order_id` or `start_ms` on, else the latest `limit`."""
        account = self._accounts[account_id]
        self._listing(symbol)
        orders = select_orders(account.all_orders.get(symbol, ()), order_id, start_ms, end_ms, limit)
        return tuple(order.view() for order in orders)

    def my_trades(
        self,
        account_id: str,
        symbol: str,
        order_id: int | None = None,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> tuple[Trade, ...]:
        """An account's trades, or one order's, by id: from `from_id` or `start_ms` on, else the latest `limit`."""
        account = self._accounts[account_id]
        self._listing(symbol)
        if order_id is None:
            trades = account.trades.get(symbol, [])
        else:
            order = account.find(symbol, order_id, None)
            trades = order.trades or [] if order is not None else []
        return select_trades(trades, from_id, start_ms, end_ms, limit)

    def balances(self, account_id: str) -> dict[str, Balance]:
        """Every asset that the account ever had or could trade."""
        account = self._accounts[account_id]
        return {asset: account.balance(asset) for asset in account.free}

    # What everybody may ask

    @property
    def markets(self) -> dict[str, Market]:
        """All listed markets by symbol, as they are now."""
        return {symbol: listing.market for symbol, listing in self._listings.items()}

    @property
    def accounts(self) -> tuple[str, ...]:
        """The ids of all accounts."""
        return tuple(self._accounts)

    @property
    def fees_collected(self) -> dict[str, Decimal]:
        """What the exchange has taken in fees, by asset."""
        return dict(self._counters.fees)

    def market(self, symbol: str) -> Market:
        """A listed market. Raises `Rejected` (-1121) if there is none, as all that follows does."""
        return self._listing(symbol).market

    def depth(self, symbol: str, limit: int = 100) -> DepthView:
        """The best `limit` levels of each side."""
        return self._listing(symbol).book.depth(limit)

    def best(self, symbol: str) -> BestPrices:
        """The best bid and ask."""
        return self._listing(symbol).book.best()

    def last_price(self, symbol: str) -> Decimal | None:
        """The price of the last trade; None before the first."""
        return self._listing(symbol).last_price

    def recent_trades(self, symbol: str, limit: int = 500) -> tuple[PublicTrade, ...]:
        """The latest trades, oldest first. Only some thousands are kept."""
        trades = self._listing(symbol).trades
        return tuple(islice(trades, max(0, len(trades) - limit), None))

    def take_depth_changes(self, symbol: str) -> DepthChange | None:
        """What changed in the book since the last call, merged into one diff; None if nothing did.

        **It has one consumer**: what it has given it doesn't give again.
        """
        return self._listing(symbol).book.take_changes()

    # Inside

    def _listing(self, symbol: str) -> Listing:
        listing = self._listings.get(symbol)
        if listing is None:
            raise errors.invalid_symbol()
        return listing

    def _advance(self, now_ms: int) -> int:
        self._now_ms = max(self._now_ms, now_ms)
        return self._now_ms

    def _cancel(self, listing: Listing, order: LiveOrder, cancel_id: str | None, now_ms: int) -> Cancellation:
        cancel_id = cancel_id if cancel_id is not None else self._make_up_id()
        settlement = Settlement(listing, self._counters, now_ms)
        settlement.cancel(order, cancel_id)
        return Cancellation(order.view(), cancel_id, settlement.finish())

    def _make_up_id(self) -> str:
        """22 characters that look random and never repeat."""
        self._made_up_ids += 1
        return f"{self._made_up_ids * _ID_FACTOR & _ID_MASK:022x}"
