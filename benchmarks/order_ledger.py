"""What the ledger and the journal cost an order, apart and together.

    python benchmarks/order_ledger.py [--orders N] [--already N] [--directory DIR] [--json]

Each order is placed, acknowledged (by its answer and again by the user stream), filled and completed. With 1 together
each step of each order is a commit of its own, with 32 each step of 32 orders. Processor time of this process in µs an
order, the median of the rounds; the last lines are the same after a million orders (or as many as --already says).
Making the messages that others would send is not counted.
"""

import argparse
import gc
import json
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from rounds import pin, tell

from openoutcry.actors.order_tracker.changes import Changes
from openoutcry.actors.order_tracker.journal import Journal
from openoutcry.actors.order_tracker.ledger import OrderLedger
from openoutcry.actors.order_tracker.order_record import OrderRecord
from openoutcry.messages.orders import FillUpdate, OrderState, OrderType, OrderUpdate, TimeInForce, TradeSide

PAIR = "BTC-USDT"
ROUND = 1024
"""Orders in a round."""


class Bench:
    """A ledger with its journal, and the time spent in each."""

    def __init__(self, path: Path) -> None:
        self.journal = Journal(path)
        self.ledger = OrderLedger(next_event_number=1, delay_s=lambda _: 1.0, not_found_grace_ms=7000)
        self.number = 0
        names = ("place", "acknowledge", "fill and complete", "remove old ones")
        self.steps = {name: [0.0, 0.0] for name in names}

    def round(self, together: int, *, is_written: bool = True) -> None:
        """Take `ROUND` orders through their lives, `together` at a time."""
        for _ in range(ROUND // together):
            self._lives(together, is_written)
        if is_written:
            started = time.process_time()
            while self.journal.compact():
                pass
            self.steps["remove old ones"][1] += time.process_time() - started
            if self.journal.wants_checkpoint:
                self.journal.checkpoint()

    def _lives(self, together: int, is_written: bool) -> None:
        ledger = self.ledger
        numbers = range(self.number + 1, self.number + together + 1)
        self.number += together
        started = time.process_time()
        records = [_record(number) for number in numbers]
        for record in records:
            ledger.add(record)
        self._commit("place", started, is_written)

        updates = [_update(record, OrderState.OPEN) for record in records]
        started = time.process_time()
        for record, update in zip(records, updates, strict=True):
            ledger.placement_answered(record)
            ledger.apply_update(update, 1.0)
            ledger.apply_update(update, 1.0)
        self._commit("acknowledge", started, is_written)

        fills = [_fill(record) for record in records]
        updates = [_update(record, OrderState.FILLED, Decimal("0.01")) for record in records]
        started = time.process_time()
        for fill, update in zip(fills, updates, strict=True):
            ledger.apply_fill(fill, 1.0)
            ledger.apply_update(update, 1.0)
        self._commit("fill and complete", started, is_written)

    def _commit(self, step: str, started: float, is_written: bool) -> None:
        changes: Changes = self.ledger.take()
        between = time.process_time()
        if is_written:
            self.journal.commit(changes)
        spent = self.steps[step]
        spent[0] += between - started
        spent[1] += time.process_time() - between


def _record(number: int) -> OrderRecord:
    return OrderRecord(
        order_id=number,
        client_order_id=f"x-oo1ab2cd3ef4{number}",
        trading_pair=PAIR,
        side=TradeSide.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=Decimal("25000.10"),
        amount=Decimal("0.01000"),
        self_trade_prevention=None,
        created_ms=1767225600000,
    )


def _update(record: OrderRecord, state: OrderState, executed: Decimal = Decimal(0)) -> OrderUpdate:
    return OrderUpdate(
        trading_pair=PAIR,
        client_order_id=record.client_order_id,
        exchange_order_id=str(10_000_000 + record.order_id),
        state=state,
        executed_amount_base=executed,
        executed_amount_quote=executed * 25000,
        updated_ms=1767225600123,
    )


def _fill(record: OrderRecord) -> FillUpdate:
    return FillUpdate(
        trading_pair=PAIR,
        client_order_id=record.client_order_id,
        exchange_order_id=str(10_000_000 + record.order_id),
        trade_id=str(20_000_000 + record.order_id),
        price=Decimal("25000.10"),
        amount=Decimal("0.01000"),
        quote_amount=Decimal("250.0010000"),
        fee_asset="BNB",
        fee_amount=Decimal("0.00031"),
        is_maker=True,
        traded_ms=1767225600123,
    )


def measure(path: Path, together: int, orders: int, already: int = 0) -> dict[str, Any]:
    """Ledger and journal in µs an order for each step; after `already` orders that were not measured."""
    tell(f"  {together} together, after {already:,} orders")
    bench = Bench(path)
    for _ in range(already // ROUND):
        bench.round(ROUND)
    samples: dict[str, list[tuple[float, float]]] = {step: [] for step in bench.steps}
    for _ in range(max(1, orders // ROUND)):
        for spent in bench.steps.values():
            spent[:] = [0.0, 0.0]
        gc.collect()
        bench.round(together)
        for step, (ledger, journal) in bench.steps.items():
            samples[step].append((ledger / ROUND * 1e6, journal / ROUND * 1e6))
    size = path.stat().st_size >> 20
    bench.journal.close()
    steps = {}
    for step, pairs in samples.items():
        ledger_us, journal_us = (statistics.median(column) for column in zip(*pairs, strict=True))
        steps[step] = {"ledger_us": ledger_us, "journal_us": journal_us}
    whole = {name: sum(step[name] for step in steps.values()) for name in ("ledger_us", "journal_us")}
    return {"together": together, "already": already, "journal_mb": size, **whole, "steps": steps}


def table(report: dict[str, Any]) -> str:
    lines = ["Ledger and journal: µs of CPU an order, median of rounds of 1,024 orders"]
    for row in report["rows"].values():
        lines.append(
            f"{row['together']} together, after {row['already']:,} orders (journal {row['journal_mb']} MB): "
            f"ledger {row['ledger_us']:.1f}, journal {row['journal_us']:.1f}"
        )
        for step, spent in row["steps"].items():
            lines.append(f"  {step:20} ledger {spent['ledger_us']:6.1f}   journal {spent['journal_us']:6.1f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=20_000, help="orders measured in each line")
    parser.add_argument("--already", type=int, default=1_000_000, help="orders before the last line")
    parser.add_argument("--directory", type=Path, help="where the journals lie; default: a temporary folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    pin(0)
    with tempfile.TemporaryDirectory(dir=chosen.directory) as folder:
        rows = {
            "alone": measure(Path(folder) / "alone.sqlite", 1, chosen.orders),
            "together": measure(Path(folder) / "together.sqlite", 32, chosen.orders),
            "together, later": measure(Path(folder) / "later.sqlite", 32, chosen.orders, chosen.already),
        }
    report = {"benchmark": "order_ledger", "method": "median of the rounds", "rows": rows}
    print(json.dumps(report) if chosen.json else table(report))


if __name__ == "__main__":
    main()
