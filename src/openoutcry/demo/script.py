"""What the demonstration trades: one of each kind of order, and two crashes in the middle of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal

from openoutcry.actors import roles
from openoutcry.connector import Connector
from openoutcry.errors import OrderRefusedError, StaleMarketData
from openoutcry.messages.lifecycle import SupervisionDecision, SupervisionEvent
from openoutcry.messages.orders import (
    OrderCancelled,
    OrderCompleted,
    OrderEvent,
    OrderFailed,
    OrderFilled,
    OrderType,
)

PAIRS = ("BTC-USDT", "ETH-USDT")
CRASHES = 2
_ENDS = (OrderCompleted, OrderCancelled, OrderFailed)
_PATIENCE_S = 15.0


class DemoScript:
    """Runs the script against a connector; `say` gets a line for each step."""

    def __init__(
        self, connector: Connector, say: Callable[[str], None], before_crash: Callable[[], Awaitable[None]]
    ) -> None:
        self._connector = connector
        self._say = say
        self._before_crash = before_crash
        self._pause_s = 0.0
        self._events: list[OrderEvent] = []
        self._came = asyncio.Event()

    def note(self, event: OrderEvent) -> None:
        """An order event came."""
        self._events.append(event)
        self._came.set()

    async def run(self, seconds: float) -> None:
        """The whole script; small orders go on until `seconds` are over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        self._pause_s = min(1.0, seconds / 25)
        await self.every_kind_of_order()
        await self.crash(roles.BOOK_SOURCE)
        await self.small_orders(until - (until - loop.time()) / 2)
        await self.crash_with_orders_in_flight()
        await self.small_orders(until)
        results = await self._connector.cancel_all(timeout=10)
        self._say(f"cancel all: {sum(result.cancelled for result in results)} of {len(results)} cancelled")

    async def every_kind_of_order(self) -> None:
        """Limit, limit maker, one that would take, market, a partial fill, a cancel."""
        connector = self._connector
        bid, ask = connector.best_bid_ask("BTC-USDT")
        resting = await connector.buy("BTC-USDT", Decimal("0.01"), OrderType.LIMIT, _price(bid * 0.98))
        self._say(f"limit buy 0.01 BTC at {bid * 0.98:,.2f}, below the market: {resting}")
        await self._pause()
        maker = await connector.sell("BTC-USDT", Decimal("0.01"), OrderType.LIMIT_MAKER, _price(ask * 1.02))
        self._say(f"limit maker sell 0.01 BTC at {ask * 1.02:,.2f}, above the market: {maker}")
        await self._pause()
        crossing = await connector.buy("BTC-USDT", Decimal("0.01"), OrderType.LIMIT_MAKER, _price(ask * 1.01))
        await self._until(lambda: self._ended(crossing), "the refusal of a limit maker")
        self._say(f"limit maker buy 0.01 BTC at {ask * 1.01:,.2f}, which would take: {self._why_failed(crossing)}")
        await self._pause()
        market = await connector.buy("ETH-USDT", Decimal("1.5"), OrderType.MARKET)
        await self._until(lambda: self._ended(market), "the end of a market order")
        self._say(f"market buy 1.5 ETH: filled in {_times(self._fills(market), 'trade')}")
        await self._pause()
        await self._partial_fill()
        result = await connector.cancel("BTC-USDT", resting)
        self._say(f"cancel {resting}: {result.state.value if result.state else result.message}")
        await self._pause()

    async def _partial_fill(self) -> None:
        book = await self._connector.order_book("BTC-USDT", depth=1)
        price, offered = book.asks[0]
        amount = self._connector.quantize_order_amount("BTC-USDT", Decimal(str(offered))) + Decimal("0.05")
        partial = await self._connector.buy("BTC-USDT", amount, OrderType.LIMIT, _price(price))
        await self._until(lambda: self._fills(partial) > 0 or self._ended(partial), "a partial fill")
        fills = _times(self._fills(partial), "fill")
        self._say(f"limit buy {amount.normalize():f} BTC at the best ask, more than it offers: {fills} so far")
        await self._pause()

    async def crash(self, role: str) -> None:
        """Crash a component and wait until the tree has healed."""
        await self._before_crash()
        self._say(f"crash {role}")
        await self._crash_and_heal(role)
        await self._pause()

    async def crash_with_orders_in_flight(self) -> None:
        """Crash the order tracker right after orders were placed."""
        await self._before_crash()
        bid, ask = self._connector.best_bid_ask("ETH-USDT")
        placing = [
            self._place_small("ETH-USDT", is_buy, (bid if is_buy else ask) * (0.99 if is_buy else 1.01))
            for is_buy in (True, False, True, False)
        ]
        tasks = [asyncio.ensure_future(one) for one in placing]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self._say("crash orders, with orders on their way")
        await self._crash_and_heal(roles.ORDERS)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pause(self) -> None:
        """For whoever watches: the exchange answers within milliseconds."""
        await asyncio.sleep(self._pause_s)

    async def small_orders(self, until: float) -> None:
        """Limit orders that rest, take and are cancelled, until the loop's time `until`."""
        loop = asyncio.get_running_loop()
        number = 0
        while loop.time() < until:
            pair = PAIRS[number % 2]
            is_buy = number % 4 < 2
            try:
                best = self._connector.best_bid_ask(pair)
            except StaleMarketData:
                await asyncio.sleep(0.1)
                continue
            number += 1
            takes = number % 3 == 0
            edge = 1.001 if is_buy == takes else 0.999
            order_id = await self._place_small(pair, is_buy, (best.ask if is_buy else best.bid) * edge)
            if order_id and not takes:
                await asyncio.sleep(0.05)
                await self._connector.cancel(pair, order_id)
            await asyncio.sleep(0.1)
        self._say(f"{_times(number, 'small limit order')} placed: they took, or were cancelled")

    async def _place_small(self, pair: str, is_buy: bool, price: float) -> str | None:
        place = self._connector.buy if is_buy else self._connector.sell
        amount = Decimal("0.002") if pair == "BTC-USDT" else Decimal("0.02")
        try:
            return await place(pair, amount, OrderType.LIMIT, _price(price))
        except OrderRefusedError as refused:
            self._say(f"refused: {refused}")
            return None

    async def _crash_and_heal(self, role: str) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        events = self._connector.supervision_events()
        restart = asyncio.ensure_future(_first_restart(events, role))
        await asyncio.sleep(0)
        self._connector.crash(role, "crashed by the demonstration")
        await restart
        await self._connector.wait_ready(timeout=_PATIENCE_S)
        self._say(f"{role} restarted, everything ready again after {loop.time() - before:.2f} s")

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while not condition():
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            self._say(f"waited {_PATIENCE_S:g} s in vain for {what}")

    def _ended(self, order_id: str) -> bool:
        return any(event.client_order_id == order_id and isinstance(event, _ENDS) for event in self._events)

    def _why_failed(self, order_id: str) -> str:
        for event in self._events:
            if event.client_order_id == order_id and isinstance(event, OrderFailed):
                return f"refused ({event.reason})"
        return "NOT refused"

    def _fills(self, order_id: str) -> int:
        return sum(isinstance(event, OrderFilled) and event.client_order_id == order_id for event in self._events)


async def _first_restart(events: AsyncIterator[SupervisionEvent], role: str) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        async for event in events:
            if event.role == role and event.decision is SupervisionDecision.RESTARTED:
                return


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _price(value: float) -> Decimal:
    return Decimal(f"{value:.2f}")
