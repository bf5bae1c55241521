"""Every benchmark runs alone, in its shortest form, and says what it measured in a form that programs read.

Not what it measured: that is the machine's affair.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


async def run(name: str, *options: str) -> dict[str, Any]:
    """What a script prints with --json."""
    output = await started(str(BENCHMARKS / name), *options, "--json")
    report: dict[str, Any] = json.loads(output)
    return report


async def started(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=BENCHMARKS.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


def has_figures(row: dict[str, Any], *names: str) -> bool:
    """Whether a row has these figures, each above nothing and with its rounds."""
    return all(row[name] > 0 and row[name] in row["rounds"][name] for name in names)


async def book_path() -> dict[str, Any]:
    report = await run("book_path.py", "--frames", "200", "--rounds", "1")
    rows = report["rows"]
    assert {row["kind"] for row in rows.values()} == {"own", "by hand", "peer"}
    for name in ("openoutcry", "aiohttp + orjson + dict", "aiohttp + orjson + SortedDict", "ccxt.pro"):
        assert has_figures(rows[name], "frames_a_second", "cpu_us_a_frame")
        assert rows[name]["book"] == "equal"
    assert rows["cryptofeed"].get("book", "equal") == "equal"
    return report


async def actor_hop() -> dict[str, Any]:
    report = await run("actor_hop.py", "--hops", "1000", "--rounds", "2")
    assert set(report["rows"]) == {"AsyncioSystemBase", "simpleSystemBase", "deque by hand", "asyncio.Queue"}
    for row in report["rows"].values():
        assert has_figures(row, "us_a_hop")
        assert len(row["rounds"]["us_a_hop"]) == 2
    return report


async def decode() -> dict[str, Any]:
    report = await run("decode.py", "--calls", "10", "--rounds", "1")
    assert all(has_figures(row, "us") for row in report["rows"].values())
    return report


async def order_ledger() -> dict[str, Any]:
    report = await run("order_ledger.py", "--orders", "100", "--already", "1024")
    for row in report["rows"].values():
        assert row["ledger_us"] > 0
        assert row["journal_us"] > 0
    assert {row["already"] for row in report["rows"].values()} == {0, 1024}
    return report


async def startup() -> dict[str, Any]:
    clients = "openoutcry; aiohttp + orjson by hand"
    report = await run("startup.py", "--pairs", "3", "--levels", "50", "--rounds", "1", "--clients", clients)
    rows = report["rows"]["3"]
    assert set(rows) == set(clients.split("; "))
    for row in rows.values():
        assert has_figures(row, "ready_s", "process_s", "cpu_s")
        assert row["levels"] > 3 * 2 * 50
    return report


async def order_path() -> dict[str, Any]:
    report = await run("order_path.py", "--orders", "40", "--warm", "0", "--clients", "bare aiohttp,openoutcry")
    rows: dict[str, dict[str, float]] = report["order_path"]
    for row in rows.values():
        assert min(row[name] for name in ("one_us", "orders_per_s", "cpu_us")) > 0
    assert {"journal_us", "signer_us"} <= set(rows["openoutcry"])
    # As the whole run gathers it.
    gathered = {name: {**row, "rounds": {key: [value] for key, value in row.items()}} for name, row in rows.items()}
    return {"benchmark": "order_path", "orders": 40, "warm": 0, "rows": gathered}


async def test_each_runs_alone_and_all_are_shown_together_with_the_targets(tmp_path: Path) -> None:
    reports = await asyncio.gather(book_path(), actor_hop(), decode(), order_ledger(), startup(), order_path())
    whole = {
        "machine": {"python": "3", "cores": 2, "load_before": 0.0, "load_after": 0.0},
        "seconds": 1,
        "benchmarks": {report["benchmark"]: report for report in reports},
    }
    kept = tmp_path / "run.json"
    kept.write_text(json.dumps(whole), encoding="utf-8")
    shown = await started("-m", "benchmarks", "--show", str(kept))
    for title in ("Book path", "Actor hop", "order path", "Ready time", "Decode", "Ledger and journal"):
        assert title in shown
    (table,) = (part for part in shown.split("\n\n") if part.startswith("target "))
    lines = table.splitlines()[1:]
    assert len(lines) == 10
    # Neither 10 nor 50 pairs were started, and no orders came before others.
    assert [line.split("  ")[0] for line in lines if " not measured " in line] == [
        "the same after 0 orders",
        "ready, 10 pairs, s",
        "ready, 10 pairs, start of the process and imports included, s",
        "ready, 50 pairs, s",
        "ready, 50 pairs, start of the process and imports included, s",
    ]
    assert sum(" met " in line or " NOT MET " in line for line in lines) == 5
