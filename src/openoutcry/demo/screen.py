"""The actor tree live in the terminal: roles, states, restarts, messages a second; books, orders, balances."""

import asyncio
import time
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from openoutcry.actors import roles
from openoutcry.demo.run import Demo
from openoutcry.errors import StaleMarketData
from openoutcry.messages.lifecycle import ComponentStatus, Figures, Readiness, SupervisionDecision, TradingMode
from openoutcry.messages.orders import InFlightOrder, TradeSide

_COLOURS = {
    Readiness.READY: "green",
    Readiness.STARTING: "yellow",
    Readiness.DEGRADED: "yellow",
    Readiness.FAILED: "bold red",
}
_REFRESH_S = 0.25
_SHOW_A_CRASH_S = 3.0
"""A component is back after milliseconds: what has just crashed stays marked for as long as an eye needs."""

_WIDE = 130
"""Columns from which on there is room for what is nice to have."""

_NARROW = 98
"""Columns below which only the most needed is shown."""


class Screen:
    """Fills the terminal and redraws itself four times a second while a demonstration runs."""

    def __init__(self, demo: Demo, console: Console) -> None:
        self._demo = demo
        self._console = console
        self._began = time.monotonic()
        self._lines: list[str] = []
        self._figures: dict[str, Figures] = {}
        self._handled: dict[str, tuple[float, int]] = {}
        self._rates: dict[str, float] = {}
        self._crashed_at: dict[str, float] = {}

    def say(self, line: str) -> None:
        """A line for the log at the bottom."""
        self._lines.append(line)

    async def watch(self) -> None:
        """Draw until cancelled; then the terminal is as it was, with the log below what was there before."""
        crashes = asyncio.create_task(self._note_crashes())
        try:
            with Live(console=self._console, screen=True, auto_refresh=False) as live:
                while True:
                    await self._measure()
                    live.update(self._draw(), refresh=True)
                    await asyncio.sleep(_REFRESH_S)
        finally:
            crashes.cancel()
            for line in self._lines:
                self._console.print(_log_line(line))

    async def _note_crashes(self) -> None:
        async for event in self._demo.connector.supervision_events():
            if event.decision is SupervisionDecision.FAILED:
                self._crashed_at[event.role] = time.monotonic()

    async def _measure(self) -> None:
        for (connector, name), figures in (await self._demo.runtime.figures(timeout_s=_REFRESH_S)).items():
            role = roles.FACADE if name == connector else name
            now = time.monotonic()
            key = f"{role}/{figures.generation}"
            then, handled = self._handled.get(key, (now, figures.handled))
            if now > then:
                self._rates[role] = (figures.handled - handled) / (now - then)
            self._handled[key] = (now, figures.handled)
            self._figures[role] = figures

    def _draw(self) -> RenderableType:
        is_wide, is_narrow = self._console.width >= _WIDE, self._console.width < _NARROW
        body_lines = 22 if self._console.height >= 40 else 18 if self._console.height >= 30 else 16
        screen = Layout()
        body = Layout(name="body", size=body_lines)
        screen.split_column(
            Layout(self._headline(), size=1), body, Layout(self._log(self._console.height - body_lines))
        )
        right = Layout()
        body.split_row(Layout(self._tree(is_wide), size=63 if is_wide else 47), right)
        balances = self._balances(2 if is_narrow else 4)
        orders_lines = body_lines - 5 - balances.row_count - 3
        right.split_column(
            Layout(_panel("books", self._books(is_narrow)), size=5),
            Layout(_panel("orders in flight", self._orders(orders_lines - 3, is_wide, is_narrow)), size=orders_lines),
            Layout(_panel("balances", balances)),
        )
        return screen

    def _headline(self) -> Text:
        status = self._demo.connector.status
        mode = status.mode if status is not None else TradingMode.CANCEL_ONLY
        is_ready = status is not None and status.is_ready
        return Text.assemble(
            (" openoutcry demo ", "bold reverse"),
            "  binance  ",
            (mode.value, "bold green" if mode is TradingMode.LIVE else "bold yellow"),
            "  ",
            ("ready", "green") if is_ready else ("not ready", "yellow"),
            f"  {time.monotonic() - self._began:5.1f} of about {self._demo.seconds:g} s",
            f"  restarts {self._demo.restarts}",
            no_wrap=True,
            overflow="ellipsis",
        )

    def _tree(self, is_wide: bool) -> Panel:
        table = _table(("role", "state   "), ("restarts", "messages/s", *(("waiting", "dropped") if is_wide else ())))
        status = self._demo.connector.status
        components = status.components if status is not None else ()
        for component in (_facade(status is not None), *components):
            figures = self._figures.get(component.role)
            has_just_crashed = time.monotonic() - self._crashed_at.get(component.role, -1e9) < _SHOW_A_CRASH_S
            restarts = figures.restarts if figures else 0
            cells = [
                Text(component.role if component.role == roles.FACADE else f"  {component.role}"),
                Text(component.readiness.value, style="" if has_just_crashed else _COLOURS[component.readiness]),
                Text(str(restarts), style="bold yellow" if restarts and not has_just_crashed else ""),
                Text(f"{self._rates.get(component.role, 0):,.0f}"),
            ]
            if is_wide:
                cells += [
                    Text(str(figures.mailbox_depth if figures else 0)),
                    Text(str(figures.dropped if figures else 0)),
                ]
            table.add_row(*cells, style="bold white on red" if has_just_crashed else "")
        return _panel("actors", table)

    def _books(self, is_narrow: bool) -> Table:
        table = _table(("pair",), ("bid", "ask", *(() if is_narrow else ("sequence", "age"))))
        for pair in self._demo.connector.trading_pairs:
            try:
                best = self._demo.connector.best_bid_ask(pair)
            except StaleMarketData:
                table.add_row(pair, Text("stale", style="bold red"), Text("stale", style="bold red"))
                continue
            age = f"{best.age_s * 1000:,.0f} ms"
            cells = [f"{best.bid:,.2f}", f"{best.ask:,.2f}", f"{best.sequence:>9}", f"{age:>8}"]
            table.add_row(pair, *cells[: 2 if is_narrow else 4])
        return table

    def _orders(self, rows: int, is_wide: bool, is_narrow: bool) -> Table:
        table = _table(("side", "of" if is_narrow else "pair"), ("amount", "price"))
        table.add_column("state", header_style="dim", overflow="ellipsis")
        if is_wide:
            table.add_column("client order id", header_style="dim", no_wrap=True)
        orders = list(self._demo.connector.in_flight_orders.values())
        for order in orders[max(0, len(orders) - rows) :]:
            table.add_row(*_order_cells(order, is_narrow), *((order.client_order_id,) if is_wide else ()))
        return table

    def _balances(self, decimals: int) -> Table:
        """Those of the pairs that are traded."""
        connector = self._demo.connector
        table = _table(("asset",), ("total", "available"))
        for asset in sorted({asset for pair in connector.trading_pairs for asset in pair.split("-")}):
            total, available = connector.get_balance(asset), connector.get_available_balance(asset)
            table.add_row(asset, f"{total:,.{decimals}f}", f"{available:,.{decimals}f}")
        return table

    def _log(self, lines: int) -> Panel:
        log = Text(no_wrap=True, overflow="ellipsis")
        for line in self._lines[-max(1, lines - 3) :]:
            log.append_text(_log_line(line)).append("\n")
        return _panel("what happens", log)


def _facade(is_there: bool) -> ComponentStatus:
    return ComponentStatus(role=roles.FACADE, readiness=Readiness.READY if is_there else Readiness.STARTING)


def _order_cells(order: InFlightOrder, is_narrow: bool) -> Iterable[Text]:
    price = "market" if order.price is None else f"{order.price:,.2f}"
    return (
        Text(order.side.value, style="green" if order.side is TradeSide.BUY else "red"),
        Text(order.trading_pair.partition("-")[0] if is_narrow else order.trading_pair),
        Text(f"{order.amount:.{3 if is_narrow else 5}f}"),
        Text(price),
        Text(order.state.value),
    )


def _log_line(line: str) -> Text:
    return Text(line, style="bold red" if " crash " in line else "green" if " ready " in line else "")


def _table(left: Iterable[str], right: Iterable[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for heading in left:
        table.add_column(heading, no_wrap=True)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=title, title_align="left", padding=(0, 1), border_style="dim")
