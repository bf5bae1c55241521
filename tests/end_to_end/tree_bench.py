"""A runtime against an emulated exchange through real sockets, with what tests need around it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from openoutcry import Connector, OrderEvent, Runtime
from openoutcry.demo.summary import OrderLog, Summary, compare
from openoutcry.emulator.server import TEST_API_KEY, TEST_API_SECRET, EmulatorServer

PATIENCE_S = 15.0
PAIR = "BTC-USDT"


def settings(
    server: EmulatorServer,
    folder: Path,
    *,
    key: str | None = TEST_API_KEY,
    secret: str = TEST_API_SECRET,
    **connector: Any,
) -> dict[str, Any]:
    """A config for the emulator; without a key, market data only."""
    values: dict[str, Any] = {
        "exchange": "binance",
        "trading_pairs": [PAIR, "ETH-USDT"],
        "rest_url": server.urls.rest_url,
        "ws_url": server.urls.ws_url,
        "ws_api_url": server.urls.ws_api_url,
        **connector,
    }
    if key is not None:
        for name, value in (("key", key), ("secret", secret)):
            (folder / name).write_text(value)
        values["api_key"] = {"file": str(folder / "key")}
        values["api_secret"] = {"file": str(folder / "secret")}
    return {"state_directory": str(folder), "connectors": {"binance": values}}


class Tree:
    """A connector with a log of its order events."""

    def __init__(self, runtime: Runtime, server: EmulatorServer) -> None:
        self.runtime = runtime
        self.server = server
        self.connector: Connector = runtime.connector("binance")
        self.log = OrderLog()
        self.events: list[OrderEvent] = []
        self._came = asyncio.Event()
        self._follower = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for event in self.connector.events():
            self.log.add(event)
            self.events.append(event)
            self._came.set()

    async def stop(self) -> None:
        self._follower.cancel()
        await asyncio.gather(self._follower, return_exceptions=True)

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for something that events, statuses or prices bring about."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, f"waited {PATIENCE_S:g} s in vain for {what}"
            await asyncio.sleep(0.01)

    def of(self, order_id: str, kind: type[OrderEvent]) -> list[OrderEvent]:
        """An order's events of a kind."""
        return [one for one in self.events if one.client_order_id == order_id and isinstance(one, kind)]

    async def wait_for(self, order_id: str, kind: type[OrderEvent]) -> Any:
        """The order's first event of a kind."""
        await self.until(lambda: self.of(order_id, kind), f"{kind.__name__} of {order_id}")
        return self.of(order_id, kind)[0]

    def price(self, factor: float, pair: str = PAIR) -> Decimal:
        """A price so far from the market."""
        return Decimal(f"{self.connector.best_bid_ask(pair).bid * factor:.2f}")

    async def compare(self) -> Summary:
        """Bring the exchange to rest and compare everything with its truth.

        That there is no such order is final only when the exchange can no longer accept it: that takes up to 20 s.
        """
        self.server.stop_flow()
        summary = None
        for _ in range(300):
            summary = await compare(self.connector, self.server, self.log, ready_after_s=0, frames=0, restarts=0)
            if summary.is_good:
                break
            await asyncio.sleep(0.1)
        assert summary is not None
        return summary


@asynccontextmanager
async def tree(folder: Path, server: EmulatorServer | None = None, **options: Any) -> AsyncIterator[Tree]:
    """A runtime that is ready, against an emulator that is started for it unless one that runs already is given."""
    async with AsyncExitStack() as stack:
        server = server or EmulatorServer()
        if not server.is_listening:
            await stack.enter_async_context(server)
        runtime = await stack.enter_async_context(Runtime(settings(server, folder, **options)))
        one = Tree(runtime, server)
        try:
            await one.connector.wait_ready(timeout=PATIENCE_S)
            yield one
        finally:
            await one.stop()
