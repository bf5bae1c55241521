"""How long from the start to ready, for 10 and for 50 trading pairs: client on one core, embedded exchange on another.

The exchange is the emulator with 60 markets that trade, books of up to 1,000 levels a side and the live exchange's rate
limits; each measurement gets a fresh copy, so that no client finds the limits used up. Each client is a process of its
own. `ready_s` starts when its modules are imported, `process_s` when the process is asked for, interpreter and imports
included; both end when the order books of all pairs are kept. openoutcry is ready when its whole tree is: trading
rules, clock, balances, user stream, journal; "market data only" is the same without keys.

    python benchmarks/startup.py [--pairs 10,50] [--levels N] [--rounds N] [--clients "a; b"] [--json]
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rounds import METHOD, best, missing, pin, spread_of, take_turns, tell
from startup_clients import CLIENTS, Where

HERE = Path(__file__).parent


def run_client(name: str, pairs: int, where: dict[str, Any], asked_s: float) -> None:
    """Run one client in this process, and print what it came to as JSON."""
    pin(0)
    names = tuple(where.pop("pairs"))[:pairs]
    ready = asyncio.run(CLIENTS[name][0](Where(**where), names))
    figures = {"ready_s": ready.wall_s, "process_s": ready.at_s - asked_s, "cpu_s": ready.cpu_s}
    print(json.dumps({**{key: round(value, 4) for key, value in figures.items()}, "levels": ready.levels}))


class Exchanges:
    """The process that has the exchanges."""

    def __init__(self, levels: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "startup_exchange.py"), str(levels)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def next(self) -> str:
        """Where a fresh one is, as JSON; the one before it is gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("next\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=10)


def _measure(name: str, pairs: int, exchanges: Exchanges) -> dict[str, Any]:
    if row := missing(CLIENTS[name][2]):
        return row
    where = exchanges.next()
    command = [sys.executable, __file__, "--client", name, "--pairs", str(pairs), "--where", where]
    try:
        done = subprocess.run(
            [*command, "--asked", str(time.time())], capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        return {"missing": "not ready within 60 s"}
    if done.returncode:
        return {"missing": "failed: " + (done.stderr.strip().splitlines() or ["?"])[-1]}
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _of_pairs(names: list[str], pairs: int, rounds: int, exchanges: Exchanges) -> dict[str, Any]:
    tell(f"  {pairs} pairs")
    rows = take_turns(names, rounds, lambda name: _measure(name, pairs, exchanges))
    return {
        name: {"kind": CLIENTS[name][1], **best(of_one, more_is_better={"levels"})} for name, of_one in rows.items()
    }


def table(report: dict[str, Any]) -> str:
    lines = [
        f"Ready time in s: 60 markets, books of {report['levels']:,} levels a side, live rate limits, a core a client",
        f"{'':32}{'pairs':>6}{'ready':>8}  {'rounds':13}{'with start and imports':>24}{'CPU':>8}{'levels':>10}",
    ]
    for size, rows in report["rows"].items():
        for name, row in rows.items():
            if "missing" in row:
                lines.append(f"{name:32}{size:>6}  {row['missing']}")
            else:
                lines.append(
                    f"{name:32}{size:>6}{row['ready_s']:>8.2f}  {spread_of(row, 'ready_s', digits=2):13}"
                    f"{row['process_s']:>24.2f}{row['cpu_s']:>8.2f}{row['levels']:>10,}"
                )
    return "\n".join(lines)


def main() -> int:
    """Measure the clients in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", default="10,50", help="how many, up to 60 (default: 10,50)")
    parser.add_argument("--levels", type=int, default=1_000, help="of each side of each book (default: 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each client is measured (default: 3)")
    parser.add_argument("--clients", help=f"of: {'; '.join(CLIENTS)}")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--where", help=argparse.SUPPRESS)
    parser.add_argument("--asked", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [int(size) for size in options.pairs.split(",")]
    if options.client:
        run_client(options.client, sizes[0], json.loads(options.where), options.asked)
        return 0
    names = [name.strip() for name in options.clients.split(";")] if options.clients else list(CLIENTS)
    if unknown := [name for name in names if name not in CLIENTS]:
        parser.error(f"no client {unknown[0]!r}; there are: {'; '.join(CLIENTS)}")
    exchanges = Exchanges(options.levels)
    try:
        rows = {str(pairs): _of_pairs(names, pairs, options.rounds, exchanges) for pairs in sizes}
    finally:
        exchanges.close()
    report = {"benchmark": "startup", "method": METHOD, "levels": options.levels, "rows": rows}
    print(json.dumps(report) if options.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
