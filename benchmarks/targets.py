"""What openoutcry sets itself, against what a run of all benchmarks came to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

REFERENCE_FRAMES = 79_000
"""aiohttp + orjson + dict by hand, in frames/s, on the machine for which the targets were set."""
REFERENCE_FRAME_US = 12.7
"""CPU of the same, in µs a frame."""
REFERENCE_ORDERS = 7_900
"""Bare aiohttp with 32 orders in flight, in orders/s, on the same."""
SAME = 0.9
"""A throughput that is at least this share of another is taken for the same: rounds differ by more than a tenth."""

Reports = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Target:
    """One of them. Absolute figures depend on the machine, so each stands beside what code by hand does on it."""

    name: str
    goal: str
    measured: str
    is_met: bool | None
    """None: not measured."""
    yardstick: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def targets(reports: Reports) -> list[Target]:
    """All of them, in a fixed order; those whose benchmark is missing are there as not measured."""
    return [*_book(reports), _hop(reports), *_orders(reports), *_ready(reports)]


def _row(reports: Reports, benchmark: str, *path: str) -> Mapping[str, Any] | None:
    row: Any = reports.get(benchmark, {}).get("rows", {})
    for name in path:
        row = row.get(name, {})
    return row if row and "missing" not in row else None


def _unmeasured(name: str, goal: str) -> Target:
    return Target(name, goal, "not measured", None, "")


def _book(reports: Reports) -> list[Target]:
    names = (
        ("book path, frames/s", "≥ 80,000"),
        ("book path, against the best Python peer", "≥ 2.5 ×"),
    )
    own = _row(reports, "book_path", "openoutcry")
    if own is None:
        return [_unmeasured(*name) for name in names]
    speed = own["frames_a_second"]
    hand = _row(reports, "book_path", "aiohttp + orjson + dict")
    by_hand = f"{own['cpu_us_a_frame']:.1f} µs of CPU"
    if hand:
        by_hand += f"; by hand, dict: {hand['frames_a_second']:,}, {hand['cpu_us_a_frame']:.1f} µs"
        by_hand += f" (reference {REFERENCE_FRAMES:,}, {REFERENCE_FRAME_US} µs)"
    first = Target(*names[0], f"{speed:,}", speed >= 80_000, by_hand)
    peers = {
        name: row["frames_a_second"]
        for name, row in reports["book_path"]["rows"].items()
        if row.get("kind") == "peer" and "missing" not in row
    }
    if not peers:
        return [first, _unmeasured(*names[1])]
    peer = max(peers, key=lambda name: peers[name])
    ratio = speed / peers[peer]
    against = f" {speed / hand['frames_a_second']:.2f} × by hand, dict" if hand else ""
    return [first, Target(*names[1], f"{ratio:.2f} ×", ratio >= 2.5, f"{peer}: {peers[peer]:,};{against}")]


def _hop(reports: Reports) -> Target:
    name = ("actor hop, µs", "≤ 1.5")
    own = _row(reports, "actor_hop", "AsyncioSystemBase")
    if own is None:
        return _unmeasured(*name)
    others = ("deque by hand", "simpleSystemBase", "asyncio.Queue")
    rows = {other: _row(reports, "actor_hop", other) for other in others}
    yardstick = ", ".join(f"{other} {row['us_a_hop']:.2f}" for other, row in rows.items() if row)
    return Target(*name, f"{own['us_a_hop']:.2f}", own["us_a_hop"] <= 1.5, yardstick)


def _orders(reports: Reports) -> list[Target]:
    warm = reports.get("order_path", {}).get("warm", 100_000)
    names = (
        ("order path, one in flight, against bare aiohttp", "≤ 1.3 ×"),
        ("order path, 32 in flight, orders/s", "≥ 5,000"),
        (f"the same after {warm:,} orders", f"≥ {SAME} ×"),
    )
    own, bare = _row(reports, "order_path", "openoutcry"), _row(reports, "order_path", "bare aiohttp")
    if own is None:
        return [_unmeasured(*name) for name in names]
    rows = [_unmeasured(*name) for name in names]
    by_hand = ""
    if bare:
        ratio = own["one_us"] / bare["one_us"]
        rows[0] = Target(
            *names[0],
            f"{ratio:.2f} ×",
            ratio <= 1.3,
            f"{own['one_us']:,.0f} µs against {bare['one_us']:,.0f} µs",
        )
        by_hand = f"bare aiohttp: {bare['orders_per_s']:,.0f} (reference {REFERENCE_ORDERS:,})"
    rows[1] = Target(*names[1], f"{own['orders_per_s']:,.0f}", own["orders_per_s"] >= 5_000, by_hand)
    if "warm_orders_per_s" in own:
        # Against the same process when it was cold: another round may have met another machine.
        before, cpu_before = own["rounds"]["orders_per_s"][-1], own["rounds"]["cpu_us"][-1]
        ratio = own["warm_orders_per_s"] / before
        rows[2] = Target(
            *names[2],
            f"{ratio:.2f} ×",
            ratio >= SAME,
            f"{before:,.0f}/s, then {own['warm_orders_per_s']:,.0f}/s; "
            f"CPU {cpu_before:,.0f} µs, then {own['warm_cpu_us']:,.0f} µs",
        )
    return rows


def _ready(reports: Reports) -> list[Target]:
    rows = []
    for pairs, limit in (("10", 1.0), ("50", 2.0)):
        whole = f"ready, {pairs} pairs, start of the process and imports included, s"
        names = ((f"ready, {pairs} pairs, s", f"≤ {limit:.0f}"), (whole, f"≤ {limit:.0f}"))
        own = _row(reports, "startup", pairs, "openoutcry")
        if own is None:
            rows += [_unmeasured(*name) for name in names]
            continue
        others = reports["startup"]["rows"][pairs]
        for name, figure in zip(names, ("ready_s", "process_s"), strict=True):
            yardstick = ", ".join(
                f"{other} {row[figure]:.2f}"
                for other, row in others.items()
                if row.get("kind") != "own" and "missing" not in row
            )
            rows.append(Target(*name, f"{own[figure]:.2f}", own[figure] <= limit, yardstick))
    return rows


def table(rows: list[Target]) -> str:
    verdict = {True: "met", False: "NOT MET", None: "not measured"}
    lines = [f"{'target':64}{'goal':>10}{'measured':>14}  {'':14}beside it, on this machine"]
    lines += [
        f"{row.name:64}{row.goal:>10}{row.measured if row.is_met is not None else '':>14}  "
        f"{verdict[row.is_met]:14}{row.yardstick}"
        for row in rows
    ]
    return "\n".join(lines)
