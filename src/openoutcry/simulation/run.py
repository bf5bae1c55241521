"""One run: a seed, a virtual duration, kinds of faults; and what came of it."""

import asyncio
import logging
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from openoutcry.demo.summary import Summary
from openoutcry.emulator.markets import demo_markets
from openoutcry.emulator.venue import EmulatedVenue
from openoutcry.errors import ConnectorStopped
from openoutcry.simulation.faults import FaultInjector, FaultKind, plan_faults
from openoutcry.simulation.invariants import EventWatch, compare_at_rest
from openoutcry.simulation.loop import FIRST_WALL_MS, LoopClock, VirtualTimeLoop
from openoutcry.simulation.network import BanWatch, Wire
from openoutcry.simulation.process import NAME, BotProcess
from openoutcry.simulation.scheduler import SeededScheduler
from openoutcry.simulation.strategy import PAIRS
from openoutcry.simulation.trace import Trace

HEALS_WITHIN_S: Final = 180.0
"""After the last fault, in virtual seconds: ready, and equal to the exchange."""
_LOOK_EVERY_S: Final = 1.0
_FLOW_GOES_ON_S: Final = 5.0
"""After the last fault: that a frame was lost shows when the next one comes."""
_FLOW_EVERY_TICKS: Final = 10
_FLOW_ACTIONS: Final = 4


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What came of one run."""

    seed: int
    simulated_s: float
    took_s: float
    """Of real time."""
    trace_hash: str
    """Equal for the same seed, duration and faults."""
    trace_lines: int
    faults: dict[str, int]
    """How many struck, by kind."""
    orders: dict[str, int]
    """By final state."""
    fills: int
    events: int
    restarts: int
    """Of actors."""
    process_kills: int
    healed_after_s: float | None
    """From the last fault until ready and equal to the exchange, in virtual seconds; None: not within the bound."""
    problems: tuple[str, ...]
    """One sentence for each thing that must not be; empty when all is well."""

    @property
    def is_good(self) -> bool:
        """Whether everything held."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return asdict(self)


def simulate(
    seed: int, duration_s: float, kinds: Sequence[FaultKind], trace_file: TextIO | None = None
) -> SimulationResult:
    """Run a seed for `duration_s` virtual seconds of faults, then let it heal. The trace goes to `trace_file`."""
    began = time.perf_counter()
    with (
        _silence(),
        tempfile.TemporaryDirectory(prefix="openoutcry-simulation-", dir=_folder_in_memory()) as folder,
        asyncio.Runner(loop_factory=VirtualTimeLoop) as runner,
    ):
        return runner.run(_run(seed, duration_s, kinds, Path(folder), trace_file, began))


def run_failed(seed: int, error: Exception) -> SimulationResult:
    """The result of a run that could not be brought to its end."""
    return SimulationResult(
        seed=seed,
        simulated_s=0.0,
        took_s=0.0,
        trace_hash="",
        trace_lines=0,
        faults={},
        orders={},
        fills=0,
        events=0,
        restarts=0,
        process_kills=0,
        healed_after_s=None,
        problems=(f"the run broke off: {type(error).__name__}: {error}",),
    )


async def _run(
    seed: int, duration_s: float, kinds: Sequence[FaultKind], folder: Path, trace_file: TextIO | None, began: float
) -> SimulationResult:
    def generator(purpose: str) -> random.Random:
        return random.Random(f"{seed}/{purpose}")  # noqa: S311 - a simulation

    loop = asyncio.get_running_loop()
    trace, clock, bans, watch = (
        Trace(loop.time, trace_file, str(folder)),
        LoopClock(),
        BanWatch(loop.time),
        EventWatch(),
    )
    venue = EmulatedVenue(
        clock=lambda: int(FIRST_WALL_MS + loop.time() * 1e3),
        markets=demo_markets(len(PAIRS)),
        flow_seed=seed,
        flow_every_ticks=_FLOW_EVERY_TICKS,
        flow_actions=_FLOW_ACTIONS,
    )
    scheduler = SeededScheduler(generator("scheduler"), trace)
    wire = Wire(venue, trace, generator("network"), bans)
    process = BotProcess(folder, wire, clock, scheduler, watch, generator("process"))
    injector = FaultInjector(
        venue,
        scheduler,
        clock,
        generator("faults"),
        trace,
        facade=NAME,
        call_later=loop.call_later,
        kill_process=process.die,
    )
    venue.begin()
    await process.start()
    for planned in plan_faults(kinds, duration_s, generator("plan")):
        await asyncio.sleep(planned.at_s - loop.time())
        injector.strike(planned.kind)
    await asyncio.sleep(duration_s - loop.time())
    await process.stop_trading()
    injector.end()
    ended_s = loop.time()
    await asyncio.sleep(_FLOW_GOES_ON_S)
    venue.stop_flow()
    summary = await _healed(process, venue, watch, ended_s + HEALS_WITHIN_S)
    healed_s = loop.time() - ended_s
    await process.stop()
    venue.end()
    return SimulationResult(
        seed=seed,
        simulated_s=round(loop.time(), 3),
        took_s=round(time.perf_counter() - began, 3),
        trace_hash=trace.digest,
        trace_lines=trace.lines,
        faults={kind.value: injector.struck[kind] for kind in sorted(injector.struck)},
        orders=dict(sorted(summary.orders.items())),
        fills=summary.fills,
        events=watch.last_number,
        restarts=process.restarts,
        process_kills=process.deaths,
        healed_after_s=None if summary.problems else round(healed_s, 3),
        problems=(*summary.problems, *bans.violations, *process.crashes),
    )


async def _healed(process: BotProcess, venue: EmulatedVenue, watch: EventWatch, deadline_s: float) -> Summary:
    """Wait until the connector is ready and equal to the exchange, and compare the last time at the deadline."""
    loop = asyncio.get_running_loop()
    while True:
        connector = process.connector
        is_late = loop.time() >= deadline_s
        if connector.ready or is_late:
            try:
                summary = await compare_at_rest(connector, venue, watch, restarts=process.restarts)
            except (ConnectorStopped, TimeoutError):
                if is_late:
                    raise
            else:
                if not connector.ready:
                    status = connector.status
                    missing = (
                        [f"{one.role} {one.readiness.value} ({one.reason})" for one in status.missing] if status else []
                    )
                    summary.problems.insert(
                        0, f"not ready {HEALS_WITHIN_S:g} s after the last fault: {', '.join(missing)}"
                    )
                if is_late or not summary.problems:
                    return summary
        await asyncio.sleep(_LOOK_EVERY_S)


@contextmanager
def _silence() -> Iterator[None]:
    """What the tree logs of faults that were wanted is of no interest here, and costs time."""
    was_disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(was_disabled)


def _folder_in_memory() -> str | None:
    """Where a journal needs no disk, if there is such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
