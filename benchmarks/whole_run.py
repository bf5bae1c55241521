"""All benchmarks in one run, each figure beside its yardstick, and the targets at the end.

python -m benchmarks [--quick] [--json]
python -m benchmarks --show FILE       # the tables of a run that was kept as JSON
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import actor_hop
import book_path
import decode
import order_ledger
import order_path
import startup
import targets
from rounds import METHOD, best, tell

HERE = Path(__file__).parent

LONG = {
    "book_path": ["--frames", "30000", "--rounds", "3"],
    "actor_hop": ["--hops", "200000", "--rounds", "5"],
    "order_path": ["--orders", "5000", "--warm", "100000"],
    "startup": ["--pairs", "10,50", "--rounds", "2"],
    "decode": ["--calls", "20000", "--rounds", "3"],
    "order_ledger": ["--orders", "10000", "--already", "100000"],
}
QUICK = {
    "book_path": ["--frames", "10000", "--rounds", "2"],
    "actor_hop": ["--hops", "50000", "--rounds", "3"],
    "order_path": ["--orders", "2000", "--warm", "10000"],
    "startup": ["--pairs", "10,50", "--rounds", "1"],
    "decode": ["--calls", "5000", "--rounds", "3"],
    "order_ledger": ["--orders", "3000", "--already", "10000"],
}
ORDER_ROUNDS = 3


def run_script(name: str, options: list[str]) -> dict[str, Any]:
    """The report of one benchmark; a reason under `missing` if it has none."""
    tell(f"{name} …")
    command = [sys.executable, str(HERE / f"{name}.py"), *options, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return {"benchmark": name, "missing": f"failed with status {done.returncode}: see stderr"}
    return report


def order_rounds(options: list[str], rounds: int) -> dict[str, Any]:
    """The order path: its clients take turns too, and only the last round goes on to the many orders."""
    settings = dict(zip(options[::2], options[1::2], strict=True))
    rows: dict[str, list[dict[str, Any]]] = {}
    for number in range(1, rounds + 1):
        warm = settings["--warm"] if number == rounds else "0"
        report = run_script("order_path", ["--orders", settings["--orders"], "--warm", warm])
        if "missing" in report:
            return report
        for name, row in report["order_path"].items():
            rows.setdefault(name, []).append(row if row is not None else {"missing": f"{name} is not installed"})
    return order_report(rows, int(settings["--orders"]), int(settings["--warm"]))


def order_report(rows: dict[str, list[dict[str, Any]]], orders: int, warm: int) -> dict[str, Any]:
    more = {"orders_per_s", "warm_orders_per_s"}
    return {
        "benchmark": "order_path",
        "method": METHOD,
        "orders": orders,
        "warm": warm,
        "rows": {name: best(of_one, more_is_better=more) for name, of_one in rows.items()},
    }


def measure(plan: dict[str, list[str]], order_path_rounds: int) -> dict[str, Any]:
    """Run all of a plan; one object."""
    began, load = time.time(), os.getloadavg()[0]
    reports = {
        name: order_rounds(options, order_path_rounds) if name == "order_path" else run_script(name, options)
        for name, options in plan.items()
    }
    return {
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "load_before": round(load, 2),
            "load_after": round(os.getloadavg()[0], 2),
        },
        "seconds": round(time.time() - began),
        "benchmarks": reports,
        "targets": [target.as_json() for target in targets.targets(reports)],
    }


def show(run: dict[str, Any]) -> None:
    """All tables of a run."""
    machine = run["machine"]
    print(
        f"Python {machine['python']}, {machine['cores']} cores, load {machine['load_before']} before and "
        f"{machine['load_after']} after, {run['seconds']} s.\n"
        "Of all rounds of a client the best is shown, and from the least to the most. The clients take turns."
    )
    tables: dict[str, Callable[[dict[str, Any]], str]] = {
        "book_path": book_path.table,
        "actor_hop": actor_hop.table,
        "startup": startup.table,
        "decode": decode.table,
        "order_ledger": order_ledger.table,
    }
    for name, report in run["benchmarks"].items():
        print()
        if "missing" in report:
            print(f"{name}: {report['missing']}")
        elif name == "order_path":
            rows = {client: None if "missing" in row else row for client, row in report["rows"].items()}
            order_path.show(rows, argparse.Namespace(orders=report["orders"], warm=report["warm"]))
        else:
            print(tables[name](report))
    print()
    print(targets.table(targets.targets(run["benchmarks"])))
    print(
        f"\nThe targets were set on a machine that does {targets.REFERENCE_FRAMES:,} frames/s by hand with a dict, and "
        f"{targets.REFERENCE_ORDERS:,} orders/s\nwith bare aiohttp: the rows by hand say how fast this one is."
    )


def main() -> int:
    """Run and show; 1 if a benchmark failed. A target that is not met is no failure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rounds: under two minutes, and more noise")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--show", type=Path, metavar="FILE", help="measure nothing; show a run that --json printed")
    options = parser.parse_args()
    if options.show:
        show(json.loads(options.show.read_text(encoding="utf-8")))
        return 0
    run = measure(QUICK, 1) if options.quick else measure(LONG, ORDER_ROUNDS)
    if options.json:
        print(json.dumps(run))
    else:
        show(run)
    return 1 if any("missing" in report for report in run["benchmarks"].values()) else 0
