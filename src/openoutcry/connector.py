"""A bot's handle of one connector."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from math import isnan
from typing import Any, TypeVar

from openoutcry.actors import roles
from openoutcry.actors.book.book_queries import get_price_for_volume, get_vwap_for_volume
from openoutcry.actors.exchange.readiness import describe
from openoutcry.actors.order_tracker.order_checks import quantize_order_amount, quantize_order_price
from openoutcry.actors.system import AsyncioSystemBase
from openoutcry.config.schema import ConnectorSettings
from openoutcry.endpoint import Endpoint
from openoutcry.errors import (
    ConnectorNotReady,
    ConnectorStopped,
    OrderRefusedError,
    StaleMarketData,
    UnknownTradingPair,
)
from openoutcry.feeds import Feed, OrderEventFeed
from openoutcry.in_flight import InFlightReplica, as_json
from openoutcry.market_view import BestPrices, MarketView
from openoutcry.messages.account import Balance, Balances
from openoutcry.messages.lifecycle import (
    ConnectorStatus,
    CrashComponent,
    Drain,
    Drained,
    NotAnswered,
    Readiness,
    SetTradingMode,
    Subscribe,
    SupervisionDecision,
    SupervisionEvent,
    Topic,
    TradingMode,
)
from openoutcry.messages.market import (
    AddTradingPair,
    BestBidAsk,
    BookStale,
    BookUnavailable,
    GetLastPrices,
    GetOrderBook,
    LastPrices,
    OrderBookView,
    PublicTrade,
    RemoveTradingPair,
    TradingPairRefused,
)
from openoutcry.messages.orders import (
    CancelAllOrders,
    CancelAllResult,
    CancelOrder,
    CancelResult,
    GetInFlightOrders,
    GetOrderEvents,
    InFlightOrder,
    InFlightOrders,
    OrderAccepted,
    OrderCancelled,
    OrderCompleted,
    OrderCreated,
    OrderEvent,
    OrderEvents,
    OrderFailed,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderType,
    PlaceOrder,
    TimeInForce,
    TradeSide,
)
from openoutcry.messages.trading_rules import TradeFee, TradeFees, TradingRule, TradingRules

_Kind = TypeVar("_Kind")

_ANSWER_S = 10.0
_ALL_TOPICS = frozenset(Topic)
_ANSWERED_BY = {
    roles.ORDERS: frozenset({PlaceOrder, CancelOrder, CancelAllOrders, GetInFlightOrders, GetOrderEvents}),
    roles.BOOK: frozenset({GetOrderBook}),
    roles.BOOK_SOURCE: frozenset({AddTradingPair, RemoveTradingPair}),
    roles.RULES: frozenset({GetLastPrices}),
}
"""Questions that a component answers itself, straight to who asked."""
_ORDER_EVENTS = (OrderCreated, OrderFilled, OrderCompleted, OrderCancelled, OrderFailed, OrderOutcomeUnknown)


class Connector:
    """One exchange, one account: market data, orders, balances. Made by `Runtime`; used in its loop's thread.

    What is a property or a plain method answers from what was last published; what is awaited asks the tree.
    """

    def __init__(
        self, name: str, settings: ConnectorSettings, base: AsyncioSystemBase, now_ns: Callable[[], int]
    ) -> None:
        self.name = name
        self._settings = settings
        self._endpoint = Endpoint(base, self._receive, name)
        self._facade: Any = None
        self._facade_is_up = asyncio.Event()
        self._status: ConnectorStatus | None = None
        self._status_changed = asyncio.Event()
        self._statuses: Feed[ConnectorStatus] = Feed(buffer=1)
        self._market = MarketView(name, settings.trading_pairs, now_ns)
        self._orders = InFlightReplica()
        self._order_events = OrderEventFeed(self._history)
        self._supervision_events: Feed[SupervisionEvent] = Feed(buffer=10_000)
        self._rules: dict[str, TradingRule] = {}
        self._fees: dict[str, TradeFee] = {}
        self._balances: dict[str, Balance] = {}
        self._asked_mode: SetTradingMode | None = None
        self._gone = ""
        """Why nobody will ever answer again."""
        self._handlers: dict[type, Callable[[Any], None]] = {
            BestBidAsk: self._market.best_bid_ask_published,
            BookStale: self._market.book_stale,
            PublicTrade: self._market.trade_published,
            Balances: self._balances_published,
            ConnectorStatus: self._status_published,
            TradingRules: self._rules_published,
            TradeFees: self._fees_published,
            SupervisionEvent: self._supervision_event_published,
            **dict.fromkeys(_ORDER_EVENTS, self._order_event_published),
        }

    def __repr__(self) -> str:
        return f"<Connector {self.name} ready={self.ready} mode={self.trading_mode.value}>"

    # Readiness

    @property
    def ready(self) -> bool:
        """Whether every component is there."""
        return self._status is not None and self._status.is_ready

    @property
    def status(self) -> ConnectorStatus | None:
        """The status that was published last, component by component; None before the first."""
        return self._status

    @property
    def status_dict(self) -> dict[str, bool]:
        """Whether each component is ready, by role."""
        if self._status is None:
            return {}
        return {one.role: one.readiness is Readiness.READY for one in self._status.components}

    @property
    def trading_mode(self) -> TradingMode:
        """What the connector lets through now."""
        return self._status.mode if self._status is not None else TradingMode.CANCEL_ONLY

    async def wait_ready(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - the field's word, and it names what is missing
        """Wait until every component is there.

        Raises:
            ConnectorNotReady: after `timeout` seconds; names what is missing and why.
            ConnectorStopped: it never will be: the runtime is closed, or the connector failed too often.
        """
        try:
            async with asyncio.timeout(timeout):
                while not self.ready:
                    if self._gone:
                        raise ConnectorStopped(self._gone)
                    self._status_changed.clear()
                    await self._status_changed.wait()
        except TimeoutError:
            missing = self._status.missing if self._status is not None else ()
            raise ConnectorNotReady(self.name, timeout, missing) from None

    async def statuses(self) -> AsyncIterator[ConnectorStatus]:
        """The present status, if there is one, and each change of it; a slow reader sees only the newest."""
        async for status in self._statuses.items(self._status):
            yield status

    async def set_trading_mode(self, mode: TradingMode, reason: str) -> None:
        """Ask for a trading mode; it holds until the next one, restarts of the tree included."""
        _require("mode", mode, TradingMode)
        self._asked_mode = SetTradingMode(mode=mode, reason=reason)
        status = await self._ask(self._asked_mode)
        if isinstance(status, ConnectorStatus):
            self._status_published(status)

    def crash(self, role: str, reason: str = "asked to") -> None:
        """Make a component crash, to see the tree heal. For demonstrations and chaos tests."""
        if self._facade is not None:
            self._endpoint.tell(self._facade, CrashComponent(role=role, reason=reason))

    async def supervision_events(self) -> AsyncIterator[SupervisionEvent]:
        """Every decision of the tree's supervisors from now on."""
        async for event in self._supervision_events.items():
            yield event

    # Market data

    @property
    def trading_pairs(self) -> tuple[str, ...]:
        """The pairs that are followed."""
        return self._market.trading_pairs

    @property
    def trading_rules(self) -> dict[str, TradingRule]:
        """The exchange's rules, by trading pair."""
        return self._rules

    def best_bid_ask(self, trading_pair: str) -> BestPrices:
        """The best bid and ask published last, with their age: `bid, ask = connector.best_bid_ask("BTC-USDT")`.

        Raises:
            StaleMarketData: the pair's book is not to be trusted now.
            UnknownTradingPair: the pair is not followed.
        """
        return self._market.best(trading_pair)

    def get_price(self, trading_pair: str, is_buy: bool) -> float:
        """What a buyer would pay (the best ask), or a seller get (the best bid).

        Raises:
            StaleMarketData, UnknownTradingPair: as `best_bid_ask`; also when that side of the book is empty.
        """
        best = self._market.best(trading_pair)
        price = best.ask if is_buy else best.bid
        if isnan(price):
            raise StaleMarketData(f"{self.name}: nobody {'sells' if is_buy else 'buys'} {trading_pair} now")
        return price

    async def order_book(self, trading_pair: str, depth: int | None = None) -> OrderBookView:
        """The book now, `depth` levels a side (None: all): immutable, best first.

        Raises:
            StaleMarketData: the pair's book is not to be trusted now.
            UnknownTradingPair: the pair is not followed.
            TypeError, ValueError: a depth that is no whole number from 1.
        """
        self._market.require(trading_pair)
        if depth is not None:
            _require("depth", depth, int)
            if depth < 1:
                raise ValueError(f"depth was {depth}: it is a number of levels from 1, or None for all")
        answer = await self._ask(GetOrderBook(trading_pair=trading_pair, depth=depth))
        if isinstance(answer, BookUnavailable):
            raise StaleMarketData(f"{self.name}: no fresh book of {trading_pair}: {answer.reason}")
        return _expect(answer, OrderBookView)

    async def get_price_for_volume(self, trading_pair: str, is_buy: bool, volume: float) -> float:
        """The price of the last level that an order of `volume` (base asset) would reach.

        Raises:
            BookTooThin: the book does not hold that volume.
        """
        return get_price_for_volume(await self.order_book(trading_pair), is_buy, volume)

    async def get_vwap_for_volume(self, trading_pair: str, is_buy: bool, volume: float) -> float:
        """The average price that an order of `volume` (base asset) would get.

        Raises:
            BookTooThin: the book does not hold that volume.
        """
        return get_vwap_for_volume(await self.order_book(trading_pair), is_buy, volume)

    async def last_prices(self, *trading_pairs: str) -> dict[str, float]:
        """Last traded prices, asked of the exchange; of the pairs that it lists."""
        for trading_pair in trading_pairs:
            _require("trading_pair", trading_pair, str)
        answer = await self._ask(GetLastPrices(trading_pairs=trading_pairs or self.trading_pairs))
        return dict(_expect(answer, LastPrices).prices)

    def trades(self, trading_pair: str) -> AsyncIterator[PublicTrade]:
        """Public trades of a pair from now on; a reader over 10,000 trades behind loses the oldest."""
        return self._market.trades(trading_pair)

    def book_updates(self, trading_pair: str) -> AsyncIterator[BestBidAsk]:
        """Best bid and ask with sequence and times, the present one first; a slow reader sees only the newest."""
        return self._market.book_updates(trading_pair)

    async def add_trading_pair(self, trading_pair: str) -> None:
        """Follow one more pair; `wait_ready` tells when its book is there.

        Raises:
            UnknownTradingPair: the exchange does not list it.
        """
        _require("trading_pair", trading_pair, str)
        is_new = trading_pair not in self._market.trading_pairs
        self._market.add(trading_pair)  # before the answer: the first price may come before it
        try:
            answer = await self._ask(AddTradingPair(trading_pair=trading_pair))
        except (TimeoutError, ConnectorStopped):
            answer = TradingPairRefused(trading_pair=trading_pair, reason="the connector did not answer")
        if isinstance(answer, TradingPairRefused):
            if is_new:
                self._market.remove(trading_pair)
            raise UnknownTradingPair(f"{self.name}: {answer.reason}")

    async def remove_trading_pair(self, trading_pair: str) -> None:
        """Stop following a pair.

        Raises:
            UnknownTradingPair: it is not followed.
        """
        answer = await self._ask(RemoveTradingPair(trading_pair=trading_pair))
        if isinstance(answer, TradingPairRefused):
            raise UnknownTradingPair(f"{self.name}: {answer.reason}")
        self._market.remove(trading_pair)

    # Orders

    async def buy(
        self,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType = OrderType.LIMIT,
        price: Decimal | None = None,
        *,
        time_in_force: TimeInForce = TimeInForce.GTC,
        self_trade_prevention: str | None = None,
    ) -> str:
        """Place a buy order of `amount` (base asset) and return its client order id once it is journaled.

        What the exchange makes of it comes as events.

        Raises:
            OrderRefusedError: it was not sent; names the rule and both numbers.
            ConnectorStopped, TimeoutError: the tree restarted, or did not answer. If the order was journaled before,
                `events()` and `in_flight_orders` tell of it; otherwise it was not sent.
            TypeError: an amount or price that is no Decimal or int, or another argument of a wrong type.
        """
        return await self._place(
            trading_pair, TradeSide.BUY, amount, order_type, price, time_in_force, self_trade_prevention
        )

    async def sell(
        self,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType = OrderType.LIMIT,
        price: Decimal | None = None,
        *,
        time_in_force: TimeInForce = TimeInForce.GTC,
        self_trade_prevention: str | None = None,
    ) -> str:
        """Place a sell order; otherwise as `buy`."""
        return await self._place(
            trading_pair, TradeSide.SELL, amount, order_type, price, time_in_force, self_trade_prevention
        )

    async def cancel(self, trading_pair: str, client_order_id: str) -> CancelResult:
        """Cancel an order and wait for the exchange's word: `cancelled`, or the state that it has instead."""
        _require("trading_pair", trading_pair, str)
        _require("client_order_id", client_order_id, str)
        answer = await self._ask(CancelOrder(trading_pair=trading_pair, client_order_id=client_order_id), 30.0)
        return _expect(answer, CancelResult)

    async def cancel_all(self, timeout: float = 10.0) -> tuple[CancelResult, ...]:  # noqa: ASYNC109 - the field's word
        """Cancel every in-flight order of this connector; one result for each, within `timeout` seconds."""
        answer = await self._ask(CancelAllOrders(timeout_s=timeout), timeout + 1.0)
        return _expect(answer, CancelAllResult).results

    @property
    def in_flight_orders(self) -> dict[str, InFlightOrder]:
        """Orders that have not ended, by client order id."""
        return self._orders.orders

    @property
    def tracking_states(self) -> dict[str, dict[str, Any]]:
        """The same as plain JSON values."""
        return {client_order_id: as_json(order) for client_order_id, order in self._orders.orders.items()}

    def events(self, after: int | None = None) -> AsyncIterator[OrderEvent]:
        """Order events in order, each exactly once: those numbered above `after`, by default all since the start.

        Resume with the `number` of the last event seen, also after a restart of the process. The iteration outlives
        restarts of the tree, and ends with the runtime, or when the connector stays down.

        Raises:
            OrderEventsGone: the journal no longer has the next event, or is not the one that `after` is a number of.
        """
        if after is not None:
            _require("after", after, int)
        return self._order_events.items(after)

    def quantize_order_price(self, trading_pair: str, price: Decimal) -> Decimal:
        """The price on the pair's tick.

        Raises:
            UnknownTradingPair: the exchange does not list the pair.
        """
        return quantize_order_price(self._rule(trading_pair), price)

    def quantize_order_amount(self, trading_pair: str, amount: Decimal) -> Decimal:
        """The amount rounded down to the pair's step.

        Raises:
            UnknownTradingPair: the exchange does not list the pair.
        """
        return quantize_order_amount(self._rule(trading_pair), amount)

    # Account

    @property
    def balances(self) -> dict[str, Balance]:
        """Every balance that is not zero, by asset."""
        return self._balances

    def get_balance(self, asset: str) -> Decimal:
        """The total of an asset, what orders hold included."""
        balance = self._balances.get(asset)
        return balance.total if balance is not None else Decimal(0)

    def get_available_balance(self, asset: str) -> Decimal:
        """What a new order may use of an asset."""
        balance = self._balances.get(asset)
        return balance.available if balance is not None else Decimal(0)

    def get_fee(
        self, trading_pair: str, order_type: OrderType = OrderType.LIMIT, is_maker: bool | None = None
    ) -> Decimal:
        """The fee as a fraction of the received amount: the maker's for a limit maker or if so said, else the taker's.

        Raises:
            UnknownTradingPair: the pair is not followed.
        """
        self._market.require(trading_pair)
        fee = self._fees.get(trading_pair)
        if fee is None:
            raise StaleMarketData(f"{self.name}: the fees of {trading_pair} are not known yet")
        maker = order_type is OrderType.LIMIT_MAKER if is_maker is None else is_maker
        return fee.maker if maker else fee.taker

    # For the runtime

    def facade_up(self, address: Any) -> None:
        """The tree has a new facade: subscribe, and ask for the mode that holds."""
        self._facade = address
        self._endpoint.tell(address, Subscribe(topics=_ALL_TOPICS))
        if self._asked_mode is not None:
            self._endpoint.tell(address, self._asked_mode)
        self._facade_is_up.set()

    def facade_down(self) -> None:
        """The tree is gone for now; nothing it published holds."""
        self._facade_is_up.clear()
        self._facade = None
        self._status = None
        self._market.all_stale("the connector restarts")
        self._endpoint.forget(f"{self.name} restarted before it answered")

    def gave_up(self, reason: str) -> None:
        """The tree stays down: whoever waits for it hears why, and iterations end."""
        self._be_gone(f"{self.name} stays down: {reason}; see the log, mend it, and start a new runtime")
        self._market.all_stale("the connector is down")
        self._order_events.close()
        self._statuses.close()
        self._market.close()
        self._statuses.close()

    async def drain(self, timeout_s: float) -> Drained:
        """Close the gate, cancel if so configured, say what is left; a tree that restarts meanwhile is asked again."""
        now = asyncio.get_running_loop().time
        deadline = now() + timeout_s
        self._asked_mode = SetTradingMode(mode=TradingMode.CANCEL_ONLY, reason="stopping")
        while True:
            left_s = max(0.1, deadline - now())
            try:
                return _expect(await self._ask(Drain(timeout_s=left_s), left_s + 1.0), Drained)
            except (TimeoutError, ConnectorStopped) as error:
                if isinstance(error, TimeoutError) or self._gone or now() >= deadline:
                    return Drained(is_flat=None, message=str(error))

    def close(self) -> None:
        """End all iterations and answers. Idempotent."""
        self._be_gone(f"{self.name}: the runtime is closed")
        self._market.close()
        self._statuses.close()
        self._order_events.close()
        self._supervision_events.close()
        self._endpoint.close()

    # The inside

    def _be_gone(self, why: str) -> None:
        self._gone = self._gone or why
        self._facade = None
        self._status = None
        self._facade_is_up.set()  # whoever waits for it looks again
        self._status_changed.set()

    async def _place(
        self,
        trading_pair: str,
        side: TradeSide,
        amount: Decimal,
        order_type: OrderType,
        price: Decimal | None,
        time_in_force: TimeInForce,
        self_trade_prevention: str | None,
    ) -> str:
        _require("trading_pair", trading_pair, str)
        _require("order_type", order_type, OrderType)
        _require("time_in_force", time_in_force, TimeInForce)
        command = PlaceOrder(
            trading_pair=trading_pair,
            side=side,
            order_type=order_type,
            amount=_money("amount", amount),
            price=None if price is None else _money("price", price),
            time_in_force=time_in_force,
            self_trade_prevention=self_trade_prevention,
        )

        def on_answer(answer: OrderAccepted | OrderRefused) -> None:
            if type(answer) is OrderAccepted:
                self._orders.accepted(answer.client_order_id, command)

        answer = await self._ask(command, _ANSWER_S, on_answer)
        if type(answer) is OrderRefused:
            raise OrderRefusedError(answer.rule, f"{self.name}: {answer.message}")
        return _expect(answer, OrderAccepted).client_order_id

    async def _ask(
        self, message: Any, timeout_s: float = _ANSWER_S, on_answer: Callable[[Any], None] | None = None
    ) -> Any:
        if self._facade is None:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._facade_is_up.wait()
            except TimeoutError:
                raise ConnectorStopped(f"{self.name} is not running") from None
            if self._gone:
                raise ConnectorStopped(self._gone)
        answer = await self._endpoint.ask(self._facade, message, timeout_s, on_answer)
        if type(answer) is NotAnswered:
            raise ConnectorStopped(f"{self.name}: {answer.reason}")
        return answer

    async def _history(self, after: int | None) -> OrderEvents:
        return _expect(await self._ask(GetOrderEvents(after=after)), OrderEvents)

    def _rule(self, trading_pair: str) -> TradingRule:
        rule = self._rules.get(trading_pair)
        if rule is None:
            raise UnknownTradingPair(f"{self.name}: {trading_pair} is not listed, or the rules are not loaded yet")
        return rule

    def _receive(self, message: Any, _sender: Any) -> None:
        handler = self._handlers.get(type(message))
        if handler is not None:
            handler(message)

    def _order_event_published(self, event: OrderEvent) -> None:
        self._orders.apply(event)
        self._order_events.publish(event)

    def _balances_published(self, message: Balances) -> None:
        self._balances = {balance.asset: balance for balance in message.balances}

    def _rules_published(self, message: TradingRules) -> None:
        self._rules = message.by_trading_pair()

    def _fees_published(self, message: TradeFees) -> None:
        self._fees = {fee.trading_pair: fee for fee in message.fees}

    def _status_published(self, status: ConnectorStatus) -> None:
        was_ready = self._is_role_ready(roles.ORDERS)
        self._status = status
        if self._is_role_ready(roles.ORDERS) and not was_ready:
            self._order_events.look_again()
            self._restoring = asyncio.ensure_future(self._restore_in_flight())
        for status_of_one in status.components:
            if status_of_one.role == roles.BOOK and status_of_one.readiness in (Readiness.FAILED, Readiness.STARTING):
                self._market.all_stale(describe(status_of_one, status_of_one.since_ms))
        self._status_changed.set()
        self._statuses.publish(status)

    async def _restore_in_flight(self) -> None:
        def on_answer(answer: Any) -> None:
            # At once: an event that comes behind the answer must not be undone by it.
            if type(answer) is InFlightOrders:
                self._orders.restore(answer.orders)

        with suppress(TimeoutError, ConnectorStopped):
            await self._ask(GetInFlightOrders(), on_answer=on_answer)

    def _supervision_event_published(self, event: SupervisionEvent) -> None:
        """Who asked a component that is gone would wait in vain: its successor knows of no question."""
        if event.decision is SupervisionDecision.EXITED and event.role in _ANSWERED_BY:
            why = f"{self.name}: {event.role} restarts and has not answered ({event.reason or 'it exited'})"
            self._endpoint.forget(why, _ANSWERED_BY[event.role])
        self._supervision_events.publish(event)

    def _is_role_ready(self, role: str) -> bool:
        return self.status_dict.get(role, False)


def _require(name: str, value: Any, kind: type) -> None:
    """A mistake of the caller ends here, with its name, and not as a crash of the actor that it would reach."""
    if not isinstance(value, kind):
        allowed = ", ".join(str(one) for one in kind.__members__.values()) if issubclass(kind, Enum) else kind.__name__
        raise TypeError(f"{name} was {value!r}: it must be {allowed}")


def _money(name: str, value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    raise TypeError(f'{name} was {value!r}: money is Decimal, e.g. Decimal("0.01")')


def _expect(answer: Any, kind: type[_Kind]) -> _Kind:
    if not isinstance(answer, kind):
        raise ConnectorStopped(f"expected {kind.__name__}, received {type(answer).__name__}")
    return answer
