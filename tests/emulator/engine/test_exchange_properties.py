"""Whatever accounts do, in whatever order, the exchange keeps its books."""

from collections import defaultdict
from decimal import ROUND_CEILING, Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from openoutcry.emulator.engine import (
    BalanceReport,
    CancelRestriction,
    DepthChange,
    DepthView,
    Exchange,
    ExecutionType,
    Market,
    NewOrder,
    Order,
    OrderReport,
    OrderStatus,
    OrderType,
    Placement,
    PublicTrade,
    Rejected,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from openoutcry.emulator.engine.events import Event

ACCOUNTS = ("alice", "bob", "carol")
EXACT = Market(
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    tick_size=Decimal("0.5"),
    step_size=Decimal("0.01"),
    min_quantity=Decimal("0.01"),
    min_notional=Decimal("0.1"),
    max_num_orders=8,
    base_precision=4,
)
ROUNDED = Market(
    symbol="ETHBTC",
    base_asset="ETH",
    quote_asset="BTC",
    tick_size=Decimal("0.037"),
    step_size=Decimal("0.013"),
    min_quantity=Decimal("0.013"),
    base_precision=3,
    quote_precision=4,
    maker_fee=Decimal(0),
    taker_fee=Decimal("0.00075"),
)
SYMBOLS = (EXACT.symbol, ROUNDED.symbol)
TICKS = st.integers(18, 22)
STEPS = st.integers(1, 12)
CLIENT_IDS = st.none() | st.sampled_from(("one", "two", "three"))


def apply(view: DepthView, change: DepthChange) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
    sides = []
    for levels, changes in ((view.bids, change.bids), (view.asks, change.asks)):
        side = dict(levels)
        for price, quantity in changes:
            if quantity:
                side[price] = quantity
            else:
                side.pop(price, None)
        sides.append(side)
    return sides[0], sides[1]


class Machine(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.exchange = Exchange([EXACT, ROUNDED])
        for account_id in ACCOUNTS:
            funds = {asset: Decimal(200) for asset in ("BTC", "USDT", "ETH")}
            self.exchange.open_account(account_id, funds, maker_fee=Decimal("0.0002") if account_id == "bob" else None)
        self.total = {asset: Decimal(600) for asset in ("BTC", "USDT", "ETH")}
        self.now_ms = 1_000
        self.seen = {symbol: self.exchange.depth(symbol) for symbol in SYMBOLS}
        self.placed: list[Order] = []
        self.told: dict[str, dict[str, tuple[Decimal, Decimal]]] = {
            account_id: {
                asset: (balance.free, balance.locked) for asset, balance in self.exchange.balances(account_id).items()
            }
            for account_id in ACCOUNTS
        }
        self.executions = 0
        self.trades: dict[str, int] = defaultdict(int)

    def state(self) -> object:
        x = self.exchange
        return (
            [(x.balances(a), x.open_orders(a), [x.all_orders(a, s) for s in SYMBOLS]) for a in ACCOUNTS],
            [(x.depth(s), x.last_price(s), x.recent_trades(s)) for s in SYMBOLS],
            x.fees_collected,
        )

    def hear(self, events: tuple[Event, ...]) -> None:
        """What a client that listens would know: it must be the truth."""
        balances_began = False
        for event in events:
            if isinstance(event, OrderReport):
                assert not balances_began
                assert event.execution_id == self.executions + 1
                self.executions += 1
                assert (event.trade is not None) == (event.execution_type is ExecutionType.TRADE)
            elif isinstance(event, PublicTrade):
                assert event.trade_id == self.trades[event.symbol] + 1
                self.trades[event.symbol] += 1
            elif isinstance(event, BalanceReport):
                balances_began = True
                for balance in event.balances:
                    self.told[event.account_id][balance.asset] = (balance.free, balance.locked)

    def submit(self, account_id: str, new: NewOrder) -> Placement | None:
        before = self.state()
        depth = self.exchange.depth(new.symbol)
        try:
            placement = self.exchange.place(account_id, new, self.now_ms)
        except Rejected:
            assert self.state() == before
            return None
        self.placed.append(placement.order)
        self.hear(placement.events)
        order = placement.order
        if new.time_in_force is TimeInForce.FOK:
            assert order.executed_quantity in {0, order.quantity}
            if not order.executed_quantity:
                assert (self.exchange.depth(new.symbol).bids, self.exchange.depth(new.symbol).asks) == (
                    depth.bids,
                    depth.asks,
                )
        if new.type is OrderType.LIMIT_MAKER:
            assert not placement.fills
            assert order.status is OrderStatus.NEW
        if new.type is OrderType.MARKET or new.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
            assert not order.is_open
        if new.price is not None:
            sign = 1 if new.side is Side.BUY else -1
            assert all(sign * fill.price <= sign * new.price for fill in placement.fills)
        if new.quote_quantity is not None and new.side is Side.BUY:
            assert order.executed_quote <= new.quote_quantity
        self.check_priority(new.side, depth, placement)
        return placement

    def check_priority(self, side: Side, depth: DepthView, placement: Placement) -> None:
        prices = [fill.price for fill in placement.fills]
        assert prices == sorted(prices, reverse=side is Side.SELL)
        makers = [
            e.seller_order_id if side is Side.BUY else e.buyer_order_id
            for e in placement.events
            if isinstance(e, PublicTrade)
        ]
        for (price, maker), (next_price, next_maker) in zip(
            zip(prices, makers, strict=True), list(zip(prices, makers, strict=True))[1:], strict=False
        ):
            assert price != next_price or maker < next_maker, "an older order at a price trades first"

    @rule(
        account_id=st.sampled_from(ACCOUNTS),
        market=st.sampled_from((EXACT, ROUNDED)),
        side=st.sampled_from(Side),
        kind=st.sampled_from(("GTC", "GTC", "GTC", "IOC", "FOK", "LIMIT_MAKER")),
        ticks=TICKS,
        steps=STEPS,
        client_order_id=CLIENT_IDS,
        mode=st.sampled_from(SelfTradePrevention),
    )
    def limit(
        self,
        account_id: str,
        market: Market,
        side: Side,
        kind: str,
        ticks: int,
        steps: int,
        client_order_id: str | None,
        mode: SelfTradePrevention,
    ) -> None:
        is_maker = kind == "LIMIT_MAKER"
        self.submit(
            account_id,
            NewOrder(
                symbol=market.symbol,
                side=side,
                type=OrderType.LIMIT_MAKER if is_maker else OrderType.LIMIT,
                time_in_force=None if is_maker else TimeInForce(kind),
                quantity=steps * market.step_size * (100 if market is EXACT else 1),
                price=ticks * market.tick_size,
                client_order_id=client_order_id,
                self_trade_prevention_mode=mode,
            ),
        )

    @rule(
        account_id=st.sampled_from(ACCOUNTS),
        market=st.sampled_from((EXACT, ROUNDED)),
        side=st.sampled_from(Side),
        steps=STEPS,
        by_quote=st.booleans(),
        mode=st.sampled_from(SelfTradePrevention),
    )
    def take(
        self, account_id: str, market: Market, side: Side, steps: int, by_quote: bool, mode: SelfTradePrevention
    ) -> None:
        amount = steps * market.step_size * (100 if market is EXACT else 1)
        self.submit(
            account_id,
            NewOrder(
                symbol=market.symbol,
                side=side,
                type=OrderType.MARKET,
                quantity=None if by_quote else amount,
                quote_quantity=(amount * 7).quantize(market.quote_unit) if by_quote else None,
                self_trade_prevention_mode=mode,
            ),
        )

    @precondition(lambda self: self.placed)
    @rule(
        data=st.data(),
        by_client_id=st.booleans(),
        restrictions=st.none() | st.sampled_from(CancelRestriction),
    )
    def cancel(self, data: st.DataObject, by_client_id: bool, restrictions: CancelRestriction | None) -> None:
        order = data.draw(st.sampled_from(self.placed))
        before = self.state()
        open_before = self.exchange.open_orders(order.account_id, order.symbol)
        try:
            cancellation = self.exchange.cancel(
                order.account_id,
                order.symbol,
                order_id=None if by_client_id else order.order_id,
                client_order_id=order.client_order_id if by_client_id else None,
                restrictions=restrictions,
                now_ms=self.now_ms,
            )
        except Rejected:
            assert self.state() == before
            return
        self.hear(cancellation.events)
        assert cancellation.order.status is OrderStatus.CANCELED
        assert cancellation.order.order_id in {o.order_id for o in open_before}
        assert self.exchange.order(order.account_id, order.symbol, cancellation.order.order_id) == cancellation.order

    @rule(account_id=st.sampled_from(ACCOUNTS), symbol=st.sampled_from(SYMBOLS))
    def cancel_all(self, account_id: str, symbol: str) -> None:
        count = len(self.exchange.open_orders(account_id, symbol))
        try:
            cancellations = self.exchange.cancel_all(account_id, symbol, self.now_ms)
        except Rejected:
            assert not count
            return
        assert len(cancellations) == count
        for cancellation in cancellations:
            self.hear(cancellation.events)
        assert not self.exchange.open_orders(account_id, symbol)

    @rule(
        account_id=st.sampled_from(ACCOUNTS),
        asset=st.sampled_from(("BTC", "USDT", "ETH")),
        amount=st.decimals(-150, 150, places=8),
    )
    def deposit(self, account_id: str, asset: str, amount: Decimal) -> None:
        try:
            self.hear(self.exchange.deposit(account_id, asset, amount, self.now_ms))
        except Rejected:
            return
        self.total[asset] += amount

    @rule(ms=st.integers(-5, 100))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms

    @rule(symbol=st.sampled_from(SYMBOLS))
    def merged_changes_lead_from_the_old_view_to_the_new(self, symbol: str) -> None:
        old, new = self.seen[symbol], self.exchange.depth(symbol, 5_000)
        change = self.exchange.take_depth_changes(symbol)
        if change is None:
            assert old == new
        else:
            assert (change.first_update_id, change.last_update_id) == (old.last_update_id + 1, new.last_update_id)
            assert apply(old, change) == (dict(new.bids), dict(new.asks))
        assert self.exchange.take_depth_changes(symbol) is None
        self.seen[symbol] = new

    @invariant()
    def every_asset_is_conserved(self) -> None:
        fees = self.exchange.fees_collected
        for asset, total in self.total.items():
            held = sum(
                (b.free + b.locked for b in (self.exchange.balances(a)[asset] for a in ACCOUNTS)), start=Decimal(0)
            )
            assert held + fees.get(asset, 0) == total

    @invariant()
    def locked_is_what_open_orders_demand_and_nothing_is_negative(self) -> None:
        for account_id in ACCOUNTS:
            demand: dict[str, Decimal] = defaultdict(Decimal)
            for order in self.exchange.open_orders(account_id):
                market = self.exchange.market(order.symbol)
                if order.side is Side.SELL:
                    demand[market.base_asset] += order.remaining_quantity
                else:
                    exact = order.price * order.remaining_quantity
                    demand[market.quote_asset] += exact.quantize(market.quote_unit, ROUND_CEILING)
            for asset, balance in self.exchange.balances(account_id).items():
                assert balance.locked == demand[asset]
                assert balance.free >= 0

    @invariant()
    def what_the_accounts_were_told_is_what_they_have(self) -> None:
        for account_id in ACCOUNTS:
            for asset, balance in self.exchange.balances(account_id).items():
                assert self.told[account_id][asset] == (balance.free, balance.locked)

    @invariant()
    def the_depth_view_sums_the_open_orders_and_is_never_crossed(self) -> None:
        for symbol in SYMBOLS:
            sums: dict[Side, dict[Decimal, Decimal]] = {side: defaultdict(Decimal) for side in Side}
            for account_id in ACCOUNTS:
                for order in self.exchange.open_orders(account_id, symbol):
                    sums[order.side][order.price] += order.remaining_quantity
            depth = self.exchange.depth(symbol, 5_000)
            assert list(depth.bids) == sorted(sums[Side.BUY].items(), reverse=True)
            assert list(depth.asks) == sorted(sums[Side.SELL].items())
            best = self.exchange.best(symbol)
            assert best.bid == (depth.bids[0] if depth.bids else None)
            assert best.ask == (depth.asks[0] if depth.asks else None)
            assert not (best.bid and best.ask and best.bid[0] >= best.ask[0])

    @invariant()
    def fills_add_up_to_the_executed_quantity(self) -> None:
        for account_id in ACCOUNTS:
            for symbol in SYMBOLS:
                for order in self.exchange.all_orders(account_id, symbol, limit=10_000):
                    fills = self.exchange.my_trades(account_id, symbol, order_id=order.order_id)
                    assert sum(fill.quantity for fill in fills) == order.executed_quantity
                    assert sum(fill.quote_quantity for fill in fills) == order.executed_quote
                    assert (order.status is OrderStatus.FILLED) == (order.executed_quantity == order.quantity)
                    if order.status is OrderStatus.EXPIRED_IN_MATCH:
                        assert order.executed_quantity + order.prevented_quantity == order.quantity


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestWhateverAccountsDo = Machine.TestCase
