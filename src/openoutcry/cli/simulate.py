"""`openoutcry simulate`: prove in virtual time that nothing is lost, whatever goes wrong."""

import argparse
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import orjson

from openoutcry.cli.errors import CommandFailed
from openoutcry.simulation.faults import ALL_FAULTS, FaultKind
from openoutcry.simulation.run import SimulationResult, run_failed, simulate

_PROGRESS_EVERY_S = 1.0
_PROBLEMS_SHOWN = 10
_NONE = "none"
_ALL = "all"


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 only if everything held in every seed.

    Raises:
        CommandFailed: a fault that does not exist.
    """
    kinds = fault_kinds(arguments.faults)
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    began = time.monotonic()
    results = sorted(_results(seeds, arguments.hours * 3600.0, kinds), key=lambda result: result.seed)
    took_s = time.monotonic() - began
    bad = [result for result in results if not result.is_good]
    for result in bad:
        _explain(result, arguments)
    totals = _totals(results, took_s)
    if arguments.json:
        sys.stdout.buffer.write(orjson.dumps({"totals": totals, "runs": [one.as_json() for one in results]}) + b"\n")
    else:
        sys.stdout.write(_table(totals))
    return 1 if bad else 0


def fault_kinds(text: str) -> tuple[FaultKind, ...]:
    """The kinds that a comma-separated list names; `all` and `none` are such lists too.

    Raises:
        CommandFailed: names what is unknown, and what is known.
    """
    if text in (_ALL, _NONE):
        return ALL_FAULTS if text == _ALL else ()
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in set(ALL_FAULTS)]
    if unknown:
        raise CommandFailed(f"no such fault: {', '.join(unknown)}; there are: {', '.join(ALL_FAULTS)}")
    return tuple(FaultKind(name) for name in names)


def _results(seeds: Sequence[int], duration_s: float, kinds: tuple[FaultKind, ...]) -> Iterator[SimulationResult]:
    say = _progress(len(seeds))
    if len(seeds) == 1:
        yield _one(seeds[0], duration_s, kinds)
        return
    with ProcessPoolExecutor(
        min(len(seeds), os.cpu_count() or 1),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    ) as pool:
        running = [pool.submit(_one, seed, duration_s, kinds) for seed in seeds]
        try:
            for future in as_completed(running):
                result = future.result()
                say(result)
                yield result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _one(seed: int, duration_s: float, kinds: tuple[FaultKind, ...]) -> SimulationResult:
    try:
        return simulate(seed, duration_s, kinds)
    except Exception as error:  # noqa: BLE001 - a run that breaks is a finding of its seed, not the end of the others
        return run_failed(seed, error)


def _progress(total: int) -> Callable[[SimulationResult], None]:
    """Says on stderr how far it is, at most once in a while."""
    done = bad = 0
    next_s = time.monotonic() + _PROGRESS_EVERY_S

    def say(result: SimulationResult) -> None:
        nonlocal done, bad, next_s
        done += 1
        bad += not result.is_good
        if time.monotonic() >= next_s or (done == total and total > 1):
            next_s = time.monotonic() + _PROGRESS_EVERY_S
            end = "\r" if sys.stderr.isatty() and done < total else "\n"
            print(f"{done} of {total} seeds, {bad} with violations", end=end, file=sys.stderr, flush=True)

    return say


def _explain(result: SimulationResult, arguments: argparse.Namespace) -> None:
    """What was violated, the command that shows it again, and the trace of it in a file."""
    path = Path(f"openoutcry-seed-{result.seed}.trace")
    lines = [f"seed {result.seed}:", *(f"  {problem}" for problem in result.problems[:_PROBLEMS_SHOWN])]
    command = f"openoutcry simulate --seed {result.seed} --hours {arguments.hours!r} --faults {arguments.faults}"
    try:
        with path.open("w", encoding="utf-8") as file:
            again = _with_trace(result.seed, arguments, file)
    except OSError as error:
        lines.append(f"  the trace can't be written to {path}: {error.strerror}")
    else:
        same = "" if again.trace_hash == result.trace_hash else " (which took another course: that is a violation too)"
        lines.append(f"  trace: {path}{same}")
    print("\n".join([*lines, f"  again: {command}"]), file=sys.stderr)


def _with_trace(seed: int, arguments: argparse.Namespace, file: Any) -> SimulationResult:
    try:
        return simulate(seed, arguments.hours * 3600.0, fault_kinds(arguments.faults), file)
    except Exception as error:  # noqa: BLE001 - its trace ends where it broke
        return run_failed(seed, error)


def _totals(results: Sequence[SimulationResult], took_s: float) -> dict[str, Any]:
    simulated_s = sum(result.simulated_s for result in results)
    busy_s = sum(result.took_s for result in results)
    healed = sorted(result.healed_after_s for result in results if result.healed_after_s is not None)
    faults: Counter[str] = Counter()
    orders: Counter[str] = Counter()
    for result in results:
        faults.update(result.faults)
        orders.update(result.orders)
    return {
        "runs": len(results),
        "simulated_hours": round(simulated_s / 3600, 3),
        "took_s": round(took_s, 1),
        "simulated_s_a_second_and_process": round(simulated_s / busy_s, 1) if busy_s else 0.0,
        "orders": dict(sorted(orders.items())),
        "fills": sum(result.fills for result in results),
        "events": sum(result.events for result in results),
        "actor_restarts": sum(result.restarts for result in results),
        "process_kills": sum(result.process_kills for result in results),
        "healed_after_s": {"p50": _share(healed, 0.5), "p99": _share(healed, 0.99), "max": _share(healed, 1.0)},
        "faults": dict(sorted(faults.items())),
        "runs_with_violations": sum(not result.is_good for result in results),
    }


def _share(ordered: Sequence[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def _table(totals: dict[str, Any]) -> str:
    healed = ", ".join(f"{name} {value} s" for name, value in totals["healed_after_s"].items() if value is not None)
    rows = [
        ("runs", totals["runs"]),
        ("simulated", f"{totals['simulated_hours']} h in {totals['took_s']} s"),
        ("speed", f"{totals['simulated_s_a_second_and_process']} simulated seconds a second and process"),
        ("orders", ", ".join(f"{count} {state}" for state, count in totals["orders"].items()) or "none"),
        ("fills, events", f"{totals['fills']}, {totals['events']}"),
        ("actors restarted", totals["actor_restarts"]),
        ("processes killed", totals["process_kills"]),
        ("healed after", healed or "never"),
        *((f"fault {name}", count) for name, count in totals["faults"].items()),
        ("with violations", totals["runs_with_violations"]),
    ]
    width = max(len(name) for name, _ in rows) + 2
    return "".join(f"{name:<{width}}{value}\n" for name, value in rows)
