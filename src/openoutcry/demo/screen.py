"""The actor tree live in the terminal: roles, states, restarts, messages a second; books, orders, balances."""

import asyncio
import time
from collections import deque

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from openoutcry.demo.run import Demo
from openoutcry.errors import StaleMarketData
from openoutcry.messages.lifecycle import Figures, Readiness

_COLOURS = {
    Readiness.READY: "green",
    Readiness.STARTING: "yellow",
    Readiness.DEGRADED: "yellow",
    Readiness.FAILED: "bold red",
}
_REFRESH_S = 0.25


class Screen:
    """Redraws itself four times a second while a demonstration runs."""

    def __init__(self, demo: Demo, console: Console) -> None:
        self._demo = demo
        self._console = console
        self._lines: deque[str] = deque(maxlen=9)
        self._figures: dict[str, Figures] = {}
        self._handled: dict[str, tuple[float, int]] = {}
        self._rates: dict[str, float] = {}

    def say(self, line: str) -> None:
        """A line for the log at the bottom."""
        self._lines.append(line)

    async def watch(self) -> None:
        """Draw until cancelled."""
        with Live(console=self._console, refresh_per_second=8, transient=True) as live:
            try:
                while True:
                    await self._measure()
                    live.update(self._draw())
                    await asyncio.sleep(_REFRESH_S)
            finally:
                live.update(Text(""))

    async def _measure(self) -> None:
        for (_, role), figures in (await self._demo.runtime.figures(timeout_s=_REFRESH_S)).items():
            now = time.monotonic()
            key = f"{role}/{figures.generation}"
            then, handled = self._handled.get(key, (now, figures.handled))
            if now > then:
                self._rates[role] = (figures.handled - handled) / (now - then)
            self._handled[key] = (now, figures.handled)
            self._figures[role] = figures

    def _draw(self) -> RenderableType:
        log = Panel(Text("\n".join(self._lines)), title="what happens", title_align="left")
        tables = Table.grid(padding=(0, 2))
        tables.add_row(self._tree(), Group(self._books(), self._orders(), self._balances()))
        return Group(tables, log)

    def _tree(self) -> Table:
        status = self._demo.connector.status
        mode = f" · {status.mode.value}" if status is not None else ""
        table = Table(title=f"binance{mode}", title_justify="left")
        for heading in ("role", "state", "restarts", "messages/s", "waiting"):
            table.add_column(heading, justify="left" if heading in ("role", "state") else "right", min_width=8)
        for component in status.components if status is not None else ():
            figures = self._figures.get(component.role)
            table.add_row(
                component.role,
                Text(component.readiness.value, style=_COLOURS[component.readiness]),
                str(figures.restarts) if figures else "",
                f"{self._rates.get(component.role, 0):,.0f}",
                str(figures.mailbox_depth) if figures else "",
            )
        return table

    def _books(self) -> Table:
        table = Table(title="books", title_justify="left")
        for heading in ("pair", "bid", "ask", "sequence", "age"):
            table.add_column(heading, justify="left" if heading == "pair" else "right")
        for pair in self._demo.connector.trading_pairs:
            try:
                best = self._demo.connector.best_bid_ask(pair)
            except StaleMarketData:
                table.add_row(pair, Text("stale", style="red"), "", "", "")
                continue
            table.add_row(
                pair, f"{best.bid:,.2f}", f"{best.ask:,.2f}", str(best.sequence), f"{best.age_s * 1000:.0f} ms"
            )
        return table

    def _orders(self) -> Table:
        table = Table(title="in-flight orders", title_justify="left")
        for heading in ("client order id", "order", "state"):
            table.add_column(heading)
        for order_id, order in list(self._demo.connector.in_flight_orders.items())[-5:]:
            what = f"{order.side.value} {order.amount.normalize():f} {order.trading_pair}"
            table.add_row(order_id, what + (f" at {order.price}" if order.price else ""), order.state.value)
        return table

    def _balances(self) -> Table:
        table = Table(title="balances", title_justify="left")
        for heading in ("asset", "total", "available"):
            table.add_column(heading, justify="left" if heading == "asset" else "right")
        for asset, balance in sorted(self._demo.connector.balances.items()):
            table.add_row(asset, f"{balance.total:,.5f}", f"{balance.available:,.5f}")
        return table
