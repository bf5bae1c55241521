"""A strategy that is always doing something, through the public API: every kind of order, and cancels."""

import asyncio
import random
from decimal import Decimal

from openoutcry.connector import Connector
from openoutcry.errors import OpenoutcryError, OrderRefusedError
from openoutcry.messages.orders import OrderType, TimeInForce
from openoutcry.simulation.trace import Trace

PAIRS = ("BTC-USDT", "ETH-USDT")
MEAN_PAUSE_S = 1.0
_AMOUNTS = {"BTC-USDT": Decimal("0.002"), "ETH-USDT": Decimal("0.05")}
_RESTING_AT_MOST = 12


class ActiveStrategy:
    """Trades until it is cancelled. What is refused is left; what fails is tried no second time."""

    def __init__(self, connector: Connector, generator: random.Random, trace: Trace) -> None:
        self._connector = connector
        self._random = generator
        self._trace = trace

    async def run(self) -> None:
        """Act again and again, at random intervals."""
        while True:
            await asyncio.sleep(self._random.expovariate(1 / MEAN_PAUSE_S))
            try:
                words = await self._act()
            except (OpenoutcryError, OrderRefusedError, TimeoutError) as error:
                words = f"{type(error).__name__}: {error}"
            self._trace.note("strategy", words)

    async def _act(self) -> str:
        draw = self._random.random()
        in_flight = self._connector.in_flight_orders
        if draw < 0.02:
            results = await self._connector.cancel_all(timeout=8.0)
            return f"cancelled all: {sum(one.cancelled for one in results)} of {len(results)}"
        if in_flight and (draw < 0.30 or len(in_flight) > _RESTING_AT_MOST):
            order = in_flight[self._random.choice(sorted(in_flight))]
            result = await self._connector.cancel(order.trading_pair, order.client_order_id)
            return f"cancel {result.client_order_id}: {result.state}"
        return await self._place()

    async def _place(self) -> str:
        draw = self._random
        pair = draw.choice(PAIRS)
        is_buy = draw.random() < 0.5
        bid, ask = self._connector.best_bid_ask(pair)
        place = self._connector.buy if is_buy else self._connector.sell
        amount = _AMOUNTS[pair] * draw.choice((1, 1, 2, 5, 40))
        kind = draw.random()
        if kind < 0.15:
            return f"market {await place(pair, amount, OrderType.MARKET)}"
        near = ask if is_buy else bid
        far = bid if is_buy else ask
        away = -1 if is_buy else 1
        if kind < 0.45:  # rests, near enough to be filled now and then
            price = far * (1 + away * draw.uniform(0.0, 0.004))
            return f"limit {await place(pair, amount, OrderType.LIMIT, _price(price))}"
        if kind < 0.65:  # some of these would take, and are refused by the exchange
            price = far * (1 + away * draw.uniform(-0.001, 0.003))
            return f"limit maker {await place(pair, amount, OrderType.LIMIT_MAKER, _price(price))}"
        price = near * (1 - away * draw.uniform(-0.0005, 0.001))
        tif = draw.choice((TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK))
        return f"{tif.value} {await place(pair, amount, OrderType.LIMIT, _price(price), time_in_force=tif)}"


def _price(value: float) -> Decimal:
    return Decimal(f"{value:.2f}")
